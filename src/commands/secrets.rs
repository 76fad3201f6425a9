//! Keeps a password that was typed into an argument out of the process list and of messages.
//!
//! Every account of a machine can read the arguments of every process (`ps`,
//! `/proc/PID/cmdline`), while the environment is readable for its owner only. What remains: the
//! milliseconds before the program has started itself again, the shell's history, and what cannot
//! be used, with which the program ends at once.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, io};

use crate::db::connection::{holds_password, take_password, unreadable};
use crate::error::{Error, Result};

/// The options that may hold a password.
const DATABASE: &str = "--database-url";
const SCRATCH: &str = "--scratch-url";

/// Where a URL of the scratch server keeps its password: a variable that is about that server only.
pub(super) const SCRATCH_VARIABLE: &str = "CREDITDB_SCRATCH_URL";

/// Starts the program again with the passwords in the environment when an argument holds one; then
/// it does not return. Which of the two gives the password makes no difference to what is done,
/// because that of a URL wins over that of a variable.
///
/// # Errors
/// When a password stands where none is taken from, or in something that cannot be read: whoever
/// reads the arguments next would repeat it. When the program cannot be started again; the password
/// is not left where it is.
pub fn hide_password() -> Result<()> {
    let mut arguments = env::args_os();
    let program = arguments.next().unwrap_or_else(|| "creditdb".into());
    let Some(moved) = take_from(arguments)? else {
        return Ok(());
    };
    let failed = |error: io::Error| {
        Error::undecided(format!(
            "cannot take the password out of the process list: {error}"
        ))
        .hint("put the password into PGPASSWORD or ~/.pgpass instead of --database-url")
    };
    let mut again = Command::new(env::current_exe().map_err(failed)?);
    again.arg0(program).args(moved.arguments);
    Err(failed(again.envs(moved.variables).exec()))
}

/// What the command line and the environment are to be instead.
struct Moved {
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, String)>,
}

/// None when there is no password in the arguments.
fn take_from(arguments: impl Iterator<Item = OsString>) -> Result<Option<Moved>> {
    let mut moved = Moved {
        arguments: Vec::new(),
        variables: Vec::new(),
    };
    let mut before = String::new();
    for (index, argument) in arguments.enumerate() {
        let text = argument.to_string_lossy().into_owned();
        let is_value = [DATABASE, SCRATCH].contains(&before.as_str());
        let (option, value) = match text.split_once('=') {
            _ if is_value => (before.as_str(), text.as_str()),
            Some((option @ (DATABASE | SCRATCH), value)) => (option, value),
            _ if holds_password(&text) => return Err(refuse(index + 1, &text)),
            _ => ("", ""),
        };
        if let Some(error) = unreadable(value) {
            return Err(error.during(option));
        }
        match take_password(value) {
            Some((rest, password)) => {
                moved.variables.push(match option {
                    SCRATCH => (SCRATCH_VARIABLE, value.to_owned()),
                    _ => ("PGPASSWORD", password),
                });
                let glued = if is_value {
                    String::new()
                } else {
                    format!("{option}=")
                };
                moved.arguments.push(format!("{glued}{rest}").into());
            }
            None => moved.arguments.push(argument),
        }
        before = if is_value { String::new() } else { text };
    }
    Ok(Some(moved).filter(|moved| !moved.variables.is_empty()))
}

/// Of an argument that seems to hold a password and is not about a connection. Its text is not
/// repeated, apart from the name of an option or a variable that it begins with.
fn refuse(position: usize, text: &str) -> Error {
    let name = text.split_once('=').map_or("", |(name, _)| name);
    let of = |name: &str, is_ours: fn(&u8) -> bool| name.bytes().all(|byte| is_ours(&byte));
    let is_option = name.starts_with("--") && of(name, |b| b.is_ascii_lowercase() || *b == b'-');
    let is_variable = of(name, |b| b.is_ascii_uppercase() || *b == b'_');
    let shown = if name.is_empty() || !(is_option || is_variable) {
        String::new()
    } else {
        format!(" (\"{name}=…\")")
    };
    let error = Error::usage(format!(
        "argument {position}{shown} seems to hold a password"
    ))
    .detail("it is not repeated here, but your shell may keep it in its history");
    if is_variable && (name.starts_with("PG") || name == "DATABASE_URL") {
        return error.hint(format!(
            "variables go before the program: {name}=… creditdb …"
        ));
    }
    error.hint("name the database with --database-url, its password in PGPASSWORD or ~/.pgpass")
}

