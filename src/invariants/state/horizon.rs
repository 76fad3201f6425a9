//! Up to which id a table is complete: no transaction can add a row with that id or a lower one.
//!
//! Ids are drawn before their rows become visible, and transactions end in any order, so the
//! highest visible id says nothing. But `nextval` locks its sequence (ROW EXCLUSIVE) before it
//! draws, in the name of the outermost transaction, also when that happens in a subtransaction that
//! is rolled back later; and locks are released only after the end of a transaction has become
//! visible to new snapshots. `pg_locks` shows the locks of everybody to everybody, those of
//! prepared transactions too. So: first read the last id that was drawn, L; then look who holds
//! such a lock. Whoever drew L or a lower id either holds it still or has ended. Once all who held
//! it at that look are gone, a snapshot that is taken then has every row up to L that there will
//! ever be.
//!
//! This needs a sequence that keeps nothing back (CACHE 1) and counts by one, and a server where
//! the transactions run: a standby does not show the locks of its primary. A row whose id was drawn
//! in an earlier transaction, or made up, can come later all the same; it is a row that was added
//! to sealed ones, and is found as such.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use postgres::{Client, Row, Transaction};
use serde::{Deserialize, Serialize};

use super::{StateFile, TABLES};
use crate::db::session::quote_identifier;
use crate::db::snapshot;
use crate::error::Result;

/// Most transactions end within this time; nobody waits for the others.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// The sequence that the default of a table's id draws from.
const SEQUENCE: &str = "SELECT s.seqrelid, n.nspname::text, c.relname::text,
        s.seqcache = 1 AND s.seqincrement = 1 AND NOT s.seqcycle AS orderly
   FROM pg_catalog.pg_attrdef AS f
   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
   JOIN pg_catalog.pg_depend AS d
     ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
   JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = d.refobjid
   JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
   JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE f.adrelid = pg_catalog.to_regclass('public.' || $1) AND a.attname = 'id'";

/// Who has drawn from sequences and has not ended.
const HOLDERS: &str = "SELECT relation, virtualtransaction
   FROM pg_catalog.pg_locks
  WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND relation = ANY ($1)";

/// A transaction that was prepared before the server recovered has lost its number: `-1/…`. It may
/// be any that was seen before.
const NAMELESS: &str = "-1/";

/// Transactions that hold the lock on a sequence.
type Holders = BTreeSet<String>;

/// How far the ids of each table had been drawn before the snapshot was taken.
#[derive(Clone, Debug, Default)]
pub(in crate::invariants) struct Horizon {
    pub(super) tables: BTreeMap<&'static str, Reach>,
    /// Why nothing can be said; then there are no tables.
    pub(super) blind: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// The last id that was drawn.
    pub last: i64,
    /// No row with this id or a lower one can come any more.
    pub complete: Option<i64>,
    /// What is complete when some transactions have ended.
    pub candidate: Option<Candidate>,
    /// Whether an earlier audit of this history has seen to that.
    leans_on_before: bool,
}

/// An id below which rows may still come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Candidate {
    id: i64,
    /// Virtual transactions that held the lock.
    holders: Holders,
    /// When the server was started that they are numbered by.
    started: String,
}

impl Horizon {
    /// Looks, and waits a little for transactions to end, and for a lock. Has to be done before the
    /// snapshot.
    pub fn look(client: &mut Client, file: &StateFile) -> Result<Self> {
        let mut transaction = client.transaction()?;
        let limit = PATIENCE.as_millis();
        transaction.batch_execute(&format!("SET LOCAL lock_timeout = {limit}"))?;
        match Self::look_within(&mut transaction, file) {
            Err(error) if snapshot::waited_too_long(&error) => Ok(Self::blind(&format!(
                "how far ids were drawn is not known: {}",
                error.primary()
            ))),
            looked => looked,
        }
    }

    fn look_within(client: &mut Transaction<'_>, file: &StateFile) -> Result<Self> {
        let row = client.query_one(
            "SELECT pg_is_in_recovery(), pg_postmaster_start_time()::text",
            &[],
        )?;
        let started: String = row.get(1);
        if row.get(0) {
            return Ok(Self::blind(
                "a standby does not show which transactions of its primary are open",
            ));
        }
        let mut sequences = Vec::new();
        for table in TABLES {
            let found = client.query(SEQUENCE, &[&table])?;
            let [row] = &found[..] else {
                return Ok(Self::blind(&format!(
                    "the ids of \"{table}\" have no sequence"
                )));
            };
            if !row.get::<_, bool>("orderly") {
                let name: String = row.get("relname");
                return Ok(Self::blind(&format!(
                    "sequence \"{name}\" keeps ids back or does not count by one"
                )));
            }
            sequences.push((row.get::<_, u32>("seqrelid"), last_of(client, row)?));
        }
        let oids: Vec<u32> = sequences.iter().map(|(oid, _)| *oid).collect();
        let first = holders(client, &oids)?;
        let now = wait(client, &oids, &first)?;
        let nobody = Holders::new();
        let mut tables = BTreeMap::new();
        for (table, (oid, last)) in TABLES.into_iter().zip(sequences) {
            let seen = first.get(&oid).unwrap_or(&nobody);
            let now = now.get(&oid).unwrap_or(&nobody);
            let left = now.iter().filter(|n| seen.contains(*n) || is_nameless(n));
            let left = left.cloned().collect();
            let before = file
                .state
                .as_ref()
                .and_then(|state| state.tables.get(table))
                .and_then(|sealed| sealed.candidate.clone());
            tables.insert(table, reach(last, left, now, before, &started));
        }
        Ok(Self {
            tables,
            blind: None,
        })
    }

