//! A real PgBouncer in front of the server under test.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postgres::config::Host;
use postgres::{Config, NoTls};
use tempfile::TempDir;

use super::server::server;

/// How long it may take to answer.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Killed with its handle.
pub struct PgBouncer {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl PgBouncer {
    /// With a `pool_mode`, and further lines for its configuration. None, and a word on stderr,
    /// where the program is not installed, unless `CREDITDB_REQUIRE_PGBOUNCER` or `CI=true` is set.
    pub fn start(pool_mode: &str, settings: &str) -> Option<Self> {
        let Some(program) = find() else {
            let required = std::env::var_os("CREDITDB_REQUIRE_PGBOUNCER").is_some()
                || std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!required, "there is no PgBouncer: ci/pgbouncer.sh");
            // Not eprintln!, whose words about a test that passes nobody sees.
            let _ = writeln!(
                std::io::stderr(),
                "!! SKIPPED: a test with PgBouncer, which is not installed (ci/pgbouncer.sh)"
            );
            return None;
        };
        let upstream: Config = server().url_of("postgres").parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, configuration(&upstream, port, pool_mode, settings)).unwrap();
        let mut command = Command::new(program);
        if let Some(account) = account(&upstream, folder.path()) {
            chown(folder.path(), Some(account), None).unwrap();
            chown(&file, Some(account), None).unwrap();
            command.uid(account);
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = command
            .arg(&file)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let this = Self {
            process,
            folder,
            port,
        };
        this.wait_until_ready();
        Some(this)
    }

    /// The URL of one of the server's databases through it.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable",
            self.port
        )
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        let url: Config = self.url("postgres").parse().unwrap();
        while let Err(error) = url
            .connect(NoTls)
            .and_then(|mut c| c.simple_query("SELECT 1"))
        {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(started.elapsed() < START_LIMIT, "{error:?}\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Debian puts it where only root's PATH leads.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Whoever connects is the superuser of the run.
fn configuration(upstream: &Config, port: u16, pool_mode: &str, settings: &str) -> String {
    let host = match &upstream.get_hosts()[0] {
        Host::Unix(folder) => folder.to_str().unwrap().to_owned(),
        Host::Tcp(name) => name.clone(),
    };
    let quote = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut database = format!("host={} user={}", quote(&host), quote(user(upstream)));
    if let Some(port) = upstream.get_ports().first() {
        database = format!("{database} port={port}");
    }
    if let Some(password) = upstream.get_password() {
        let password = quote(std::str::from_utf8(password).unwrap());
        database = format!("{database} password={password}");
    }
    format!(
        "[databases]\n* = {database}\n\n[pgbouncer]\npool_mode = {pool_mode}\nauth_type = any\n\
         listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n{settings}\n"
    )
}

fn user(upstream: &Config) -> &str {
    upstream.get_user().expect("a URL with a user")
}

/// It refuses to run as root. The account that owns the socket's folder can reach the socket; any
/// will do for TCP.
fn account(upstream: &Config, made_by_us: &Path) -> Option<u32> {
    if fs::metadata(made_by_us).unwrap().uid() != 0 {
        return None;
    }
    Some(match &upstream.get_hosts()[0] {
        Host::Unix(folder) => fs::metadata(folder).unwrap().uid(),
        Host::Tcp(_) => 65534,
    })
}
