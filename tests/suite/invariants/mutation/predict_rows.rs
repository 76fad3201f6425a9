//! The usage log against the entries, and each of their rows on its own.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::ledger::{
    DAY, EVER, Entry, FOREVER, Ledger, Logged, MINUTE, NULL, SECOND, date, settlement,
};
use super::number::{Num, extremes};
use super::predict::{Findings, Predictor, grouped, is_missing, said, with_parts};

/// The first moment that counts.
pub const YEAR_2020: i64 = 1_577_836_800 * SECOND;

/// The user that nobody is.
pub const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// All that an audit of this ledger must find.
pub fn predict(ledger: &Ledger) -> Findings {
    let found = Findings::new();
    let mut predictor = Predictor { ledger, found };
    predictor.chains();
    predictor.refunds();
    predictor.references();
    predictor.usage();
    predictor.requests();
    predictor.entries();
    predictor.log();
    predictor.costs();
    predictor.users();
    predictor.keys();
    predictor.inversions();
    predictor.found
}

fn is_paid(row: &Logged) -> bool {
    row.success && !row.byok && row.credits > Num::ZERO && !row.credits.is_nan()
}

/// Near the end of what a column of money can hold, or beyond it.
fn is_huge(number: Num) -> bool {
    let most = Num::from(900_000_000_000);
    (number >= most || number <= -most) && !number.is_nan()
}

