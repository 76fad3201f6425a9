//! A private, throw-away server from local binaries: a unix socket in a closed folder, no port,
//! no password; gone when the handle is, or when the process is, however it ends.
//!
//! As root the server runs under the account `postgres`, else `nobody`: it refuses to be root.

use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use super::Target;
use crate::error::{Error, Result};

/// How long a server may take to get ready; recovery of a small database takes seconds.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Makes the cluster, runs the server, stops it and removes the folder when the pipe on its stdin
/// closes, which happens on a return, a panic, Ctrl-C and SIGKILL alike. A parent-death signal
/// would follow the *thread* that spawned the child, and that one may end early.
///
/// A shell starts background work with SIGINT ignored, so a signal in the first milliseconds
/// would be lost; the server writes its pid file after it has installed its handlers.
///
/// It ends at once when the account that it runs as does not reach the folder.
const WATCHDOG: &str = r#"folder=$1 initdb=$2; shift 2
[ -w "$folder" ] || exit 1
if "$initdb" -N -A trust -U postgres -E UTF8 --locale=C.UTF-8 -D "$folder/data" \
    </dev/null >"$folder/log" 2>&1
then : >"$folder/log"; "$@" >>"$folder/log" 2>&1 & server=$!
else : >"$folder/failed"
fi
trap '' INT TERM HUP
read -r _
if [ -n "${server-}" ]; then
    tries=0
    while [ ! -s "$folder/data/postmaster.pid" ] && [ $tries -lt 30 ]; do
        sleep 0.1; tries=$((tries + 1))
    done
    kill -INT $server; wait $server
fi
rm -rf "$folder" 2>/dev/null"#;

/// Settings that make a server quick at the price of a crash losing data.
const NOT_DURABLE: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "off"),
    // The audit reports the above, except of a server that says it has nothing to lose.
    ("creditdb.throwaway", "on"),
];

/// Which server to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Folder of `initdb` and `postgres`; found by [`find_binaries`] without it.
    pub binaries: Option<PathBuf>,
    /// Server settings on top of the defaults.
    pub settings: Vec<(String, String)>,
    /// Whether it survives a crash; slower.
    pub durable: bool,
}

/// A running throw-away server; dropping it stops and removes it.
#[derive(Debug)]
pub struct Throwaway {
    watchdog: Child,
    folder: PathBuf,
    binaries: PathBuf,
    /// A part of the socket's name.
    port: String,
}

/// The folder of `initdb` and `postgres`: `CREDITDB_PG_BIN`, else Debian's newest, else `PATH`.
///
/// # Errors
/// When there is none.
pub fn find_binaries() -> Result<PathBuf> {
    find_binaries_preferring(None)
}

/// The same, with those of a major version before Debian's newest.
///
/// # Errors
/// When there is none.
pub fn find_binaries_preferring(major: Option<u32>) -> Result<PathBuf> {
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres"]
            .iter()
            .all(|p| folder.join(p).exists())
    };
    if let Some(folder) = env::var_os("CREDITDB_PG_BIN").map(PathBuf::from) {
        return if complete(&folder) {
            Ok(folder)
        } else {
            let message = format!("no PostgreSQL server binaries in \"{}\"", folder.display());
            Err(Error::undecided(message)
                .detail("CREDITDB_PG_BIN must name the folder of initdb and postgres"))
        };
    }
    let mut debian: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| Some((e.file_name().to_str()?.parse().ok()?, e.path().join("bin"))))
        .filter(|(_, folder)| complete(folder))
        .collect();
    debian.sort_by_key(|(version, _)| (Some(*version) == major, *version));
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = || env::split_paths(&path).find(complete);
    debian
        .pop()
        .map(|(_, folder)| folder)
        .or_else(on_path)
        .ok_or_else(|| {
            Error::undecided("no PostgreSQL server binaries found")
                .detail("looked at CREDITDB_PG_BIN, /usr/lib/postgresql/*/bin and PATH")
                .hint("apt-get install postgresql, or: export CREDITDB_PG_BIN=$(ci/postgres.sh 17)")
        })
}

