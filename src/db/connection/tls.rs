//! TLS: what was asked for, and the configuration of rustls that does it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postgres::config::SslNegotiation;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::parameters::{Environment, Parameters, at_home};
use super::verifier::Verifier;
use crate::error::{Error, Result};

/// `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Mode {
    /// Never TLS.
    Disable,
    /// TLS only if the server refuses to talk without.
    Allow,
    /// TLS if the server has it; looks at no certificate.
    Prefer,
    /// TLS; looks at the certificate only where root certificates are at hand, as libpq does.
    Require,
    /// TLS, and the certificate comes from a trusted issuer.
    VerifyCa,
    /// TLS, a trusted issuer, and the certificate names the host that was asked for.
    VerifyFull,
}

/// Spelling of the modes.
const MODES: &[(&str, Mode)] = &[
    ("disable", Mode::Disable),
    ("allow", Mode::Allow),
    ("prefer", Mode::Prefer),
    ("require", Mode::Require),
    ("verify-ca", Mode::VerifyCa),
    ("verify-full", Mode::VerifyFull),
];

/// Where trusted issuers come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// A file that was named, or that lies at the default place.
    File(PathBuf),
    /// `sslrootcert=system`: the operating system's store.
    System,
    /// No file was named, and the default one does not exist.
    Missing,
}

/// All that was asked for about TLS.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub mode: Mode,
    pub roots: Roots,
    pub negotiation: SslNegotiation,
    revoked: Option<PathBuf>,
    /// Certificate and key to show to a server that asks.
    own: Option<(PathBuf, PathBuf)>,
    tell_host_name: bool,
}

impl Tls {
    /// Reads the parameters; no file is opened yet.
    pub fn read(all: &Parameters, environment: Environment<'_>) -> Result<Self> {
        let default = |name: &str| {
            at_home(environment, ".postgresql")
                .map(|folder| folder.join(name))
                .filter(|file| file.exists())
        };
        let named = |key: &str| all.get(key).map(PathBuf::from);
        let roots = match all.get("sslrootcert") {
            Some("system") => Roots::System,
            Some(file) => Roots::File(file.into()),
            None => default("root.crt").map_or(Roots::Missing, Roots::File),
        };
        let mode = all.choice("sslmode", MODES)?;
        // A store with every public issuer in it proves nothing without the name.
        if roots == Roots::System && mode.is_some_and(|mode| mode != Mode::VerifyFull) {
            return Err(
                Error::usage("sslrootcert=system is only of use with sslmode=verify-full")
                    .hint("leave sslmode out: verify-full is then implied"),
            );
        }
        let implied = match roots {
            Roots::System => Mode::VerifyFull,
            _ => Mode::Prefer,
        };
        let mode = mode.unwrap_or(implied);
        let negotiations = [
            ("postgres", SslNegotiation::Postgres),
            ("direct", SslNegotiation::Direct),
        ];
        let negotiation = all
            .choice("sslnegotiation", &negotiations)?
            .unwrap_or_default();
        if negotiation == SslNegotiation::Direct && mode < Mode::Require {
            return Err(Error::usage("sslnegotiation=direct needs TLS for certain")
                .hint("add sslmode=require, verify-ca or verify-full"));
        }
        let certificate = named("sslcert").or_else(|| default("postgresql.crt"));
        let key = named("sslkey").or_else(|| {
            at_home(environment, ".postgresql").map(|folder| folder.join("postgresql.key"))
        });
        Ok(Self {
            mode,
            roots,
            negotiation,
            revoked: named("sslcrl").or_else(|| default("root.crl")),
            own: certificate.zip(key),
            tell_host_name: all.get("sslsni") != Some("0"),
        })
    }

