//! Room for the indexes that are about to be built, where it can be known: when the server's files
//! are on this machine, and the role may see where.

use std::path::Path;

use postgres::{Client, Statement};

use super::privileges::quoted;
use crate::db::Target;
use crate::error::{Error, Result, shell_quoted};
use crate::migrations::set::File;
use crate::syntax::Script;
use crate::syntax::facts::{Fact, Index};

/// A build writes the index, and before that the sorted runs of about the same size.
const TIMES: u64 = 2;

/// # Errors
/// Refused, when the disk of the server has less room than the builds are going to take.
pub(in crate::migrations) fn check(
    target: &Target,
    client: &mut Client,
    files: &[&File],
) -> Result<()> {
    let indexes: Vec<Index> = files
        .iter()
        .flat_map(|file| Script::parse(file.sql()).facts())
        .filter_map(|fact| match fact {
            Fact::CreateIndex(index) => Some(index),
            _ => None,
        })
        .collect();
    if indexes.is_empty() || !target.is_local() {
        return Ok(());
    }
    // The setting is hidden from most roles, and then nobody can know.
    let folder = client.query_opt(
        "SELECT coalesce(nullif(pg_catalog.pg_tablespace_location(d.dattablespace), ''), s.setting)
           FROM pg_catalog.pg_settings AS s, pg_catalog.pg_database AS d
          WHERE s.name = 'data_directory' AND d.datname = pg_catalog.current_database()",
        &[],
    )?;
    let Some(folder) = folder.map(|row| row.get::<_, String>(0)) else {
        return Ok(());
    };
    let Some(free) = free_bytes(Path::new(&folder)) else {
        return Ok(());
    };
    // Once for all of them: planning it takes longer than its answer.
    let statement = client.prepare(ESTIMATE)?;
    let mut needed = 0;
    let mut details = Vec::new();
    for index in &indexes {
        let bytes = estimate(client, &statement, index)?;
        needed += bytes;
        if bytes > 0 {
            let name = index.name.as_deref().unwrap_or("(unnamed)");
            details.push(format!(
                "- {name} on {}: about {}",
                index.table,
                words(bytes)
            ));
        }
    }
    let needed = needed.saturating_mul(TIMES);
    if needed <= free {
        return Ok(());
    }
    let mut error = Error::refused(format!(
        "the index builds need about {} of disk, sorting included, and {} are free",
        words(needed),
        words(free)
    ));
    for detail in details {
        error = error.detail(detail);
    }
    Err(error
        .detail("nothing was changed")
        .hint(format!("make room: df -h {}", shell_quoted(folder))))
}

/// Bytes of a b-tree over the rows that the planner knows of: each entry has a head of 8 bytes and
/// a pointer of 4, and pages are filled to nine tenths. $1: the table, $2: the columns.
const ESTIMATE: &str = "
    SELECT (greatest(c.reltuples, 0)::numeric
            * (12 + coalesce((SELECT sum(coalesce(s.avg_width, 8))
                                FROM unnest($2::text[]) AS k (name)
                                LEFT JOIN pg_catalog.pg_stats AS s
                                       ON s.schemaname = n.nspname AND s.tablename = c.relname
                                      AND s.attname = k.name), 16)) / 0.9)::int8
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid = pg_catalog.to_regclass($1)";

fn estimate(client: &mut Client, statement: &Statement, index: &Index) -> Result<u64> {
    let row = client.query_opt(statement, &[&quoted(&index.table), &index.columns])?;
    let bytes = row.map_or(0, |row| row.get::<_, i64>(0));
    Ok(u64::try_from(bytes).unwrap_or_default())
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn words(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
