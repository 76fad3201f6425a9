//! A streaming standby of a throw-away server.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use creditdb::db::throwaway::Throwaway;

/// Stopped with its handle; its files are in the folder of its primary.
pub struct Standby {
    folder: PathBuf,
    control: PathBuf,
    account: (u32, u32),
}

impl Standby {
    /// Copies the primary and follows it.
    pub fn of(primary: &Throwaway) -> Self {
        let owner = std::fs::metadata(primary.folder()).unwrap();
        let standby = Self {
            folder: primary.folder().join("standby"),
            control: primary.binaries().join("pg_ctl"),
            account: (owner.uid(), owner.gid()),
        };
        let mut copy = standby.command(primary.binaries().join("pg_basebackup"));
        copy.args(["-R", "-c", "fast"])
            .arg("-h")
            .arg(primary.folder())
            .args(["-U", "postgres", "-D"]);
        succeed(copy.arg(&standby.folder));
        // pg_basebackup writes all that its own libpq knows, and the server may find an older libpq
        // of the system, which refuses what it does not know. The last setting counts.
        let settings = standby.folder.join("postgresql.auto.conf");
        let follow = format!(
            "primary_conninfo = 'host={} user=postgres'\n",
            primary.folder().display()
        );
        let before = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(&settings, before + &follow).unwrap();
        let options = format!("-k {} -c listen_addresses=", standby.folder.display());
        let mut start = standby.command(standby.control.clone());
        start
            .args(["-w", "start", "-l"])
            .arg(standby.folder.join("log"))
            .arg("-o")
            .arg(options);
        succeed(start.arg("-D").arg(&standby.folder));
        standby
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@/{database}?host={}",
            self.folder.display()
        )
    }

    fn command(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir("/")
            .uid(self.account.0)
            .gid(self.account.1);
        command
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let mut stop = self.command(self.control.clone());
        let _ = stop
            .args(["-m", "immediate", "stop", "-D"])
            .arg(&self.folder)
            .output();
    }
}

fn succeed(command: &mut Command) {
    // Not `output()`: the started server would keep the pipe open.
    let status = command
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{command:?}");
}