    /// The configuration of rustls, with all files read.
    pub fn configuration(&self) -> Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let verifier = self.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::undecided(format!("TLS cannot be set up: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut configuration = match &self.own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate, "sslcert")?;
                builder
                    .with_client_auth_cert(chain, private_key(key)?)
                    .map_err(|error| unusable(certificate, key, &error))?
            }
        };
        configuration.enable_sni = self.tell_host_name;
        if self.negotiation == SslNegotiation::Direct {
            // Without the request packet this is how the server knows what is spoken.
            configuration.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(configuration)
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Verifier> {
        let algorithms = provider.signature_verification_algorithms;
        let trusted = match &self.roots {
            _ if self.mode < Mode::Require => None,
            Roots::Missing if self.mode == Mode::Require => None,
            Roots::Missing => {
                return Err(Error::usage(
                    "there are no root certificates to verify the server with",
                )
                .detail("sslrootcert is not set, and ~/.postgresql/root.crt does not exist")
                .hint("sslrootcert=FILE, or sslrootcert=system for the system's store"));
            }
            Roots::System => Some(rustls_native_certs::load_native_certs().certs),
            Roots::File(file) => Some(certificates(file, "sslrootcert")?),
        };
        let Some(trusted) = trusted else {
            return Ok(Verifier::accepting_any(algorithms));
        };
        let mut store = RootCertStore::empty();
        let (usable, _) = store.add_parsable_certificates(trusted.iter().cloned());
        if usable == 0 {
            return Err(Error::usage("none of the root certificates can be used")
                .hint("sslrootcert=FILE with certificates in PEM form"));
        }
        let mut chain =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
        if let Some(file) = &self.revoked {
            chain = chain.with_crls(pem::<CertificateRevocationListDer<'_>>(file, "sslcrl")?);
        }
        let chain = chain.build().map_err(|error| {
            Error::usage(format!("the revocation list cannot be used: {error}"))
        })?;
        let check_name = self.mode == Mode::VerifyFull;
        Ok(Verifier::trusting(algorithms, chain, trusted, check_name))
    }
}

/// How to make a certificate that rustls reads: `openssl x509 -req` alone makes version 1.
pub(super) const REMAKE_AS_VERSION_3: &str = "make it again as version 3: openssl x509 -req … \
     -extfile FILE, with basicConstraints=CA:FALSE in FILE, \
     and for a server its subjectAltName";

/// Whether the flaw is the certificate's format. rustls hands this one on as webpki's own error.
pub(super) fn is_before_version_3(flaw: &CertificateError) -> bool {
    matches!(flaw, CertificateError::Other(other) if other.to_string() == "UnsupportedCertVersion")
}

fn unusable(certificate: &Path, key: &Path, error: &rustls::Error) -> Error {
    let (certificate, key) = (certificate.display(), key.display());
    match error {
        rustls::Error::InvalidCertificate(flaw) if is_before_version_3(flaw) => Error::usage(
            format!("client certificate \"{certificate}\" cannot be used"),
        )
        .detail("its format is X.509 version 1 or 2, and only version 3 is read")
        .hint(REMAKE_AS_VERSION_3),
        error => Error::usage(format!(
            "client certificate \"{certificate}\" and key \"{key}\" cannot be used: {error}"
        ))
        .hint("name the certificate and the key that belongs to it"),
    }
}

fn certificates(file: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>> {
    pem(file, parameter)
}

/// All objects of one kind in a PEM file; at least one.
fn pem<T: PemObject>(file: &Path, parameter: &str) -> Result<Vec<T>> {
    let objects: std::result::Result<Vec<T>, PemError> =
        T::pem_file_iter(file).and_then(Iterator::collect);
    match objects {
        Ok(objects) if !objects.is_empty() => Ok(objects),
        Ok(_) => Err(unreadable(
            file,
            parameter,
            "it holds nothing of that kind in PEM form",
        )),
        Err(PemError::Io(error)) => Err(unreadable(file, parameter, &error.to_string())),
        Err(error) => Err(unreadable(file, parameter, &error.to_string())),
    }
}

/// The key of the client certificate. Like libpq, refuses one that others can read.
fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let metadata =
        fs::metadata(file).map_err(|error| unreadable(file, "sslkey", &error.to_string()))?;
    let mode = metadata.mode() & 0o777;
    // A key of root's may be shared with a group, which is how systems hand out such keys.
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if mode & forbidden != 0 {
        return Err(Error::usage(format!(
            "private key \"{}\" is open to others: its mode is {mode:04o}",
            file.display()
        ))
        .hint(format!("chmod 0600 {}", file.display())));
    }
    let text = fs::read(file).map_err(|error| unreadable(file, "sslkey", &error.to_string()))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        if text.windows(9).any(|window| window == b"ENCRYPTED") {
            let path = file.display();
            return unreadable(file, "sslkey", "it is encrypted, which is not supported").hint(
                format!("openssl pkey -in {path} -out plain.key && chmod 0600 plain.key"),
            );
        }
        match error {
            PemError::NoItemsFound => unreadable(file, "sslkey", "it holds no key in PEM form"),
            error => unreadable(file, "sslkey", &error.to_string()),
        }
    })
}

fn unreadable(file: &Path, parameter: &str, why: &str) -> Error {
    Error::usage(format!("cannot read \"{}\": {why}", file.display()))
        .detail(format!("it is the {parameter} of the connection"))
        .hint(format!("set {parameter} to a PEM file that you may read"))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use x509_cert::der::{Decode, Encode};
    use x509_cert::{Certificate, Version};

    use super::*;

    /// The error of rustls about a certificate of the version that `openssl x509 -req` makes.
    #[test]
    fn a_certificate_of_version_1_is_named_as_what_it_is() {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::default().self_signed(&key).unwrap();
        let mut old = Certificate::from_der(made.der()).unwrap();
        old.tbs_certificate.version = Version::V1;
        old.tbs_certificate.extensions = None;
        let old = CertificateDer::from(old.to_der().unwrap());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let error = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_client_auth_cert(vec![old], key)
            .unwrap_err();
        let told = unusable(Path::new("client.crt"), Path::new("client.key"), &error);
        assert!(told.details()[0].contains("version 1"), "{error:?}");
        assert_eq!(told.next_step(), Some(REMAKE_AS_VERSION_3));
    }
}
