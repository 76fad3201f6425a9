//! The schema of a database as SQL, by `pg_dump`: nothing else knows every kind of object.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::connection::take_password;
use super::throwaway::find_binaries;
use crate::error::{Error, Result};

/// How long `pg_dump` waits for a table that somebody else locks.
const LOCK_WAIT: &str = "--lock-wait-timeout=10s";

/// A `pg_dump` that is not older than the server.
#[derive(Clone, Debug)]
pub struct Dumper {
    program: PathBuf,
    major: u32,
}

/// What a dump leaves out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Omit {
    /// Owners and privileges, which need roles.
    pub roles: bool,
}

/// The two halves of a schema: rows belong between them.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Tables, types, functions.
    pub before_rows: String,
    /// Indexes, constraints, triggers.
    pub after_rows: String,
}

impl Dumper {
    /// Finds one for a server's major version: in the folder that `CREDITDB_PG_BIN` names, beside
    /// the server binaries that are used for throw-away servers, in Debian's folders, on `PATH`.
    ///
    /// # Errors
    /// When there is none, or only older ones: an older `pg_dump` cannot read a newer server.
    pub fn for_server(server_major: u32) -> Result<Self> {
        // Named by hand, it need not have a server as well.
        let named = env::var_os("CREDITDB_PG_BIN").map(PathBuf::from);
        let mut folders = Vec::from_iter(named.map_or_else(find_binaries, Ok));
        let debian = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten();
        folders.extend(debian.map(|entry| entry.path().join("bin")));
        folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let mut newest = None;
        for program in folders.iter().map(|folder| folder.join("pg_dump")) {
            let Some(major) = major(&program) else {
                continue;
            };
            if major >= server_major {
                return Ok(Self { program, major });
            }
            newest = newest.max(Some(major));
        }
        let found = newest.map_or("found none".to_owned(), |n| format!("found pg_dump {n}"));
        Err(
            Error::undecided(format!("no pg_dump for a server of version {server_major}"))
                .detail(format!("{found}; it must not be older than the server"))
                .hint(format!(
                    "apt-get install postgresql-client-{server_major}, or name the folder of one: \
                 export CREDITDB_PG_BIN=/usr/lib/postgresql/{server_major}/bin"
                )),
        )
    }

    /// Its own major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The schema of the database that `url` names, by the conventions of libpq; without one, the
    /// environment does. A password goes by the environment, never by the process list.
    ///
    /// # Errors
    /// What `pg_dump` says.
    pub fn schema(&self, url: Option<&str>, omit: Omit) -> Result<Schema> {
        Ok(Schema {
            before_rows: self.run(url, omit, "pre-data")?,
            after_rows: self.run(url, omit, "post-data")?,
        })
    }

    fn command(&self, url: Option<&str>, omit: Omit, section: &str) -> Command {
        let mut dump = Command::new(&self.program);
        dump.stdin(Stdio::null());
        dump.args([
            "--schema-only",
            "--no-tablespaces",
            "--no-subscriptions",
            LOCK_WAIT,
        ]);
        dump.args(["--no-password", "--encoding=UTF8", "--section", section]);
        if omit.roles {
            dump.args(["--no-owner", "--no-privileges"]);
        }
        if let Some(url) = url {
            let (url, password) = match take_password(url) {
                Some((url, password)) => (url, Some(password)),
                None => (url.to_owned(), None),
            };
            dump.arg("--dbname").arg(url);
            if let Some(password) = password {
                dump.env("PGPASSWORD", password);
            }
        }
        dump
    }

    fn run(&self, url: Option<&str>, omit: Omit, section: &str) -> Result<String> {
        let mut dump = self.command(url, omit, section);
        let output = dump.output().map_err(|error| {
            Error::undecided(format!(
                "cannot run \"{}\": {error}",
                self.program.display()
            ))
        })?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(refused(words));
        }
        String::from_utf8(output.stdout)
            .map(|text| plain(&text))
            .map_err(|_| Error::undecided("pg_dump wrote something that is not UTF-8"))
    }
}

/// `pg_dump` hands on what the server said and not its SQLSTATE, so without English words there is
/// no hint.
fn refused(words: String) -> Error {
    let lacks_privilege = words.contains("permission denied for ");
    let error = Error::undecided("pg_dump cannot read the schema").detail(words);
    if lacks_privilege {
        error.hint("it needs SELECT on every table: GRANT pg_read_all_data TO the role")
    } else {
        error
    }
}

/// The major version of a program, from `pg_dump (PostgreSQL) 17.11 (…)`.
fn major(program: &Path) -> Option<u32> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.split_once("(PostgreSQL)")?.1.trim();
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Without what only psql understands (`\restrict`, since the minor releases of August 2025), what
/// an older server does not know, and the schema `public`, which is there.
fn plain(text: &str) -> String {
    let is_foreign = |line: &&str| {
        let meta = ["\\restrict ", "\\unrestrict "];
        meta.iter().any(|word| line.starts_with(word))
            || *line == "SET transaction_timeout = 0;"
            || *line == "CREATE SCHEMA public;"
    };
    let lines = text.lines().filter(|line| !is_foreign(line));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::{Dumper, Omit, plain, refused};

    #[test]
    fn only_a_missing_privilege_is_answered_with_one() {
        let hint = |words: &str| refused(words.to_owned()).next_step().map(str::to_owned);
        let denied = "pg_dump: error: query failed: ERROR:  permission denied for table t";
        assert!(hint(denied).unwrap().contains("pg_read_all_data"));
        assert_eq!(hint("FATAL:  too many connections for role \"u\""), None);
    }

    #[test]
    fn a_password_goes_by_the_environment() {
        let dumper = Dumper {
            program: "pg_dump".into(),
            major: 18,
        };
        let url = "postgres://user:s3cret@host/credits?sslmode=require";
        let dump = dumper.command(Some(url), Omit::default(), "pre-data");
        let arguments: Vec<_> = dump.get_args().map(|a| a.to_string_lossy()).collect();
        let arguments = arguments.join(" ");
        assert!(!arguments.contains("s3cret"), "{arguments}");
        assert!(
            arguments.contains("user@host/credits?sslmode=require"),
            "{arguments}"
        );
        let given = dump.get_envs().any(|(name, value)| {
            name == "PGPASSWORD" && value.is_some_and(|value| value == "s3cret")
        });
        assert!(given);
    }

    #[test]
    fn an_older_one_is_refused() {
        let refused = Dumper::for_server(99)
            .map(|dumper| dumper.major)
            .unwrap_err();
        assert_eq!(refused.primary(), "no pg_dump for a server of version 99");
        assert!(refused.details().concat().contains("must not be older"));
    }

    #[test]
    fn only_the_lines_of_psql_go() {
        let text =
            "\\restrict abc\nSET transaction_timeout = 0;\nSELECT '\n\\d';\n\\unrestrict abc\n";
        assert_eq!(plain(text), "SELECT '\n\\d';\n");
    }
}
