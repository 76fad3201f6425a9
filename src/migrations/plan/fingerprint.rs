//! What a plan was made from, as hashes: the definitions of all objects, the history, the files.

use postgres::Transaction;
use sha2::{Digest, Sha256};

use crate::catalogue::RECORDS;
use crate::error::{Error, Result};
use crate::migrations::history::History;
use crate::migrations::set::File;
use crate::report::Fingerprint;
use crate::syntax::words::hexadecimal;

/// Hexadecimal digits that tell the definitions of one object apart.
const SHORT: usize = 16;

/// Takes it. The search path of the transaction is changed: names must not depend on it.
pub(super) fn take(
    transaction: &mut Transaction<'_>,
    history: &History,
    work: &[&File],
) -> Result<Fingerprint> {
    transaction.batch_execute("SET LOCAL search_path = pg_catalog")?;
    let rows = transaction
        .query(include_str!("fingerprint.sql"), &[&RECORDS.as_slice()])
        .map_err(|e| Error::from(e).during("reading the definitions"))?;
    let mut objects: Vec<(String, String)> = Vec::new();
    let mut all = Sha256::new();
    let mut lines = rows.iter().peekable();
    while let Some(row) = lines.next() {
        let object: String = row.get(0);
        let mut one = Sha256::new();
        let mut add = |line: &str| {
            for part in [&object, line] {
                // The length in front keeps two lines from reading like one.
                let framed = format!("{}:{part}", part.len());
                one.update(&framed);
                all.update(&framed);
            }
        };
        add(row.get(1));
        while let Some(row) = lines.next_if(|row| row.get::<_, &str>(0) == object) {
            add(row.get(1));
        }
        let mut short = hexadecimal(&one.finalize());
        short.truncate(SHORT);
        objects.push((object, short));
    }
    let history = history
        .rows
        .iter()
        .map(|r| (r.version, &r.name[..], r.checksum));
    let files = work.iter().map(|file| {
        let migration = &file.migration;
        (file.version(), migration.name(), migration.checksum())
    });
    Ok(Fingerprint {
        catalogue: hexadecimal(&all.finalize()),
        history: entries(history),
        files: entries(files),
        objects,
    })
}

fn entries<'a>(entries: impl Iterator<Item = (i32, &'a str, u64)>) -> String {
    let mut hash = Sha256::new();
    for (version, name, checksum) in entries {
        hash.update(format!("{version} {} {name} {checksum}\n", name.len()));
    }
    hexadecimal(&hash.finalize())
}