    /// Takes back what is only known of the history that an earlier audit has seen.
    pub fn forget(&mut self) {
        for reach in self.tables.values_mut().filter(|r| r.leans_on_before) {
            reach.complete = None;
            reach.candidate = None;
        }
    }

    fn blind(reason: &str) -> Self {
        Self {
            tables: BTreeMap::new(),
            blind: Some(reason.to_owned()),
        }
    }
}

/// The last id that a sequence gave. It is no part of a snapshot: this is the present one.
fn last_of(client: &mut Transaction<'_>, sequence: &Row) -> Result<i64> {
    let schema = quote_identifier(sequence.get("nspname"));
    let name = quote_identifier(sequence.get("relname"));
    let last = format!("SELECT last_value - (NOT is_called)::integer FROM {schema}.{name}");
    Ok(client.query_one(&last, &[])?.get(0))
}

fn is_nameless(transaction: &str) -> bool {
    transaction.starts_with(NAMELESS)
}

fn holders(client: &mut Transaction<'_>, oids: &[u32]) -> Result<BTreeMap<u32, Holders>> {
    let mut holders: BTreeMap<u32, Holders> = BTreeMap::new();
    for row in client.query(HOLDERS, &[&oids])? {
        let of_it = holders.entry(row.get("relation")).or_default();
        of_it.insert(row.get("virtualtransaction"));
    }
    Ok(holders)
}

/// Waits for those who were seen first, not for those who come later.
fn wait(
    client: &mut Transaction<'_>,
    oids: &[u32],
    first: &BTreeMap<u32, Holders>,
) -> Result<BTreeMap<u32, Holders>> {
    let until = Instant::now() + PATIENCE;
    loop {
        let now = holders(client, oids)?;
        let stays = |(oid, seen): (&u32, &Holders)| {
            let now = now.get(oid);
            now.is_some_and(|now| !seen.is_disjoint(now))
        };
        if !first.iter().any(stays) || Instant::now() >= until {
            return Ok(now);
        }
        std::thread::sleep(PAUSE);
    }
}

/// What can be said of one sequence. `left` are those that were seen first and have not ended. What
/// was seen before a restart is not gone on from: the server may have been put back to a time
/// before it was seen, and ids may have been drawn again since.
fn reach(
    last: i64,
    left: Holders,
    now: &Holders,
    before: Option<Candidate>,
    started: &str,
) -> Reach {
    let known = |complete, candidate| Reach {
        last,
        complete,
        candidate,
        leans_on_before: false,
    };
    if left.is_empty() {
        return known(Some(last), None);
    }
    let fresh = Candidate {
        id: last,
        holders: left,
        started: started.to_owned(),
    };
    let is_of_now = |before: &Candidate| before.started == started && before.id <= last;
    let Some(before) = before.filter(is_of_now) else {
        return known(None, Some(fresh));
    };
    let waits = !before.holders.is_disjoint(now) || now.iter().any(|n| is_nameless(n));
    let (complete, candidate) = match waits {
        true => (None, before),
        false => (Some(before.id), fresh),
    };
    Reach {
        leans_on_before: true,
        ..known(complete, Some(candidate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn candidate(id: i64, holders: &[&str]) -> Candidate {
        Candidate {
            id,
            holders: names(holders),
            started: "then".to_owned(),
        }
    }

    #[test]
    fn a_candidate_is_complete_once_its_holders_are_gone() {
        let before = Some(candidate(5, &["3/1"]));
        let waits = reach(9, names(&["3/1"]), &names(&["3/1"]), before.clone(), "then");
        assert_eq!((waits.complete, waits.candidate), (None, before.clone()));
        let gone = reach(9, names(&["4/7"]), &names(&["4/7"]), before, "then");
        assert_eq!(gone.complete, Some(5));
        assert_eq!(gone.candidate, Some(candidate(9, &["4/7"])));
    }

    #[test]
    fn a_prepared_transaction_may_be_any_that_was_seen() {
        let before = Some(candidate(5, &["3/1"]));
        let prepared = names(&["-1/77"]);
        let old = reach(9, prepared.clone(), &prepared, before.clone(), "then");
        assert_eq!((old.complete, old.candidate), (None, before));
    }

    #[test]
    fn after_a_restart_or_with_another_sequence_it_begins_anew() {
        let before = Some(candidate(5, &["3/1"]));
        let open = names(&["4/7"]);
        let new = reach(9, open.clone(), &open, before.clone(), "now");
        assert_eq!(new.complete, None);
        assert_eq!(new.candidate.map(|it| it.id), Some(9));
        let back = reach(4, open.clone(), &open, before, "then");
        assert_eq!(back.complete, None);
        assert_eq!(back.candidate, Some(candidate(4, &["4/7"])));
    }

    #[test]
    fn nobody_left_means_complete() {
        let reach = reach(9, names(&[]), &names(&["8/8"]), None, "now");
        assert_eq!((reach.complete, reach.candidate), (Some(9), None));
    }
}