impl Predictor<'_> {
    pub fn is_old(&self, at: i64) -> bool {
        at < self.ledger.now - 15 * MINUTE
    }

    fn charges<'a>(ledger: &'a Ledger, user: &str, request: &Option<String>) -> Vec<&'a Entry> {
        let is_charge = |e: &&Entry| e.kind == "usage" && e.user == user && e.reference == *request;
        ledger.entries.iter().filter(is_charge).collect()
    }

    fn usage(&mut self) {
        let ledger = self.ledger;
        let is_logged = |user: &str, request: &Option<String>| {
            ledger
                .log
                .iter()
                .any(|row| row.user == user && row.request == *request)
        };
        for row in ledger
            .log
            .iter()
            .filter(|row| is_paid(row) && said(&row.request).is_some())
        {
            let request = row.request.as_deref().unwrap();
            if !self.is_old(row.created)
                || !Self::charges(ledger, &row.user, &row.request).is_empty()
            {
                continue;
            }
            self.add(
                "usage-unbilled",
                format!("request {request} of user {}", row.user),
            );
            let elsewhere = |e: &&Entry| {
                e.kind == "usage" && e.reference == row.request && !is_logged(&e.user, &e.reference)
            };
            for _ in ledger.entries.iter().filter(elsewhere) {
                self.add("usage-user-mismatch", format!("request {request}"));
            }
        }
        let oldest = ledger
            .log
            .iter()
            .map(|row| row.created)
            .filter(|at| *at >= YEAR_2020)
            .min();
        let oldest = oldest.unwrap_or(ledger.now - 30 * DAY);
        let judged_from = oldest.min(ledger.now) + 15 * MINUTE;
        let gives =
            |e: &Entry| ["refund", "admin_adjustment"].contains(&e.kind) && e.amount > Num::ZERO;
        let all = with_parts(ledger);
        let unlogged = (all.iter())
            .filter(|e| e.kind == "usage" || gives(e))
            .filter(|e| !is_logged(&e.user, &e.reference));
        for (_, group) in grouped(unlogged, |e| Some((&e.user, said(&e.reference)?))) {
            let charges: Vec<&&Entry> = group.iter().filter(|e| e.kind == "usage").collect();
            let sum: Num = group.iter().map(|e| e.amount).sum();
            let Some(first) = charges.iter().map(|e| e.created).min() else {
                continue;
            };
            if sum < Num::ZERO && self.is_old(first) && first >= judged_from {
                let id = charges.iter().map(|e| e.id).min().unwrap();
                self.add(
                    "charge-without-usage",
                    format!("user {} entry {id}", group[0].user),
                );
            }
        }
        for (_, group) in grouped(&ledger.log, |row| Some((&row.user, row.request.clone()?))) {
            let [row] = group[..] else { continue };
            let Some(request) = said(&row.request).filter(|_| self.is_old(row.created)) else {
                continue;
            };
            let charges = Self::charges(ledger, &row.user, &row.request);
            if charges.is_empty() {
                continue;
            }
            let with = |more: usize| {
                let later = |e: &Entry| match e.kind {
                    "refund" => more & 1 > 0,
                    "admin_adjustment" if e.amount > Num::ZERO => more & 2 > 0,
                    kind => kind == "admin_adjustment" && more & 4 > 0,
                };
                let related = (all.iter())
                    .filter(|e| e.user == row.user && e.reference == row.request)
                    .filter(|e| e.kind == "usage" || later(e));
                -related.map(|e| e.amount).sum::<Num>()
            };
            // Each of what came afterwards is counted in, or it is not.
            let prices = [0, 1, 2, 3, 4, 5, 6, 7].map(with);
            // Too much by several charges is a duplicate.
            let (_, most) = extremes(prices.into_iter()).unwrap_or((Num::Null, Num::Null));
            let is_duplicate = charges.len() > 1 && row.credits <= most;
            if !prices.contains(&row.credits) && !is_duplicate {
                let subject = format!("request {request} of user {}", row.user);
                self.add("usage-amount-mismatch", subject);
            }
        }
    }

    fn requests(&mut self) {
        let ledger = self.ledger;
        for ((request, user), group) in
            grouped(&ledger.log, |row| Some((said(&row.request)?, &row.user)))
        {
            if group.len() > 1 {
                self.add(
                    "request-id-duplicate",
                    format!("request {request} of user {user}"),
                );
            }
        }
        let is_noted = |row: &Logged| {
            let note = row.request.as_ref().map(|id| format!("request {id}"));
            let notes = |e: &Entry| e.kind == "admin_adjustment" && e.reference == note;
            note.is_some()
                && ledger
                    .entries
                    .iter()
                    .any(|e| e.user == row.user && notes(e))
        };
        let open = ledger.log.iter().filter(|row| !is_noted(row));
        for (request, group) in grouped(open, |row| said(&row.request)) {
            let users: BTreeSet<&String> = group.iter().map(|row| &row.user).collect();
            if users.len() > 1 {
                self.add("request-id-collision", format!("request {request}"));
            }
        }
        let mut unknown = BTreeSet::new();
        for row in &ledger.log {
            let is_user = ledger.user(&row.user).is_some();
            if row.success && !is_user && ledger.chain(&row.user).is_empty() {
                unknown.insert(&row.user);
            }
        }
        for user in unknown {
            self.add("usage-user-unknown", format!("user {user}"));
        }
        self.days();
    }

    /// Requests without an id: sums by user and by days that follow each other.
    fn days(&mut self) {
        let ledger = self.ledger;
        let Some(oldest) = ledger
            .log
            .iter()
            .map(|row| row.created)
            .filter(|at| *at >= YEAR_2020)
            .min()
        else {
            return;
        };
        let charged = (ledger.entries.iter())
            .filter(|e| e.kind == "usage" && said(&e.reference).is_none())
            .map(|e| (&e.user, e.created, -e.amount));
        let logged = (ledger.log.iter())
            .filter(|row| is_paid(row) && said(&row.request).is_none())
            .map(|row| (&row.user, row.created, -row.credits));
        let is_dated = |at: i64| ![EVER, FOREVER].contains(&at);
        let all = charged
            .chain(logged)
            .filter(|(_, at, amount)| is_dated(*at) && amount.finite().is_some())
            .filter(|(_, at, _)| *at >= oldest);
        let by_day = grouped(all, |(user, at, _)| {
            Some((user.to_owned(), at.div_euclid(DAY)))
        });
        let uneven = by_day.into_iter().filter_map(|((user, day), group)| {
            let sum: Num = group.iter().map(|(_, _, amount)| *amount).sum();
            let last = group.iter().map(|(_, at, _)| *at).max()?;
            (sum != Num::ZERO).then_some((user, day, sum, last))
        });
        // What was settled ends a run.
        let is_settled = |user: &String, day: i64| {
            let name = Some(settlement(day));
            let names = |e: &Entry| e.kind == "admin_adjustment" && e.reference == name;
            ledger.entries.iter().any(|e| e.user == *user && names(e))
        };
        // The oldest day may have lost rows, and a request may lie on both sides of its midnight.
        let cut_off = (oldest.min(ledger.now) + 15 * MINUTE).div_euclid(DAY);
        let mut edges: BTreeSet<&String> = BTreeSet::new();
        let mut runs: Vec<(&String, i64, i64, Num, i64)> = Vec::new();
        for (user, day, sum, last) in uneven {
            if day == cut_off && !is_settled(user, day) {
                edges.insert(user);
            }
            if day <= cut_off || day == cut_off + 1 && edges.contains(user) {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.0 == user && run.2 + 1 == day && !is_settled(user, run.2) => {
                    *run = (user, run.1, day, run.3 + sum, run.4.max(last));
                }
                _ => runs.push((user, day, day, sum, last)),
            }
        }
        for (user, from, to, sum, last) in runs {
            if sum != Num::ZERO && self.is_old(last) && !is_settled(user, to) {
                let subject = format!("user {user} from {} to {}", date(from), date(to));
                self.add("usage-sum-per-day", subject);
            }
        }
    }

    /// What is said of a row's times.
    pub fn times(&mut self, subject: &str, created: i64) {
        if created > self.ledger.now + 5 * MINUTE {
            self.add("timestamp-future", subject);
        }
        if created < YEAR_2020 {
            self.add("timestamp-missing", subject);
        }
    }

    fn entries(&mut self) {
        let ledger = self.ledger;
        for e in &ledger.entries {
            let subject = if ledger.numbered {
                format!("credit_transactions user_id={} entry_seq={}", e.user, e.seq)
            } else {
                format!("credit_transactions id={} user_id={}", e.id, e.user)
            };
            let (kind, amount, zero) = (e.kind, e.amount, Num::ZERO);
            let is_either = ["refund", "admin_adjustment"].contains(&kind);
            let blank = |text: &Option<String>| text.as_deref().unwrap_or("").trim().is_empty();
            let violated = [
                ("type-domain", [NULL, "debit"].contains(&kind)),
                ("sign-purchase", kind == "purchase" && amount <= zero),
                ("sign-bonus", kind == "bonus" && amount <= zero),
                (
                    "sign-usage",
                    kind == "usage" && amount >= zero && !amount.is_nan(),
                ),
                ("entry-amount-zero", is_either && amount == zero),
                (
                    "adjustment-explained",
                    kind == "admin_adjustment" && blank(&e.description),
                ),
                (
                    "amount-not-finite",
                    amount.finite().is_none() || e.after.finite().is_none(),
                ),
                ("numeric-headroom", is_huge(amount) || is_huge(e.after)),
                ("user-id-nil", e.user == NIL),
                (
                    "purchase-reference-missing",
                    kind == "purchase" && is_missing(&e.reference),
                ),
            ];
            for (check, _) in violated.iter().filter(|(_, violated)| *violated) {
                self.add(check, subject.clone());
            }
            self.times(&subject, e.created);
        }
    }

    fn log(&mut self) {
        let ledger = self.ledger;
        for row in &ledger.log {
            let subject = format!("llm_usage_log id={} user_id={}", row.id, row.user);
            let [prompt, completion, total] = row.tokens;
            let is_positive = row.credits > Num::ZERO && !row.credits.is_nan();
            let is_free = row.credits == Num::ZERO;
            let has_error = row.error.as_deref().is_some_and(|e| !e.trim().is_empty());
            let parts_fit = prompt >= 0 && completion >= 0;
            let violated = [
                (
                    "request-id-missing",
                    is_missing(&row.request) && (row.success || !is_free),
                ),
                ("failed-but-charged", !row.success && is_positive),
                ("byok-charged", row.byok && row.success && is_positive),
                (
                    "success-but-free",
                    row.success && !row.byok && total > 0 && is_free,
                ),
                (
                    "credits-negative",
                    row.credits.finite().is_none_or(|c| c < Decimal::ZERO),
                ),
                ("user-id-nil", row.user == NIL),
                ("tokens-add-up", parts_fit && total != prompt + completion),
                ("tokens-negative", !parts_fit || total < 0),
                (
                    "latency-implausible",
                    row.latency.is_some_and(|ms| !(0..=3_600_000).contains(&ms)),
                ),
                ("status-incoherent", row.success == has_error),
            ];
            for (check, _) in violated.iter().filter(|(_, violated)| *violated) {
                self.add(check, subject.clone());
            }
            if row.error.as_deref().is_some_and(|e| e.contains("sk-ant-")) {
                self.add(
                    "secret-in-text",
                    format!("user {} log row {}", row.user, row.id),
                );
            }
            self.times(&subject, row.created);
        }
    }

    fn costs(&mut self) {
        let rates = (self.ledger.log.iter())
            .filter(|row| is_paid(row) && row.tokens[2] > 0)
            .filter_map(|row| Some((row, row.credits.finite()? / Decimal::from(row.tokens[2]))));
        for group in grouped(rates, |(row, _)| Some(row.model)).into_values() {
            let mut rates: Vec<Decimal> = group.iter().map(|(_, rate)| *rate).collect();
            rates.sort();
            let usual = rates[rates.len().div_ceil(2) - 1];
            let twenty = Decimal::from(20);
            for (row, rate) in group.into_iter().filter(|_| rates.len() >= 20) {
                if rate > twenty * usual || rate * twenty < usual {
                    let subject = format!("user {} log row {}", row.user, row.id);
                    self.add("cost-implausible", subject);
                }
            }
        }
    }
}
