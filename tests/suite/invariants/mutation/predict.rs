//! What an audit must find in a ledger, in plain Rust: written from the catalogue, with maps and
//! loops, so that it shares nothing with the SQL of the checks. Here are the chain and its refunds;
//! references are in [`super::predict_references`], the usage log and the rows on their own in
//! [`super::predict_rows`].

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{DAY, Entry, Ledger, MINUTE, SECOND};
use super::number::Num;
use super::predict_rows::YEAR_2020;

/// Subjects by check, sorted; a subject may come twice.
pub type Findings = BTreeMap<String, Vec<String>>;

pub struct Predictor<'a> {
    pub ledger: &'a Ledger,
    pub found: Findings,
}

/// A reference that says something.
pub fn said(reference: &Option<String>) -> Option<&str> {
    let words = reference.as_deref()?.trim_matches(' ');
    let silent = ["", "None", "null", "undefined"].contains(&words);
    (!silent).then_some(reference.as_deref()?)
}

/// Whether a reference is missing: beside what says nothing, one of tabs and line ends is.
pub fn is_missing(reference: &Option<String>) -> bool {
    let trimmed = |r: &str| r.trim_matches([' ', '\t', '\r', '\n']).to_owned();
    said(&reference.as_deref().map(trimmed)).is_none()
}

/// The origin that an adjustment is a part of, by its reference: all before ` part 3`.
fn origin(entry: &Entry) -> Option<&str> {
    let (origin, number) = entry.reference.as_deref()?.rsplit_once(" part ")?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (entry.kind == "admin_adjustment" && is_number).then_some(origin)
}

/// The entries, and once more with the reference of their origin those that are parts of one.
pub fn with_parts(ledger: &Ledger) -> Vec<Entry> {
    let named = |e: &Entry| {
        let reference = Some(origin(e)?.to_owned());
        Some(Entry {
            reference,
            ..e.clone()
        })
    };
    let parts: Vec<Entry> = ledger.entries.iter().filter_map(named).collect();
    ledger.entries.iter().cloned().chain(parts).collect()
}

/// Rows by key, in the order of their rows.
pub fn grouped<K: Ord, T>(
    rows: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> Option<K>,
) -> BTreeMap<K, Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for row in rows {
        if let Some(key) = key(&row) {
            groups.entry(key).or_default().push(row);
        }
    }
    groups
}

/// What is debited whether the balance covers it or not.
pub fn is_forced(entry: &Entry) -> bool {
    ["refund", "admin_adjustment"].contains(&entry.kind) && entry.amount < Num::ZERO
}

/// What an entry takes from below zero.
fn depth(entry: &Entry) -> Num {
    if entry.amount > entry.after {
        entry.amount
    } else {
        entry.after
    }
}

/// How far below zero the debits that may go there have taken a balance.
fn floor(chain: &[&Entry]) -> Num {
    let mut floor = Num::ZERO;
    for entry in chain {
        if (entry.after < Num::ZERO) && is_forced(entry) && entry.amount.finite().is_some() {
            floor = floor + depth(entry);
        }
        if (entry.after < Num::ZERO) && entry.after > floor {
            floor = entry.after;
        } else if entry.after >= Num::ZERO || entry.after == Num::Null {
            floor = Num::ZERO;
        }
    }
    floor
}

