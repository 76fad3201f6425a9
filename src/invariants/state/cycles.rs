//! What was used in the running billing cycles, as keyed sums, so that the entries of a whole cycle
//! need not be read each night to compare them with the counters.
//!
//! Users are put into groups by the day on which their cycle began, and there by a few bits of a
//! hash: when a cohort moves on to its next cycle, it leaves one set of groups for another one,
//! whose entries are few. Each user has a secret weight, so that two wrong counters of a group do
//! not make up for each other. A state has of each group who is in it, with which cycles, and the
//! weighted sum of what sealed entries used. While nobody has entered or left a group, its counters
//! must be that sum and the new entries. Every other group is summed up anew, from the entries of
//! its users.

use std::collections::BTreeMap;

use postgres::{Row, Transaction};
use serde::{Deserialize, Serialize};

use super::Number;
use crate::error::Result;
use crate::invariants::equations::{ENTRIES, USERS};
use crate::invariants::relations::{self, Relation, Shape};

/// The check that holds whenever all counters are the sums.
pub(in crate::invariants) const CHECK: &str = "quota-equals-cycle-sum";

/// What the sums are made for.
const SHAPE: &[Shape] = &[
    (
        ENTRIES,
        &[
            "id bigint",
            "user_id uuid",
            "amount numeric(20,8)",
            "transaction_type text",
            "created_at timestamp with time zone",
        ],
    ),
    (
        USERS,
        &[
            "user_id uuid",
            "credits_used_this_month numeric(20,8)",
            "billing_cycle_start timestamp with time zone",
        ],
    ),
];

/// The groups with their counters.
const COUNTERS: &str = include_str!("cycle_counters.sql");

/// What entries have used, group by group.
const USED: &str = include_str!("cycle_usage.sql");

/// The number of a user's group: the day (of sessions whose time zone is UTC), and eight bits of
/// the hash.
const GROUP: &str = "(CASE WHEN isfinite(billing_cycle_start) \
     THEN (billing_cycle_start::date - DATE '1970-01-01')::bigint ELSE $never END * 256 \
     + (uuid_hash_extended(user_id, $key) & 255))";

/// The day of cycles without one, before all others.
const NEVER: i64 = -1_000_000_000;

/// Below every id.
const NOTHING: i64 = -i64::MAX;

/// The weight of a user: other bits of it, so that a sum of 20-digit numbers fits 128 bits.
const WEIGHT: &str = "(uuid_hash_extended(user_id, $key) >> 33)";

/// Of one group of users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    /// The sum of hashes over its users, each with the beginning of the cycle.
    users: Number,
    /// What sealed entries used, in hundred-millionths of a credit, weighted by user.
    used: Number,
}

/// Groups by their numbers.
pub(super) type Groups = BTreeMap<i64, Group>;

/// The sums to be made by one audit.
#[derive(Debug)]
pub(in crate::invariants) struct Cycles {
    key: i64,
    /// What is known of entries up to an id; none in a full audit.
    known: Option<(Groups, i64)>,
    /// The highest id to be sealed.
    upto: i64,
}

/// What they have yielded.
#[derive(Clone, Debug, Default)]
pub(in crate::invariants) struct Used {
    /// Whether all counters are what was used.
    pub agrees: bool,
    /// Of entries that are sealed now.
    pub(super) groups: Groups,
}

/// A group as it is now.
struct Counter {
    users: Number,
    /// The weighted sum of its counters; none where one is no number.
    counted: Option<i128>,
}

/// Sums over entries up to the id to be sealed, and over those above; none where one is no number.
type Sums = BTreeMap<i64, Option<(i128, i128)>>;

impl Cycles {
    /// Of entries up to an id; `known` are the groups of those up to a lower one.
    pub(super) fn new(key: i64, known: Option<(Groups, i64)>, upto: i64) -> Self {
        Self { key, known, upto }
    }

    /// Whether this database has the columns, exactly so.
    pub(super) fn apply(relations: &BTreeMap<String, Relation>) -> bool {
        relations::have(relations, SHAPE)
    }

    /// Whether the entries of whole cycles are read.
    pub fn reads_everything(&self) -> bool {
        self.known.is_none()
    }

    /// Makes them.
    pub fn read(&self, snapshot: &mut Transaction<'_>) -> Result<Used> {
        let mut used = Used {
            agrees: true,
            groups: Groups::new(),
        };
        let mut left = self.counters(snapshot)?;
        if let Some((known, above)) = &self.known {
            let stays = |number: &i64, counter: &Counter| {
                let group = known.get(number);
                group.is_some_and(|group| group.users == counter.users)
            };
            let (same, others): (BTreeMap<_, _>, _) =
                left.into_iter().partition(|(n, counter)| stays(n, counter));
            let new = self.sums(snapshot, &same, *above)?;
            used.judge(&same, &new, |number| known[&number].used.0);
            left = others;
        }
        let anew = self.sums(snapshot, &left, NOTHING)?;
        used.judge(&left, &anew, |_| 0);
        Ok(used)
    }

    fn counters(&self, snapshot: &mut Transaction<'_>) -> Result<BTreeMap<i64, Counter>> {
        let rows = snapshot.query(&self.keyed(COUNTERS), &[])?;
        let counter = |row: &Row| {
            let users = number(row.get("users")).unwrap_or_default();
            let counter = Counter {
                users: Number(users),
                counted: number(row.get("counted")),
            };
            (row.get("number"), counter)
        };
        Ok(rows.iter().map(counter).collect())
    }

    /// Sums over the entries of some groups above an id.
    fn sums(
        &self,
        snapshot: &mut Transaction<'_>,
        groups: &BTreeMap<i64, Counter>,
        above: i64,
    ) -> Result<Sums> {
        let Some(oldest) = groups.keys().next() else {
            return Ok(Sums::new());
        };
        // A constant, so that a planner knows how few entries are younger.
        let oldest = match oldest >> 8 {
            NEVER => "-infinity".to_owned(),
            day => (day * 86400).to_string(),
        };
        let statement = self
            .keyed(USED)
            .replace("$oldest", &oldest)
            .replace("$above", &above.to_string())
            .replace("$upto", &self.upto.to_string());
        let numbers: Vec<i64> = groups.keys().copied().collect();
        let rows = snapshot.query(&statement, &[&numbers])?;
        let sums = rows.iter().map(|row| {
            let sums = number(row.get("sealed")).zip(number(row.get("open")));
            (row.get("number"), sums)
        });
        Ok(sums.collect())
    }

    fn keyed(&self, statement: &str) -> String {
        statement
            .replace("$group", GROUP)
            .replace("$weight", WEIGHT)
            .replace("$never", &NEVER.to_string())
            .replace("$key", &self.key.to_string())
    }
}

impl Used {
    /// Compares counters with what was used: `before`, and since then.
    fn judge(
        &mut self,
        counters: &BTreeMap<i64, Counter>,
        since: &Sums,
        before: impl Fn(i64) -> i128,
    ) {
        for (number, counter) in counters {
            let Some((sealed, open)) = since.get(number).copied().unwrap_or(Some((0, 0))) else {
                self.agrees = false;
                continue;
            };
            let sealed = before(*number).wrapping_add(sealed);
            self.agrees &= counter.counted == Some(sealed.wrapping_add(open));
            let group = Group {
                users: counter.users,
                used: Number(sealed),
            };
            self.groups.insert(*number, group);
        }
    }
}

/// A sum as the server writes it; none for NULL, NaN and infinities.
fn number(text: Option<&str>) -> Option<i128> {
    text?.parse().ok()
}
