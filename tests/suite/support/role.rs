//! A role of one test, on the server that all tests share.

use super::server::{Database, server};

/// Dropped with its handle, and with it what it owns in the database of the test.
pub struct Role<'a> {
    database: &'a Database,
    /// Its name.
    pub name: String,
}

impl<'a> Role<'a> {
    /// That may log in, with further attributes.
    pub fn new(database: &'a Database, attributes: &str) -> Self {
        Self::named(database, "role", attributes)
    }

    /// One of several, told apart by a word.
    pub fn named(database: &'a Database, word: &str, attributes: &str) -> Self {
        let name = format!("{}_{word}", database.name());
        database.execute(&format!("CREATE ROLE \"{name}\" LOGIN {attributes}"));
        Self { database, name }
    }

    /// The database of the test, by this role.
    pub fn url(&self) -> String {
        self.at(&self.database.url)
    }

    /// An address of the superuser's, by this role.
    pub fn at(&self, url: &str) -> String {
        match url.split_once("postgres@") {
            Some((head, tail)) => format!("{head}{}@{tail}", self.name),
            None => panic!("the server under test has another superuser: {url}"),
        }
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        let name = &self.name;
        let _ = self
            .database
            .connect()
            .batch_execute(&format!("DROP OWNED BY \"{name}\""));
        let drop = format!("DROP ROLE IF EXISTS \"{name}\"");
        let _ = server().connect("postgres").batch_execute(&drop);
    }
}