impl Throwaway {
    /// Makes a cluster and starts its server.
    ///
    /// # Errors
    /// Missing binaries, a failing `initdb`, a server that does not get ready; with its log.
    pub fn start(options: &Options) -> Result<Self> {
        let binaries = options.binaries.clone().map_or_else(find_binaries, Ok)?;
        let folder = tempfile::Builder::new()
            .prefix("creditdb-")
            .tempdir()
            .map_err(|error| {
                io("make a folder")(error).hint("export TMPDIR=/tmp, or a folder that exists")
            })?;
        let account = account_to_drop_to(folder.path())?;
        if let Some((uid, gid)) = account {
            chown(folder.path(), Some(uid), Some(gid)).map_err(io("hand over the folder"))?;
        }
        let closed = fs::Permissions::from_mode(0o700);
        fs::set_permissions(folder.path(), closed).map_err(io("close the folder"))?;
        let mut watchdog = command(Path::new("/bin/sh"), account);
        watchdog.args(["-c", WATCHDOG, "sh"]).arg(folder.path());
        watchdog
            .arg(binaries.join("initdb"))
            .arg(binaries.join("postgres"))
            .args(arguments(folder.path(), options));
        // Its own process group: Ctrl-C is for us, and the watchdog sees its stdin close.
        let watchdog = watchdog.stdin(Stdio::piped()).process_group(0).spawn();
        // From here on the watchdog removes the folder.
        let mut server = Self {
            watchdog: watchdog.map_err(io("start the server"))?,
            folder: folder.keep(),
            binaries,
            port: port(options),
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// A database of this server, for our own connections.
    ///
    /// # Errors
    /// None in practice: the address is ours.
    pub fn target(&self, database: &str) -> Result<Target> {
        // Without the environment: its variables are about other servers.
        Target::resolve_in(Some(&self.url(database)), &|_| None)
    }

    /// A database of this server as a URL, for child processes.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@/{database}?host={}&port={}",
            self.folder.display(),
            self.port
        )
    }

    /// The folder with socket, data and log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the binaries that it runs from.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        // initdb runs a server of its own in the folder, which never says "ready".
        let status_file = self.folder.join("data/postmaster.pid");
        while started.elapsed() < START_LIMIT {
            // The eighth line says "starting", then "ready".
            let status = fs::read_to_string(&status_file).unwrap_or_default();
            if status
                .lines()
                .nth(7)
                .is_some_and(|line| line.trim() == "ready")
            {
                return Ok(());
            }
            if self.folder.join("failed").exists() {
                return Err(Error::undecided("initdb failed").detail(self.log()));
            }
            // It waits for us, unless it had no place to work in.
            if matches!(self.watchdog.try_wait(), Ok(Some(_))) {
                let folder = self.folder.parent().unwrap_or(&self.folder).display();
                let message = format!("a throw-away server cannot work in \"{folder}\"");
                return Err(Error::undecided(message)
                    .detail("root hands its folder to another account, which does not get there")
                    .hint("export TMPDIR=/tmp, or a folder that other accounts can enter"));
            }
            if self.log().contains("FATAL") && status.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(Error::undecided("the throw-away server did not start").detail(self.log()))
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
        // The account may empty the folder, and still not take it out of one of root's.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn port(options: &Options) -> String {
    let set = options.settings.iter().rev().find(|(n, _)| n == "port");
    set.map_or("5432", |(_, port)| port).to_owned()
}

fn arguments(folder: &Path, options: &Options) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-D".into(), folder.join("data").into()];
    arguments.extend(["-k".into(), folder.into()]);
    let mut set = |name: &str, value: &str| {
        arguments.extend(["-c".into(), format!("{name}={value}").into()]);
    };
    set("listen_addresses", "");
    set("timezone", "UTC");
    set("max_connections", "100");
    for (name, value) in NOT_DURABLE.iter().filter(|_| !options.durable) {
        set(name, value);
    }
    for (name, value) in &options.settings {
        set(name, value);
    }
    arguments
}

/// Uid and gid to run as when we are root, which the owner of a folder that we made tells.
fn account_to_drop_to(made_by_us: &Path) -> Result<Option<(u32, u32)>> {
    if fs::metadata(made_by_us)
        .map_err(io("read the folder"))?
        .uid()
        != 0
    {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").map_err(io("read /etc/passwd"))?;
    let find = |wanted: &str| {
        accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == wanted).then_some(())?;
            Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
    };
    let account = find("postgres").or_else(|| find("nobody"));
    account.map(Some).ok_or_else(|| {
        Error::undecided("running as root, and there is no account to run the server as")
            .detail("PostgreSQL refuses to run as root; looked for \"postgres\" and \"nobody\"")
            .hint("adduser --system postgres")
    })
}

fn command(program: &Path, account: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null());
    command
        .env_remove("PGDATA")
        .env_remove("PGPORT")
        .env_remove("PGPASSWORD")
        .env_remove("DATABASE_URL");
    if let Some((uid, gid)) = account {
        command.uid(uid).gid(gid);
    }
    command
}

fn io(doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::undecided(format!("throw-away server: cannot {doing}: {error}"))
}
