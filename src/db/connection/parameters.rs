//! Which parameters there are, and where their values come from.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use super::{conninfo, service};
use crate::error::{Error, Result};

/// How an environment variable is looked up; tests bring their own environment.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What becomes of a parameter of libpq.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It has its effect.
    Used,
    /// It means nothing here, and leaving it out weakens nothing.
    Harmless,
    /// It would be a promise that is not kept; naming it is an error.
    Refused,
}

use Fate::{Harmless, Refused, Used};

/// Keyword, environment variable ("" where there is none), fate.
const KNOWN: &[(&str, &str, Fate)] = &[
    ("application_name", "PGAPPNAME", Used),
    ("channel_binding", "PGCHANNELBINDING", Used),
    ("connect_timeout", "PGCONNECT_TIMEOUT", Used),
    ("dbname", "PGDATABASE", Used),
    ("fallback_application_name", "", Used),
    ("host", "PGHOST", Used),
    ("hostaddr", "PGHOSTADDR", Used),
    ("keepalives", "", Used),
    ("keepalives_count", "", Used),
    ("keepalives_idle", "", Used),
    ("keepalives_interval", "", Used),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS", Used),
    ("options", "PGOPTIONS", Used),
    ("passfile", "PGPASSFILE", Used),
    ("password", "PGPASSWORD", Used),
    ("port", "PGPORT", Used),
    ("service", "PGSERVICE", Used),
    ("sslcert", "PGSSLCERT", Used),
    ("sslcrl", "PGSSLCRL", Used),
    ("sslkey", "PGSSLKEY", Used),
    ("sslmode", "PGSSLMODE", Used),
    ("sslnegotiation", "PGSSLNEGOTIATION", Used),
    ("sslrootcert", "PGSSLROOTCERT", Used),
    ("sslsni", "PGSSLSNI", Used),
    ("target_session_attrs", "PGTARGETSESSIONATTRS", Used),
    ("tcp_user_timeout", "", Used),
    ("user", "PGUSER", Used),
    // The driver always speaks UTF-8, and neither GSSAPI nor TLS compression.
    ("client_encoding", "PGCLIENTENCODING", Harmless),
    ("gsslib", "PGGSSLIB", Harmless),
    ("krbsrvname", "PGKRBSRVNAME", Harmless),
    ("sslcompression", "PGSSLCOMPRESSION", Harmless),
    ("gssencmode", "PGGSSENCMODE", Refused),
    ("passkey", "", Refused),
    ("replication", "", Refused),
    ("require_auth", "PGREQUIREAUTH", Refused),
    ("requirepeer", "PGREQUIREPEER", Refused),
    ("requiressl", "PGREQUIRESSL", Refused),
    (
        "ssl_max_protocol_version",
        "PGSSLMAXPROTOCOLVERSION",
        Refused,
    ),
    (
        "ssl_min_protocol_version",
        "PGSSLMINPROTOCOLVERSION",
        Refused,
    ),
    ("sslcertmode", "PGSSLCERTMODE", Refused),
    ("sslcrldir", "PGSSLCRLDIR", Refused),
    ("sslpassword", "", Refused),
];

/// Values that ask for no more than what happens anyway.
const NO_PROMISE: &[(&str, &str)] = &[
    ("gssencmode", "disable"),
    ("gssencmode", "prefer"),
    ("requiressl", "0"),
    ("replication", "false"),
    ("ssl_min_protocol_version", "TLSv1"),
    ("ssl_min_protocol_version", "TLSv1.1"),
    ("ssl_min_protocol_version", "TLSv1.2"),
    ("ssl_max_protocol_version", "TLSv1.3"),
    ("sslcertmode", "allow"),
];

/// The parameters of a connection, of all sources.
#[derive(Default)]
pub(super) struct Parameters {
    values: BTreeMap<&'static str, String>,
    /// Whether the caller named a database in any way, or all of it is default.
    pub named: bool,
    /// Where the password came from, in words.
    pub password_source: Option<&'static str>,
}

impl Parameters {
    /// Takes the URL, else `DATABASE_URL`; fills up from the service file, then from the
    /// variables.
    pub fn gather(url: Option<&str>, environment: Environment<'_>) -> Result<Self> {
        let mut all = Self::default();
        let url = match url {
            Some("") => {
                return Err(Error::usage("--database-url is empty")
                    .hint("give a URL, or leave the option out to use DATABASE_URL or PGHOST"));
            }
            Some(url) => Some(url.to_owned()),
            None => variable(environment, "DATABASE_URL")?,
        };
        if let Some(url) = url {
            all.named = true;
            all.read(&url)?;
        }
        let service = match all.values.get("service") {
            Some(service) => Some(service.clone()),
            None => variable(environment, "PGSERVICE")?,
        };
        if let Some(service) = service.filter(|name| !name.is_empty()) {
            all.named = true;
            // Unlike in libpq, PGPASSWORD goes before the password of a service: a password
            // that was taken off the command line travels in it, and must win.
            let has_password = variable(environment, "PGPASSWORD")?.is_some();
            for (key, value) in service::read(&service, environment)? {
                let (key, _, fate) = known(&key)
                    .ok_or_else(|| unknown(&key))
                    .map_err(|error| error.detail(format!("in the service \"{service}\"")))?;
                if !(key == "password" && has_password) {
                    all.fill(key, value, fate, "the service file")?;
                }
            }
        }
        for &(key, name, fate) in KNOWN.iter().filter(|(_, name, _)| !name.is_empty()) {
            if let Some(value) = variable(environment, name)? {
                all.named |= matches!(key, "host" | "hostaddr" | "dbname");
                all.fill(key, value, fate, name)?;
            }
        }
        Ok(all)
    }