impl Predictor<'_> {
    pub fn add(&mut self, check: &str, subject: impl Into<String>) {
        let subjects = self.found.entry(check.to_owned()).or_default();
        subjects.push(subject.into());
        subjects.sort();
    }

    /// Entries that somebody has put on record.
    fn is_on_record(&self, entry: &Entry) -> bool {
        let note = format!("entry {}", entry.id);
        self.ledger.entries.iter().any(|e| {
            e.user == entry.user
                && e.kind == "admin_adjustment"
                && e.reference.as_ref() == Some(&note)
        })
    }

    pub fn chains(&mut self) {
        let ledger = self.ledger;
        let users: BTreeSet<&String> = ledger.entries.iter().map(|e| &e.user).collect();
        for user in users {
            let chain = ledger.chain(user);
            self.links(user, &chain);
            self.order(user, &chain);
            if ledger.numbered {
                self.numbers(user, &chain);
            }
            self.overdrafts(user, &chain);
            let Some(row) = ledger.user(user) else {
                self.add("balance-row-missing", format!("user {user}"));
                continue;
            };
            if row.balance != chain.last().unwrap().after {
                self.add("balance-equals-last", format!("user {user}"));
            }
            if row.balance != chain.iter().map(|e| e.amount).sum() {
                self.add("balance-equals-sum", format!("user {user}"));
            }
        }
        for row in &ledger.users {
            let entries: Vec<&Entry> = ledger.chain(&row.id);
            if entries.is_empty() && row.balance != Num::ZERO {
                self.add("balance-without-history", format!("user {}", row.id));
            }
            let last = entries.iter().map(|e| e.seq).max().unwrap_or(0);
            if ledger.numbered && row.last_seq != last {
                self.add("chain-sequence", format!("user {}", row.id));
            }
            let is_negative = row.balance < Num::ZERO && row.tier != "enterprise";
            if row.balance.is_nan() || is_negative && row.balance < floor(&entries) {
                self.add("balance-negative-unexplained", format!("user {}", row.id));
            }
        }
        let balances: Num = ledger.users.iter().map(|u| u.balance).sum();
        let amounts: Num = ledger.entries.iter().map(|e| e.amount).sum();
        if balances.or_zero() != amounts.or_zero() {
            self.add("trial-balance", "all users");
        }
    }

    fn links(&mut self, user: &str, chain: &[&Entry]) {
        let mut before = Num::ZERO;
        let mut echo = None;
        for (n, entry) in chain.iter().enumerate() {
            let expected = before + entry.amount;
            before = entry.after;
            if entry.after == expected && !entry.amount.is_nan() {
                continue;
            }
            // An entry that starts from what the one before it should have been is right.
            if echo.take() == Some(entry.id) {
                continue;
            }
            echo = (chain.get(n + 1))
                .filter(|next| next.after - next.amount == expected)
                .filter(|_| expected.finite().is_some())
                .map(|next| next.id);
            let subject = format!("credit_transactions id={} user_id={user}", entry.id);
            self.add("chain-continuity", subject);
        }
    }

    fn order(&mut self, user: &str, chain: &[&Entry]) {
        let in_time =
            |at: i64| (1_577_836_800 * SECOND..=self.ledger.now + 5 * MINUTE).contains(&at);
        let dated: Vec<&&Entry> = chain.iter().filter(|e| in_time(e.created)).collect();
        let first = dated
            .windows(2)
            .find(|pair| pair[1].created < pair[0].created - SECOND);
        if let Some(pair) = first {
            let subject = format!("user {user} entry {}", pair[1].id);
            self.add("entry-order-disagrees", subject);
        }
    }

    fn numbers(&mut self, user: &str, chain: &[&Entry]) {
        let mut before = 0;
        for entry in chain {
            if entry.seq != before + 1 {
                self.add(
                    "chain-sequence",
                    format!("entry {} of user {user}", entry.id),
                );
            }
            before = entry.seq;
        }
    }

    fn overdrafts(&mut self, user: &str, chain: &[&Entry]) {
        if self
            .ledger
            .user(user)
            .is_some_and(|u| u.tier == "enterprise")
        {
            return;
        }
        let is_over = |e: &&&Entry| e.after < Num::ZERO && e.amount < Num::ZERO && !is_forced(e);
        let over: Vec<&&Entry> = chain.iter().filter(is_over).collect();
        // A record settles the entry that it names, and those before it.
        let settled = over.iter().rposition(|e| self.is_on_record(e));
        if let Some(entry) = over.get(settled.map_or(0, |last| last + 1)) {
            let subject = format!("user {user} entry {}", entry.id);
            self.add("entry-balance-negative-unexplained", subject);
        }
    }

    pub fn refunds(&mut self) {
        let ledger = self.ledger;
        for refund in ledger.entries.iter().filter(|e| e.kind == "refund") {
            let kind = if refund.amount < Num::ZERO {
                "purchase"
            } else {
                "usage"
            };
            let is_origin = |e: &Entry| {
                e.user == refund.user
                    && e.kind == kind
                    && said(&e.reference).is_some()
                    && e.reference == refund.reference
                    && ledger.place(e) < ledger.place(refund)
            };
            let has_origin = ledger.entries.iter().any(is_origin);
            let is_nothing = [Num::ZERO, Num::Null].contains(&refund.amount);
            if !is_nothing && !has_origin && !self.is_on_record(refund) {
                let subject = format!("user {} entry {}", refund.user, refund.id);
                self.add("refund-has-origin", subject);
            }
        }
        let all = with_parts(ledger);
        let finite = all.iter().filter(|e| e.amount.finite().is_some());
        for ((user, reference), group) in grouped(finite, |e| {
            Some((e.user.clone(), said(&e.reference)?.to_owned()))
        }) {
            let sum = |kind: &str, sign: i64| -> Num {
                let of_sign = |e: &&&Entry| {
                    e.kind == kind && (sign == 0 || (e.amount > Num::ZERO) == (sign > 0))
                };
                group.iter().filter(of_sign).map(|e| e.amount).sum()
            };
            let (bought, used) = (sum("purchase", 0), -sum("usage", 0));
            let (given, returned) = (sum("refund", 1), -sum("refund", -1));
            let adjusted = sum("admin_adjustment", 0);
            let zero = Num::ZERO;
            let credits = given > zero && used > zero && given + adjusted > used;
            let money = returned > zero && bought > zero && returned - adjusted > bought;
            for _ in [credits, money].iter().filter(|surplus| **surplus) {
                let subject = format!("reference {reference} of user {user}");
                self.add("refund-within-origin", subject);
            }
        }
    }

    /// Rows that are more than a day older than one with a lower id.
    pub fn inversions(&mut self) {
        let ledger = self.ledger;
        let entries = ledger
            .entries
            .iter()
            .map(|e| (e.id, e.created, "entry", &e.user));
        let log = ledger
            .log
            .iter()
            .map(|row| (row.id, row.created, "log row", &row.user));
        let mut tables = [entries.collect::<Vec<_>>(), log.collect()];
        for rows in &mut tables {
            rows.sort();
            for pair in rows.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
                self.add("id-duplicate", format!("{} {}", pair[0].2, pair[0].0));
            }
            let mut newest = i64::MIN / 2;
            for (id, created, kind, user) in rows {
                if !(YEAR_2020..=ledger.now + 5 * MINUTE).contains(created) {
                    continue;
                }
                if *created < newest - DAY {
                    self.add("id-time-inversion", format!("user {user} {kind} {id}"));
                }
                newest = newest.max(*created);
            }
        }
    }
}
