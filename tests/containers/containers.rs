//! The built program against PostgreSQL in containers, over TCP and with a password: the way a
//! deployment reaches its server, where the tests of the main crate use a private socket.
//!
//! `ci/check.sh` prepares what this needs and names it in two variables: `CREDITDB_BIN`, the
//! program, and `CREDITDB_TEST_IMAGES`, the images as `NAME:TAG`, separated by spaces.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use postgres::{Client, NoTls};
use serde_json::Value;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};

const USER: &str = "ledger_owner";
const PASSWORD: &str = "a-secret-that-no-output-may-show";
const DATABASE: &str = "ledger";

/// A variable that this test cannot do without: it must never pass by testing nothing.
fn required(name: &str) -> Result<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
        .with_context(|| format!("{name} is not set; run ci/check.sh, which prepares this test"))
}

/// A running server; it is removed with this value.
struct Server {
    _container: Container<GenericImage>,
    url: String,
}

impl Server {
    fn start(image: &str) -> Result<Self> {
        let (name, tag) = image
            .rsplit_once(':')
            .context("an image is named NAME:TAG")?;
        let run = std::env::var("CREDITDB_TEST_RUN").unwrap_or_default();
        let started = Instant::now();
        let container = GenericImage::new(name, tag)
            .with_exposed_port(5432.tcp())
            // The first server, on stdout, only creates the database; the second one stays.
            .with_wait_for(WaitFor::message_on_stdout("ready to accept connections"))
            .with_wait_for(WaitFor::message_on_stderr("ready to accept connections"))
            .with_startup_timeout(Duration::from_secs(120))
            // By this label ci/check.sh finds what a killed test left behind.
            .with_label("creditdb.run", run)
            .with_env_var("POSTGRES_USER", USER)
            .with_env_var("POSTGRES_PASSWORD", PASSWORD)
            .with_env_var("POSTGRES_DB", DATABASE)
            .start()?;
        let host = container.get_host()?;
        let port = container.get_host_port_ipv4(5432.tcp())?;
        println!("{image}: ready after {:.1?}", started.elapsed());
        let url = format!("postgres://{USER}:{PASSWORD}@{host}:{port}/{DATABASE}");
        Ok(Self {
            _container: container,
            url,
        })
    }

    fn client(&self) -> Result<Client> {
        Client::connect(&self.url, NoTls).context("cannot connect to the container")
    }

    /// Runs the program with an environment that holds nothing but the address of this server.
    fn creditdb(&self, arguments: &[&str], expected_code: i32) -> Result<Output> {
        let program = PathBuf::from(required("CREDITDB_BIN")?);
        let output = Command::new(&program)
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .output()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let shown = format!("creditdb {}\n{stdout}{stderr}", arguments.join(" "));
        ensure!(
            !shown.contains(PASSWORD),
            "the password is in the output of {arguments:?}"
        );
        ensure!(
            output.status.code() == Some(expected_code),
            "expected exit code {expected_code}, got {}: {shown}",
            output.status
        );
        Ok(output)
    }
}

/// Whether some object of the report calls the check `id` and says that it is violated.
fn names_violation(report: &Value, id: &str) -> bool {
    match report {
        Value::Array(items) => items.iter().any(|item| names_violation(item, id)),
        Value::Object(fields) => {
            let says = |word: &str| fields.values().any(|value| value.as_str() == Some(word));
            says(id) && says("violated") || fields.values().any(|value| names_violation(value, id))
        }
        _ => false,
    }
}

/// Changes one entry in the middle of the ledger, the way a superuser's repair by hand does it:
/// with triggers out of the way, and without a thought for the entries that follow.
fn damage_one_entry(client: &mut Client) -> Result<()> {
    client.batch_execute("SET session_replication_role = replica")?;
    let changed = client.execute(
        "UPDATE public.credit_transactions
            SET balance_after = balance_after + 1
          WHERE id = (SELECT id FROM public.credit_transactions
                       ORDER BY id
                      OFFSET (SELECT count(*) / 2 FROM public.credit_transactions)
                       LIMIT 1)",
        &[],
    )?;
    ensure!(changed == 1, "the sample ledger has no entry in its middle");
    Ok(())
}

fn audit_in(image: &str) -> Result<()> {
    let server = Server::start(image)?;
    let mut client = server.client()?;

    let version: String = client.query_one("SHOW server_version", &[])?.get(0);
    let expected = image.rsplit(':').next().unwrap_or_default();
    let major = |text: &str| text.split(['.', '-']).next().unwrap_or_default().to_owned();
    ensure!(
        major(&version) == major(expected),
        "the server is {version}"
    );

    server.creditdb(&["migrate"], 0)?;
    server.creditdb(
        &[
            "sample",
            "--users",
            "20",
            "--requests",
            "500",
            "--seed",
            "1",
        ],
        0,
    )?;
    server.creditdb(&["verify"], 0)?;
    server.creditdb(&["status", "--check"], 0)?;

    damage_one_entry(&mut client)?;
    let output = server.creditdb(&["verify", "--format", "json"], 1)?;
    let report: Value = serde_json::from_slice(&output.stdout).context("the report is no JSON")?;
    ensure!(
        names_violation(&report, "chain-continuity"),
        "the changed entry is not in the report: {report:#}"
    );
    // A damaged ledger is no pending migration.
    server.creditdb(&["status", "--check"], 0)?;
    println!("{image}: server {version}, damage found");
    Ok(())
}

#[test]
fn audit_finds_damage_on_every_image() -> Result<()> {
    let images = required("CREDITDB_TEST_IMAGES")?;
    required("CREDITDB_BIN")?;
    for image in images.split_whitespace() {
        audit_in(image).with_context(|| format!("in a container of {image}"))?;
    }
    Ok(())
}
