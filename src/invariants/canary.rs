//! Canaries: before the silence of a check is believed, it has to find what is planted in rows made
//! up for it. A server, an operator or a type that answers otherwise than the author of the check
//! knew would show here, and not as a clean audit.

use std::collections::BTreeMap;
use std::{iter, slice};

use postgres::{SimpleQueryRow, Transaction};

use super::contract::{Contract, Kind};
use super::hands;
use super::outcome::words;
use super::plan::{Decision, Plan};
use super::relations::{self, Relation};
use crate::db::session::{self, quote_identifier, quote_literal};
use crate::error::Result;

/// Repeats rows that are planted more than once.
const REPEATED: &str = include_str!("canary_repeated.sql");

/// Canaries that are asked for in one message.
const AT_ONCE: usize = 8;

/// Planted rows need no lock; a sequence does, and whoever holds it longer than this may hold it
/// past the deadline of the audit.
const PATIENCE: &str = "SET LOCAL lock_timeout = '500ms'";

/// Lets every check with a canary find it; one that does not cannot be evaluated. The connections
/// take turns: what takes the time is to plan so many statements.
///
/// # Errors
/// A lost connection.
pub(super) fn sing(hands: &mut [Transaction<'_>], plan: &mut Plan<'_>) -> Result<()> {
    let songs = songs(plan);
    let parts: Vec<&[Song]> = songs.chunks(AT_ONCE).collect();
    for failures in hands::share(hands, &parts, |hand, part| sing_part(hand, part)) {
        for (place, reason) in failures? {
            plan.steps[place].1 = Decision::Fail(reason);
        }
    }
    Ok(())
}

/// The place of a check, and the SELECT that says whether it finds its canary.
type Song = (usize, String);

fn songs(plan: &Plan<'_>) -> Vec<Song> {
    let mut songs = Vec::new();
    for (place, (check, decision)) in plan.steps.iter().enumerate() {
        let contract = &check.contract;
        let (Some(canary), Decision::Evaluate) = (&contract.canary, decision) else {
            continue;
        };
        let found = match contract.kind {
            Kind::Row => in_one_row(contract, canary),
            Kind::Query | Kind::Native => in_tables(contract, canary, &plan.relations),
            Kind::Sealed => continue,
        };
        songs.push((place, format!("SELECT {found}")));
    }
    songs
}

/// Places of checks that did not find their canaries, and why.
type Failures = Vec<(usize, String)>;

fn sing_part(snapshot: &mut Transaction<'_>, songs: &[Song]) -> Result<Failures> {
    let silent = |song: &Song| (song.0, SILENT.to_owned());
    // All in one message, as a rule; one by one only to tell which of them is to blame.
    if let Ok(found) = listen(snapshot, songs) {
        let songs = songs.iter().zip(found).filter(|(_, found)| !found);
        return Ok(songs.map(|(song, _)| silent(song)).collect());
    }
    let mut failures = Vec::new();
    for song in songs {
        match listen(snapshot, slice::from_ref(song)) {
            Ok(found) if found == [true] => {}
            Ok(_) => failures.push(silent(song)),
            Err(error) if error.connection_lost() => return Err(error),
            Err(error) => failures.push((song.0, words(&error))),
        }
    }
    Ok(failures)
}

const SILENT: &str = "it does not find what its own canary plants, so its silence about the \
                      rows of the tables means nothing";

/// Which canaries were found. A statement for each: planned as one, they take twice as long.
fn listen(snapshot: &mut Transaction<'_>, songs: &[Song]) -> Result<Vec<bool>> {
    let mut savepoint = snapshot.transaction()?;
    let songs = songs.iter().map(|(_, song)| song.clone());
    let statements: Vec<String> = iter::once(PATIENCE.to_owned()).chain(songs).collect();
    let answers = session::rows_of_each(&mut savepoint, &statements)?;
    // The limit is taken back with it.
    savepoint.rollback()?;
    let found = |rows: &Vec<SimpleQueryRow>| rows.iter().any(|row| row.get(0) == Some("t"));
    Ok(answers.iter().skip(1).map(found).collect())
}

/// Whether the expression of a row check is true for the canary, as a row of each of its tables.
fn in_one_row(contract: &Contract, canary: &str) -> String {
    let values = quote_literal(canary);
    let expression = &contract.sql;
    let found = |table: &String| {
        let table = quote_identifier(table);
        format!(
            "EXISTS (SELECT FROM jsonb_populate_record(NULL::public.{table}, {values}) AS {table}\n\
             WHERE (\n{expression}\n))"
        )
    };
    let found: Vec<String> = contract.tables.iter().map(found).collect();
    found.join(" AND ")
}

/// Whether a check finds what its canary plants, in tables that hold nothing else, whether its
/// question finds something, and whether it suspects some row of each table that it is spared for.
/// Of the server's own catalogue, which is not ours to empty, only the relations that the canary
/// names are made up.
///
/// Their names lose the schema, and so mean the planted rows; one of our tables that was forgotten
/// would not be found, because the search path is pinned.
fn in_tables(contract: &Contract, canary: &str, relations: &BTreeMap<String, Relation>) -> String {
    let is_table = |name: &String| relations.get(name).is_some_and(Relation::is_table);
    let mut ours = relations::named_by(contract);
    ours.retain(is_table);
    let mut theirs = relations::of_the_server(contract);
    theirs.retain(|name| canary.contains(&format!("\"pg_catalog.{name}\":")));
    let our_rows = ours
        .iter()
        .map(|name| planted("public", name, canary, name));
    let their_rows = theirs
        .iter()
        .map(|name| planted("pg_catalog", name, canary, &format!("pg_catalog.{name}")));
    let rows: Vec<String> = our_rows.chain(their_rows).collect();
    let renamed = |sql: &str| {
        let sql = relations::without_schema(sql, "public", &ours);
        relations::without_schema(&sql, "pg_catalog", &theirs)
    };
    let mut found = vec![renamed(&contract.sql)];
    found.extend(contract.question.as_deref().map(renamed));
    if let Some(suspects) = &contract.suspects {
        let suspects = renamed(suspects);
        let suspected = |table: &String| {
            let table = quote_identifier(table);
            format!("SELECT FROM {table} WHERE (\n{suspects}\n)")
        };
        found.extend(contract.tables.iter().map(suspected));
    }
    let found = found.join("\n) AND EXISTS (\n");
    match rows[..] {
        [] => format!("EXISTS (\n{found}\n)"),
        _ => format!("(WITH {}\nSELECT EXISTS (\n{found}\n))", rows.join(", ")),
    }
}

/// Stands for a relation, with the rows that a canary has under a key. Keys of a row that are no
/// columns mean nothing: one canary serves all schema versions.
fn planted(schema: &str, name: &str, canary: &str, key: &str) -> String {
    let name = quote_identifier(name);
    let rows = format!("{}::jsonb -> {}", quote_literal(canary), quote_literal(key));
    let table = format!("NULL::{schema}.{name}");
    let rows = if canary.contains("\"*\":") {
        REPEATED.replace("$rows", &rows).replace("$table", &table)
    } else {
        format!("SELECT * FROM jsonb_populate_recordset({table}, {rows})")
    };
    format!("{name} AS ({rows})")
}
