//! A server with a port, TLS and passwords, shared by the tests of this folder.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use creditdb::db::throwaway::{Options, Throwaway};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use crate::support::program::{Program, creditdb};

/// The password of the user `gateway`: with every character that some syntax gives a meaning to.
pub const PASSWORD: &str = r"s3cr3t:p@ss \w/'rd%?#";
/// The same, percent-encoded.
pub const PASSWORD_IN_URL: &str = "s3cr3t%3Ap%40ss%20%5Cw%2F%27rd%25%3F%23";
/// A piece that no output may ever hold.
pub const SECRET: &str = "s3cr3t";

/// The names that the server's certificate is for.
const NAMES: [&str; 2] = ["db.example", "localhost"];

/// Who may connect how: each database is one way to log in.
const ACCESS: &str = "
local     secrets     gateway                scram-sha-256
local     all         all                    trust
hostssl   tls_only    all      127.0.0.1/32  trust
hostnossl plain_only  all      127.0.0.1/32  trust
hostssl   cert_only   all      127.0.0.1/32  cert
host      tls_only    all      127.0.0.1/32  reject
host      plain_only  all      127.0.0.1/32  reject
host      cert_only   all      127.0.0.1/32  reject
host      crowded     gateway  127.0.0.1/32  trust
host      all         all      127.0.0.1/32  scram-sha-256
";

/// The server, and the folder with certificates beside its data.
pub struct SecureServer {
    server: Throwaway,
    pub port: u16,
}

static SERVER: LazyLock<SecureServer> = LazyLock::new(SecureServer::start);

/// The shared server.
pub fn secure_server() -> &'static SecureServer {
    &SERVER
}

/// A port on which nothing listens.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The program with arguments, in a home without files.
pub fn at_empty_home<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Program {
    creditdb(arguments).env("HOME", "/nonexistent")
}

impl SecureServer {
    fn start() -> Self {
        let port = free_port();
        let settings = [
            ("listen_addresses", "127.0.0.1"),
            ("port", &port.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = Options {
            settings: settings.to_vec(),
            ..Options::default()
        };
        let server = Throwaway::start(&options).unwrap();
        let this = Self { server, port };
        this.write_certificates();
        let mut admin = this.server.target("postgres").unwrap().connect().unwrap();
        for database in ["tls_only", "plain_only", "cert_only", "secrets", "crowded"] {
            admin
                .batch_execute(&format!("CREATE DATABASE {database}"))
                .unwrap();
        }
        let password = PASSWORD.replace('\'', "''");
        admin
            .batch_execute(&format!(
                "SET standard_conforming_strings = on;
                 CREATE ROLE gateway LOGIN PASSWORD '{password}';
                 CREATE ROLE stranger LOGIN;
                 ALTER DATABASE crowded CONNECTION LIMIT 0"
            ))
            .unwrap();
        fs::write(this.server.folder().join("data/pg_hba.conf"), ACCESS).unwrap();
        for (name, value) in [
            ("ssl_cert_file", this.file("server.crt")),
            ("ssl_key_file", this.file("server.key")),
            ("ssl_ca_file", this.file("root.crt")),
            ("ssl", "on".to_owned()),
        ] {
            // A server without TLS says so here, and every test of this folder fails loudly.
            admin
                .batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'"))
                .unwrap();
        }
        admin.batch_execute("SELECT pg_reload_conf()").unwrap();
        this.wait_for_tls();
        this
    }

    fn wait_for_tls(&self) {
        let started = Instant::now();
        loop {
            let mut client = self.server.target("postgres").unwrap().connect().unwrap();
            let on: String = client.query_one("SHOW ssl", &[]).unwrap().get(0);
            if on == "on" {
                return;
            }
            let log = self.server.log();
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "no TLS:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Two issuers, of which the server's is `root.crt`; a certificate for the server and one for
    /// the user `gateway`; a client certificate of the other issuer.
    fn write_certificates(&self) {
        let root = issuer("creditdb test root");
        let other = issuer("another root");
        self.write("root.crt", &root.0);
        self.write("other_root.crt", &other.0);
        let server = CertificateParams::new(NAMES.map(str::to_owned)).unwrap();
        self.write_pair("server", server, &root.1);
        let client = || {
            let mut client = CertificateParams::default();
            client
                .distinguished_name
                .push(DnType::CommonName, "gateway");
            client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            client
        };
        self.write_pair("gateway", client(), &root.1);
        self.write_pair("forged", client(), &other.1);
    }

    fn write_pair(&self, name: &str, params: CertificateParams, by: &Issuer<'_, KeyPair>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, by).unwrap();
        self.write(&format!("{name}.crt"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        let owner = fs::metadata(self.server.folder()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// The path of a certificate or key.
    pub fn path(&self, name: &str) -> PathBuf {
        self.server.folder().join(name)
    }

    /// The same as a parameter.
    pub fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The folder of its unix socket.
    pub fn socket_folder(&self) -> String {
        self.server.folder().to_str().unwrap().to_owned()
    }

    /// A URL by TCP, for the user `gateway`, without password.
    pub fn url(&self, database: &str, parameters: &str) -> String {
        let port = self.port;
        format!("postgres://gateway@127.0.0.1:{port}/{database}?{parameters}")
    }

    /// `status --verbose` on a database under a host name of the caller's, which need not resolve.
    pub fn status_as(&self, host: &str, database: &str, parameters: &str) -> Program {
        let port = self.port;
        let url =
            format!("postgres://gateway@{host}:{port}/{database}?hostaddr=127.0.0.1&{parameters}");
        at_empty_home(["status", "--verbose"]).on(&url)
    }
}

fn issuer(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), Issuer::new(params, key))
}