    fn read(&mut self, text: &str) -> Result<()> {
        let pairs = conninfo::parse(text)?;
        for (at, (key, value)) in pairs.iter().enumerate() {
            let Some((key, _, fate)) = known(key) else {
                // Behind an unquoted password with a space the "name" is a piece of it, and so it
                // may be in a URL whose password has a / and a ?.
                let follows_password = at > 0 && pairs[at - 1].0 == "password";
                let doubtful = follows_password && !conninfo::is_url(text)
                    || text.contains('@') && !pairs.iter().any(|(key, _)| key == "user");
                return Err(if doubtful {
                    Error::usage("the database URL has an unknown parameter behind the password")
                        .hint("quote a password with spaces, or better put it into PGPASSWORD")
                } else {
                    unknown(key)
                });
            };
            // Of two with one name the later one counts, as in libpq.
            self.values.remove(key);
            self.fill(key, value.clone(), fate, "the database URL")?;
        }
        Ok(())
    }

    /// Sets what is not yet set.
    fn fill(
        &mut self,
        key: &'static str,
        value: String,
        fate: Fate,
        source: &'static str,
    ) -> Result<()> {
        if self.values.contains_key(key) {
            return Ok(());
        }
        if fate == Refused && !value.is_empty() && !NO_PROMISE.contains(&(key, value.as_str())) {
            return Err(
                Error::usage(format!("connection parameter \"{key}\" is not supported"))
                    .detail(format!(
                        "it came from {source}, and ignoring it would weaken what it asks"
                    ))
                    .hint("leave it out"),
            );
        }
        if key == "password" && !value.is_empty() {
            self.password_source = Some(source);
        }
        self.values.insert(key, value);
        Ok(())
    }

    /// The value of a parameter; empty ones stand for the default.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A parameter that names one of a few choices.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let found = choices.iter().find(|(name, _)| *name == value);
        found.map(|(_, choice)| Some(*choice)).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            Error::usage(format!("unknown {key} \"{value}\""))
                .hint(format!("one of: {}", names.join(", ")))
        })
    }

    /// A parameter that is a whole number. libpq reads a negative one as zero.
    pub fn number(&self, key: &str) -> Result<Option<u64>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let number: i64 = value
            .trim()
            .parse()
            .map_err(|_| Error::usage(format!("{key} is not a whole number: \"{value}\"")))?;
        Ok(Some(u64::try_from(number).unwrap_or(0)))
    }
}

/// Whether libpq has such a parameter.
pub(super) fn is_known(key: &str) -> bool {
    known(key).is_some()
}

fn known(key: &str) -> Option<(&'static str, &'static str, Fate)> {
    KNOWN.iter().find(|(known, ..)| *known == key).copied()
}

fn unknown(key: &str) -> Error {
    let used = KNOWN.iter().filter(|(.., fate)| *fate == Used);
    let used: Vec<&str> = used.map(|(key, ..)| *key).collect();
    Error::usage(format!("unknown connection parameter \"{key}\""))
        .detail(format!("known are: {}", used.join(", ")))
        .hint("leave it out, or correct its name")
}

/// An environment variable that has a value.
pub(super) fn variable(environment: Environment<'_>, name: &str) -> Result<Option<String>> {
    environment(name)
        .filter(|value| !value.is_empty())
        .map(|value| {
            value
                .into_string()
                .map_err(|_| Error::usage(format!("the variable {name} is not UTF-8")))
        })
        .transpose()
}

/// A variable of the process. Like libpq, asks the system where the account is at home when HOME is
/// not set, as in services of systemd that name no user.
pub fn of_process(name: &str) -> Option<OsString> {
    let home = || (name == "HOME").then(env::home_dir).flatten();
    env::var_os(name).or_else(|| home().map(Into::into))
}

/// A file below the home directory, where there is one.
pub(super) fn at_home(environment: Environment<'_>, file: &str) -> Option<PathBuf> {
    environment("HOME")
        .filter(|home| !home.is_empty())
        .map(|home| PathBuf::from(home).join(file))
}
