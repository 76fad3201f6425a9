//! The files of a connection, for whoever is about to write one.

use std::path::PathBuf;

use super::parameters::{Parameters, at_home, of_process, variable};

/// Parameter, variable, and the file that is read where neither names one.
const FILES: [(&str, &str, &str); 5] = [
    ("passfile", "PGPASSFILE", ".pgpass"),
    ("sslrootcert", "PGSSLROOTCERT", ".postgresql/root.crt"),
    ("sslcert", "PGSSLCERT", ".postgresql/postgresql.crt"),
    ("sslkey", "PGSSLKEY", ".postgresql/postgresql.key"),
    ("sslcrl", "PGSSLCRL", ".postgresql/root.crl"),
];

/// Each file that a connection may read, with the name of its parameter. All that could be meant,
/// so that nobody depends on which one wins; what is wrong with the settings is told by whoever
/// connects.
pub fn files(url: Option<&str>) -> Vec<(&'static str, PathBuf)> {
    let all = Parameters::gather(url, &of_process).unwrap_or_default();
    let of_variable = |name| {
        variable(&of_process, name)
            .ok()
            .flatten()
            .map(PathBuf::from)
    };
    let mut found = Vec::new();
    for (key, name, default) in FILES {
        let candidates = [
            all.get(key).map(PathBuf::from),
            of_variable(name),
            at_home(&of_process, default),
        ];
        found.extend(candidates.into_iter().flatten().map(|path| (key, path)));
    }
    let services = [
        of_variable("PGSERVICEFILE"),
        at_home(&of_process, ".pg_service.conf"),
        of_variable("PGSYSCONFDIR").map(|folder| folder.join("pg_service.conf")),
    ];
    found.extend(services.into_iter().flatten().map(|path| ("service", path)));
    found
}
