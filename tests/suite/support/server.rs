//! One server per run, one template database, one clone of it per test.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use creditdb::db::throwaway::{Options, Throwaway};
use postgres::{Client, Config, NoTls};

use super::program::creditdb;

/// Holds the migrated schema; cloning it takes some 30 ms.
const TEMPLATE: &str = "creditdb_template";

/// Schema versions before the newest one, each with the migration that records it.
pub const EARLIER: [(&str, u32); 4] = [("1.0.0", 5), ("1.1.0", 19), ("1.2.0", 24), ("1.3.0", 34)];

/// The newest schema version, and the migration that records it.
pub const NEWEST: (&str, u32) = ("1.3.1", 38);

/// The server under test: `CREDITDB_TEST_URL` (a superuser's URL), else a private one.
pub struct Server {
    url: String,
    /// Held for as long as the run lasts.
    _own: Option<Throwaway>,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let (own, url) = match std::env::var("CREDITDB_TEST_URL") {
        Ok(url) => (None, url),
        Err(_) => {
            let settings = [("log_min_messages", "warning"), ("max_connections", "200")];
            let settings = settings.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
            let own = Throwaway::start(&Options {
                settings,
                ..Options::default()
            })
            .unwrap();
            let url = own.url("postgres");
            (Some(own), url)
        }
    };
    let server = Server { url, _own: own };
    let mut admin = server.connect("postgres");
    let version: String = admin.query_one("SHOW server_version", &[]).unwrap().get(0);
    assert_expected_major(&version);
    eprintln!("server under test: PostgreSQL {version} at {}", server.url);
    // From version to version, each a copy of the one before that is migrated on.
    let mut before = "template0".to_owned();
    for (name, to) in EARLIER
        .map(|(schema, to)| (template_of(schema), Some(to)))
        .into_iter()
        .chain([(TEMPLATE.to_owned(), None)])
    {
        for statement in [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name} TEMPLATE {before}"),
        ] {
            admin.batch_execute(&statement).unwrap();
        }
        let to = to.map(|to| format!("--to={to}"));
        creditdb(["migrate".to_owned()].into_iter().chain(to))
            .on(&server.url_of(&name))
            .succeeds();
        before = name;
    }
    server
});

/// The template database of an earlier schema version.
fn template_of(schema: &str) -> String {
    format!("{TEMPLATE}_{}", schema.replace('.', "_"))
}

/// A job of a version matrix says which major it is about; then nothing else will do.
fn assert_expected_major(version: &str) {
    if let Ok(expected) = std::env::var("CREDITDB_EXPECT_MAJOR") {
        let major = version.split(['.', ' ']).next().unwrap();
        assert_eq!(
            major, expected,
            "the server under test has another major version"
        );
    }
}

/// The server of this run.
pub fn server() -> &'static Server {
    &SERVER
}

impl Server {
    /// The URL of one of its databases.
    pub fn url_of(&self, database: &str) -> String {
        let (address, options) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let (host, _) = address
            .rsplit_once('/')
            .expect("a URL with a database name");
        format!("{host}/{database}?{options}")
    }

    /// Connects as the superuser of the run.
    pub fn connect(&self, database: &str) -> Client {
        self.url_of(database)
            .parse::<Config>()
            .unwrap()
            .connect(NoTls)
            .unwrap()
    }

    /// The server's major version.
    pub fn major(&self) -> u32 {
        let number: String = self
            .connect("postgres")
            .query_one("SHOW server_version_num", &[])
            .unwrap()
            .get(0);
        number.parse::<u32>().unwrap() / 10_000
    }
}

/// A database of one test; dropped with its handle.
pub struct Database {
    name: String,
    /// For child processes.
    pub url: String,
}

impl Database {
    /// With the newest schema and no users.
    pub fn migrated() -> Self {
        Self::from_template(TEMPLATE)
    }

    /// With an earlier schema version (see [`EARLIER`]) and no users.
    pub fn at(schema: &str) -> Self {
        if schema == NEWEST.0 {
            return Self::migrated();
        }
        assert!(
            EARLIER.iter().any(|(known, _)| *known == schema),
            "{schema}"
        );
        Self::from_template(&template_of(schema))
    }

    /// Each schema version, oldest first, with a database that has it and no users.
    pub fn of_each_version() -> impl Iterator<Item = (&'static str, Self)> {
        let versions = EARLIER.into_iter().chain([NEWEST]);
        versions.map(|(schema, _)| (schema, Self::at(schema)))
    }

    /// With nothing in it.
    pub fn empty() -> Self {
        Self::from_template("template0")
    }

    /// A copy of this one, to try damage on.
    pub fn copy(&self) -> Self {
        Self::from_template(&self.name)
    }

    fn from_template(template: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("creditdb_test_{}_{number}", std::process::id());
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        server().connect("postgres").batch_execute(&create).unwrap();
        let url = server().url_of(&name);
        Self { name, url }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects as the superuser of the run.
    pub fn connect(&self) -> Client {
        server().connect(&self.name)
    }

    /// Runs SQL text.
    pub fn execute(&self, sql: &str) {
        self.connect()
            .batch_execute(sql)
            .unwrap_or_else(|e| panic!("{e:?}\n{sql}"));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = server().connect("postgres").batch_execute(&drop);
    }
}
