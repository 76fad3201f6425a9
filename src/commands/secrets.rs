//! Keeps a password that was typed into `--database-url` out of the process list.
//!
//! Every account of a machine can read the arguments of every process (`ps`,
//! `/proc/PID/cmdline`), while the environment is readable for its owner only. What remains: the
//! milliseconds before the program has started itself again, the shell's history, and a URL that
//! cannot be read at all, with which the program ends at once.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, io};

use crate::db::connection::{is_unreadable_url, take_password};
use crate::error::{Error, Result};

const OPTION: &str = "--database-url";

/// Starts the program again with the password in `PGPASSWORD` when an argument holds one; then it
/// does not return. Which of the two gives the password makes no difference to what is done,
/// because that of a URL wins over that of the variable.
///
/// # Errors
/// When the program cannot be started again; the password is not left where it is.
pub fn hide_password() -> Result<()> {
    let mut arguments = env::args_os();
    let program = arguments.next().unwrap_or_else(|| "creditdb".into());
    let Some((arguments, password)) = take_from(arguments) else {
        return Ok(());
    };
    let failed = |error: io::Error| {
        Error::undecided(format!(
            "cannot take the password out of the process list: {error}"
        ))
        .hint("put the password into PGPASSWORD or ~/.pgpass instead of --database-url")
    };
    let mut again = Command::new(env::current_exe().map_err(failed)?);
    again.arg0(program).args(arguments);
    if let Some(password) = password {
        again.env("PGPASSWORD", password);
    }
    Err(failed(again.exec()))
}

/// The arguments without passwords, and the one that counts. None when there is none in them.
fn take_from(arguments: impl Iterator<Item = OsString>) -> Option<(Vec<OsString>, Option<String>)> {
    let mut cleaned = Vec::new();
    let mut password = None;
    let mut found = false;
    let mut value_follows = false;
    for argument in arguments {
        let text = argument.to_str().unwrap_or_default();
        let (option, value) = match text.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (format!("{option}="), value),
            _ => (String::new(), text),
        };
        let is_ours = value_follows || option == format!("{OPTION}=");
        value_follows = text == OPTION;
        // What stands at a wrong place is an error, whose message would repeat it.
        match take_password(value) {
            Some((rest, taken)) => {
                found = true;
                if is_ours {
                    password = Some(taken);
                }
                cleaned.push(format!("{option}{rest}").into());
            }
            None if !is_ours && is_unreadable_url(value) => {
                found = true;
                cleaned.push(format!("{option}…").into());
            }
            None => cleaned.push(argument),
        }
    }
    found.then_some((cleaned, password))
}

#[cfg(test)]
mod tests {
    use super::take_from;

    fn take(arguments: &[&str]) -> Option<(String, Option<String>)> {
        let arguments = arguments.iter().map(Into::into);
        take_from(arguments).map(|(arguments, password)| {
            let words: Vec<_> = arguments.iter().map(|a| a.to_str().unwrap()).collect();
            (words.join(" "), password)
        })
    }

    #[test]
    fn passwords_leave_the_arguments() {
        let cases: [(&[&str], &str, Option<&str>); 6] = [
            (
                &["status", "--database-url", "postgres://u:p@h/d", "-v"],
                "status --database-url postgres://u@h/d -v",
                Some("p"),
            ),
            (
                &["--database-url=postgres://h/d?password=p", "status"],
                "--database-url=postgres://h/d? status",
                Some("p"),
            ),
            (
                &["--database-url", "password=p host=h", "status"],
                "--database-url host='h' status",
                Some("p"),
            ),
            (
                &["--database-url=host=h password='p q'"],
                "--database-url=host='h'",
                Some("p q"),
            ),
            (
                &["migrate", "postgres://u:p@h/d"],
                "migrate postgres://u@h/d",
                None,
            ),
            (&["--url=postgres://u:p/@h"], "--url=…", None),
        ];
        for (arguments, rest, password) in cases {
            let expected = Some((rest.to_owned(), password.map(str::to_owned)));
            assert_eq!(take(arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    fn other_arguments_are_left_alone() {
        for arguments in [
            &["status", "--database-url", "postgres://u@h/d"][..],
            &["--database-url"],
            &["verify", "password"],
            &["--output=json=password.json"],
        ] {
            assert_eq!(take(arguments), None, "{arguments:?}");
        }
    }
}