#[cfg(test)]
mod tests {
    use super::take_from;

    /// The arguments that are left, and the variables.
    fn take(arguments: &[&str]) -> Option<(String, String)> {
        let moved = take_from(arguments.iter().map(Into::into)).unwrap()?;
        let words: Vec<_> = moved
            .arguments
            .iter()
            .map(|a| a.to_str().unwrap())
            .collect();
        let variables = moved.variables.iter();
        let variables: Vec<_> = variables
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Some((words.join(" "), variables.join(" ")))
    }

    #[test]
    fn passwords_leave_the_arguments() {
        let cases: [(&[&str], &str, &str); 6] = [
            (
                &["status", "--database-url", "postgres://u:p@h/d", "-v"],
                "status --database-url postgres://u@h/d -v",
                "PGPASSWORD=p",
            ),
            (
                &["--database-url=postgres://h/d?password=p", "status"],
                "--database-url=postgres://h/d? status",
                "PGPASSWORD=p",
            ),
            (
                &["--database-url", "password=p host=h", "status"],
                "--database-url host='h' status",
                "PGPASSWORD=p",
            ),
            (
                &["--database-url=host=h password='p q'"],
                "--database-url=host='h'",
                "PGPASSWORD=p q",
            ),
            (
                &["rehearse", "--scratch-url", "postgres://u:p@h/d"],
                "rehearse --scratch-url postgres://u@h/d",
                "CREDITDB_SCRATCH_URL=postgres://u:p@h/d",
            ),
            (
                &[
                    "--scratch-url=postgres://u:p@h",
                    "--database-url=postgres://v:q@i",
                ],
                "--scratch-url=postgres://u@h --database-url=postgres://v@i",
                "CREDITDB_SCRATCH_URL=postgres://u:p@h PGPASSWORD=q",
            ),
        ];
        for (arguments, rest, variables) in cases {
            let expected = Some((rest.to_owned(), variables.to_owned()));
            assert_eq!(take(arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    fn passwords_at_a_wrong_place_are_refused_and_not_repeated() {
        let cases: [(&[&str], &str); 12] = [
            (&["migrate", "postgres://u:s3cr3t@h/d"], "argument 2 seems"),
            (&["--url=postgres://u:s3cr3t/@h"], "(\"--url=…\")"),
            (
                &["DATABASE_URL=postgres://u:s3cr3t@h/d"],
                "(\"DATABASE_URL=…\")",
            ),
            (&["PGPASSWORD=s3cr3t"], "(\"PGPASSWORD=…\")"),
            (&["Password = s3cr3t"], "argument 1 seems"),
            (&["s3cr3t=PASSWORD=s3cr3t"], "argument 1 seems"),
            (
                &["jdbc:postgresql://h/x?user=u&password=s3cr3t"],
                "argument 1 seems",
            ),
            (&["mysql+driver://u:s3cr3t@h"], "argument 1 seems"),
            (&["postgres://h/d?passw%6Frd=s3cr3t"], "argument 1 seems"),
            (
                &["--database-url", "host=h", "password=s3cr3t"],
                "argument 3 seems",
            ),
            // A space that is not quoted: what follows is the other half of the password.
            (
                &["--database-url", "postgres://u:s3", "cr3t@h"],
                "cannot be read",
            ),
            (
                &["--scratch-url=jdbc:x://h?a=b&password=s3cr3t"],
                "cannot be read",
            ),
        ];
        for (arguments, words) in cases {
            let error = take_from(arguments.iter().map(Into::into)).err().unwrap();
            let all = format!("{} {:?} {:?}", error, error.details(), error.next_step());
            assert!(error.primary().contains(words), "{arguments:?}: {all}");
            assert!(!all.contains("s3cr3t"), "{arguments:?}: {all}");
        }
    }

    #[test]
    fn other_arguments_are_left_alone() {
        for arguments in [
            &["status", "--database-url", "postgres://u@h/d"][..],
            &["--database-url"],
            &["verify", "password"],
            &["--output=json=password.json"],
            &["status", "postgres://u@h:5432/d"],
            &["drift", "--ignore", "public.password_resets"],
        ] {
            assert_eq!(take(arguments), None, "{arguments:?}");
        }
    }
}
