//! Which version a live schema comes closest to. For the embedded migrations the expected
//! catalogues are known, so only the version that is chosen has to be replayed; of any other set
//! all are.

use std::collections::{BTreeMap, BTreeSet};

use postgres::{Client, Transaction};

use super::rules;
use crate::catalogue::{self, Catalogue, Context, Key, Kind, Nature};
use crate::db::session;
use crate::error::{Error, Result};
use crate::migrations::drift::describe;
use crate::migrations::expected::{self, Replayed};
use crate::migrations::ground::Ground;
use crate::migrations::set::{File, Set};
use crate::report::{Candidate, Progress, SchemaDifference};

/// What the survey found.
pub(super) struct Survey {
    /// The versions that were compared.
    pub candidates: Vec<Candidate>,
    /// What the migrations after the chosen version make.
    pub later: BTreeSet<Key>,
    /// The catalogue of every version of the set, ascending.
    pub known: Vec<(i32, Catalogue)>,
}

/// The differences from a version.
pub(super) struct Compared {
    pub differences: Vec<SchemaDifference>,
    /// How many of them later migrations make: signs that the version is too low.
    later: usize,
}

/// Compares with the given versions (ascending), chooses one, and replays it.
///
/// # Errors
/// Refused when none of the tables exist; what the server or the replay says.
pub(super) fn make(
    client: &mut Client,
    set: &Set,
    versions: &[i32],
    progress: &dyn Progress,
) -> Result<(Survey, Replayed)> {
    let all: Vec<i32> = set.files.iter().map(File::version).collect();
    let ground = Ground::read(client, set)?;
    let mut replayed = BTreeMap::new();
    let known: Vec<(i32, Catalogue)> = if set.is_embedded() {
        expected::all_embedded(&all)?
    } else {
        for version in expected::replay(set, &all, &ground, progress)? {
            replayed.insert(version.version, version);
        }
        let known = replayed.values().map(|r| (r.version, r.catalogue.clone()));
        known.collect()
    };
    let (candidates, best) = choose(client, set, &known, versions)?;
    let replayed = match replayed.remove(&best) {
        Some(replayed) => Some(replayed),
        None => expected::replay(set, &[best], &ground, progress)?.pop(),
    };
    let replayed =
        replayed.ok_or_else(|| Error::undecided(format!("version {best} was not replayed")))?;
    let later = made_after(&known, best);
    let survey = Survey {
        candidates,
        later,
        known,
    };
    Ok((survey, replayed))
}

/// Every candidate, and the version of the newest that nothing speaks against, or else of the one
/// that comes closest.
fn choose(
    client: &mut Client,
    set: &Set,
    known: &[(i32, Catalogue)],
    versions: &[i32],
) -> Result<(Vec<Candidate>, i32)> {
    let mut transaction = session::read_only(client)?;
    let (live, owner) = live(&mut transaction, set, known)?;
    transaction.commit()?;
    let mut compared = Vec::new();
    for (version, catalogue) in known.iter().rev().filter(|(v, _)| versions.contains(v)) {
        let found = compare(catalogue, &live, &owner, &made_after(known, *version));
        compared.push((found.later, Candidate::new(*version, &found.differences)));
    }
    let closeness = |(later, candidate): &&(usize, Candidate)| (*later, candidate.blocking);
    let best = compared.iter().min_by_key(closeness);
    let best = best.map(|(_, candidate)| candidate.version);
    let best = best.ok_or_else(|| Error::usage("there is no version to adopt"))?;
    Ok((
        compared
            .into_iter()
            .map(|(_, candidate)| candidate)
            .collect(),
        best,
    ))
}

fn made_after(known: &[(i32, Catalogue)], version: i32) -> BTreeSet<Key> {
    let later = known.iter().filter(|(other, _)| *other > version);
    later
        .flat_map(|(_, catalogue)| catalogue.iter().map(catalogue::Object::key))
        .collect()
}

/// The live objects of the schemas of all versions, and who owns most of their tables.
///
/// # Errors
/// Refused when there are tables to adopt, and none of them exists.
pub(super) fn live(
    transaction: &mut Transaction<'_>,
    set: &Set,
    known: &[(i32, Catalogue)],
) -> Result<(Catalogue, String)> {
    let expected = || known.iter().map(|(_, catalogue)| catalogue);
    let schemas: BTreeSet<String> = expected().flat_map(|c| c.schemas()).collect();
    let schemas: Vec<String> = schemas.into_iter().collect();
    let live = catalogue::read(transaction, Some(&schemas))?;
    let is_table = |object: &&catalogue::Object| object.kind == Kind::Table;
    let mut owners: BTreeMap<String, usize> = BTreeMap::new();
    for table in live.iter().filter(is_table) {
        let is_ours = expected().any(|c| c.get(&table.key()).is_some());
        if let (true, Some(owner)) = (is_ours, &table.owner) {
            *owners.entry(owner.clone()).or_default() += 1;
        }
    }
    if owners.is_empty() && expected().any(|c| c.iter().any(|o| is_table(&o))) {
        return Err(
            Error::refused("there is nothing to adopt: none of the tables exist")
                .hint(set.command("migrate") + " makes them"),
        );
    }
    let most = owners.into_iter().max_by_key(|(_, count)| *count);
    let owner = match most {
        Some((owner, _)) => owner,
        None => transaction
            .query_one("SELECT current_user::text", &[])?
            .get(0),
    };
    Ok((live, owner))
}

/// Judges all that tells the live objects apart from those of a version.
pub(super) fn compare(
    expected: &Catalogue,
    live: &Catalogue,
    owner: &str,
    made_later: &BTreeSet<Key>,
) -> Compared {
    let context = Context {
        expected,
        actual: live,
        owner,
    };
    let mut differences = Vec::new();
    let mut later = 0;
    for difference in catalogue::compare(expected, live, Some(owner)) {
        let is_later = |object: &catalogue::Object| made_later.contains(&object.key());
        let (counts, because) = rules::judge(&difference, expected, is_later);
        later += usize::from(because == rules::LATER.1);
        let mut described = describe(&difference, &context, counts, Some(&because));
        if let (Nature::Extra, Some(object), true) =
            (difference.nature, difference.object(), counts)
            && let Some(sql) = keeping(object, expected)
        {
            described.sql = sql;
        }
        differences.push(described);
    }
    Compared { differences, later }
}

/// What is enough for an extra object that blocks to be no longer in the way, where nothing needs
/// to be lost for that.
fn keeping(object: &catalogue::Object, expected: &Catalogue) -> Option<Vec<String>> {
    let name = &object.name;
    match object.kind {
        Kind::Column => {
            let table = object.table.as_deref().unwrap_or_default();
            let sql = format!("ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL;");
            Some(vec![sql])
        }
        Kind::Table => {
            let part = |parent| format!("ALTER TABLE {name} NO INHERIT {parent};");
            let sql: Vec<String> = rules::parents(object, expected).map(part).collect();
            (!sql.is_empty()).then_some(sql)
        }
        _ => None,
    }
}
