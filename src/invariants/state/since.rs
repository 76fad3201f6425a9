//! What an incremental audit can judge by new rows alone.
//!
//! Sealed rows do not change, and a check that was silent about all rows was silent about them. So
//! a check about single rows has only new rows to look at, and another one only asks, with the
//! SELECT that its file has for this, whether new rows may have changed its verdict; when they may,
//! it is evaluated whole. This holds for a check that was silent before, in these very words. Every
//! other one is evaluated whole, each time, until it is silent: nothing is forgotten.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{State, TABLES};
use crate::invariants::catalogue::Check;
use crate::invariants::contract::{Contract, FULL_AUDITS_ONLY, INCREMENTAL_ROWS, Kind};
use crate::invariants::equations::{ENTRIES, LOG, Sums};
use crate::invariants::plan::{Decision, Plan};
use crate::invariants::range::Extent;
use crate::invariants::relations::{self, Relation};
use crate::invariants::scan::Scan;
use crate::syntax::words::hexadecimal;

/// What the rows before are known to hold.
#[derive(Debug)]
pub(in crate::invariants) struct Since {
    /// By table: the sealed id, and the last one that was drawn.
    ids: BTreeMap<String, (i64, i64)>,
    /// Sums of the equations over sealed rows.
    pub base: Sums,
    /// Checks that found nothing, with their digests.
    silent: BTreeMap<String, String>,
}

impl Since {
    /// `last` says which ids had been drawn, where that is known.
    pub(super) fn new(state: &State, last: &dyn Fn(&str) -> Option<i64>) -> Self {
        let ids = state.tables.iter().map(|(table, sealed)| {
            let last = last(table).unwrap_or(sealed.id);
            (table.clone(), (sealed.id, last))
        });
        let base = state.sums.iter().map(|(name, sum)| (name.clone(), sum.0));
        Self {
            ids: ids.collect(),
            base: base.collect(),
            silent: state.silent.clone(),
        }
    }

    /// The pass over a table: over new rows only, where it is one that is sealed.
    pub fn scan(&self, table: &str, relation: &Relation) -> Scan {
        let mut scan = Scan::new(table, relation);
        if let Some((sealed, last)) = self.ids.get(table) {
            scan.extent = Extent::above(*sealed, *last);
        }
        scan
    }

    /// Whether the pass over new rows, of the tables whose rows are sealed, says that a check is
    /// silent still: it is about each of them, or asks nothing unless one is suspect.
    pub fn covers(&self, check: &Check) -> bool {
        let contract = &check.contract;
        let has_suspects = contract.suspects.is_some() && contract.incremental.is_some();
        !reads_sealed_tables(contract)
            || self.was_silent(contract) && (is_about_single_rows(contract) || has_suspects)
    }

    /// The question whether new rows may have changed the verdict of a check; none where it is
    /// evaluated whole.
    pub fn suspects(&self, check: &Check) -> Option<String> {
        let contract = &check.contract;
        let question = contract.incremental.as_ref()?;
        if !question.starts_with("SELECT ") || !self.was_silent(contract) {
            return None;
        }
        let id = |table: &str| self.ids.get(table).map_or(0, |(sealed, _)| *sealed);
        let question = question.replace("$entries", &id(ENTRIES).to_string());
        Some(question.replace("$log", &id(LOG).to_string()))
    }

    /// Leaves to full audits what takes all rows.
    pub(super) fn decide(&self, plan: &mut Plan<'_>) {
        for (check, decision) in &mut plan.steps {
            let rule = check.contract.incremental.as_deref().unwrap_or_default();
            if let (Decision::Evaluate, Some(why)) =
                (&decision, rule.strip_prefix(FULL_AUDITS_ONLY))
            {
                *decision = Decision::Skip(format!("left to full audits:{why}"));
            }
        }
    }

    /// Whether a check found nothing in the audit that left the state.
    pub fn was_silent(&self, contract: &Contract) -> bool {
        self.silent.get(&contract.id) == Some(&digest(contract))
    }
}

/// Whether a check reads a table whose rows are sealed.
pub(super) fn reads_sealed_tables(contract: &Contract) -> bool {
    let names = relations::named_by(contract);
    TABLES.iter().any(|table| names.contains(*table))
}

/// What is called without parentheses, or is a time as a literal, and stands for other rows, the
/// clock or who asks.
const OTHERS: [&str; 8] = [
    "select",
    "public",
    "now",
    "today",
    "tomorrow",
    "yesterday",
    "user",
    "session_user",
];

/// Functions that know nothing but their arguments, and words that parentheses follow as well.
const PURE: &str = " abs all and any array array_length array_ndims array_position array_to_string \
    ascii between btrim cardinality case ceil ceiling char_length chr coalesce concat concat_ws \
    date_part date_trunc decode div else encode extract filter floor from greatest in initcap \
    isfinite jsonb_array_length jsonb_typeof least left length like lower lpad ltrim md5 mod not \
    nullif numeric octet_length or overlay position power regexp_count regexp_like regexp_match \
    regexp_replace regexp_substr repeat replace reverse right round row rpad rtrim scale sign \
    split_part starts_with strpos substr substring then to_timestamp translate trim trim_scale \
    trunc upper values varchar when ";

/// Whether the verdict about a row depends on nothing but the row: neither on other rows nor on the
/// clock nor on a function that could read either. The file may say that it does not all the same.
fn is_about_single_rows(contract: &Contract) -> bool {
    if contract.incremental.as_deref() == Some(INCREMENTAL_ROWS) {
        return true;
    }
    if contract.kind != Kind::Row {
        return false;
    }
    let sql = contract.sql.to_lowercase();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let code = sql
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"));
    let code = code.collect::<Vec<_>>().join("\n");
    let mut words = code.split(|c| !is_part(c));
    let mut calls = code.match_indices('(').map(|(at, _)| {
        let before = code[..at].trim_end_matches(|c: char| c.is_whitespace() || c == '"');
        &before[before.trim_end_matches(is_part).len()..]
    });
    // A comment may stand between a name and its parenthesis.
    let is_plain = !code.contains("--") && !code.contains("/*");
    is_plain
        && !words.any(|word| {
            OTHERS.contains(&word) || word.starts_with("current_") || word.starts_with("local")
        })
        && calls.all(|name| name.is_empty() || PURE.contains(&format!(" {name} ")))
}

/// Other words are another check.
pub(super) fn digest(contract: &Contract) -> String {
    let mut digest = Sha256::new();
    let tables = contract.tables.join(" ");
    let incremental = contract.incremental.as_deref().unwrap_or_default();
    let suspects = contract.suspects.as_deref().unwrap_or_default();
    let question = contract.question.as_deref();
    let parts = [&contract.sql, incremental, suspects, &tables];
    for part in parts.into_iter().chain(question) {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    hexadecimal(&digest.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::catalogue::Catalogue;
    use crate::invariants::equations::Equation;
    use crate::invariants::state::CYCLES_CHECK;

    fn row(sql: &str, more: &str) -> Contract {
        let text = format!(
            "-- title: t\n-- kind: row\n-- table: credit_transactions\n-- scope: user\n\
             -- severity: error\n-- since: 1.0.0\n-- guarded_by: nothing: a test\n-- why: w\n\
             -- remedy: r\n-- expected: 'e'\n-- actual: 'a'\n{more}\n{sql}"
        );
        Contract::read("own", "it", &text).unwrap()
    }

    #[test]
    fn a_check_that_asks_others_is_not_about_single_rows() {
        let alone = |sql| is_about_single_rows(&row(sql, ""));
        assert!(alone(
            "amount > 0 AND created_at < '2020-01-01'::timestamptz"
        ));
        assert!(alone("description LIKE '%knows%' OR nowhere"));
        assert!(!alone(
            "id = (SELECT max(id) FROM public.credit_transactions)"
        ));
        assert!(!alone("created_at < now() - interval '90 days'"));
        assert!(!alone("created_at < CURRENT_DATE"));
        assert!(!alone("created_at > clock_timestamp()"));
        assert!(!alone("public.is_odd(user_id)"));
        assert!(alone("round(amount, 2) <> amount AND (id > 0)"));
        for clock in [
            "age(created_at) > interval '1 day'",
            "\"age\" (created_at) > interval '1 day'",
            "age/**/(created_at) > interval '1 day'",
            "age --\n(created_at) > interval '1 day'",
            "created_at < statement_timestamp()",
            "created_at < transaction_timestamp()",
            "created_at::text < timeofday()",
            "created_at::time > LOCALTIME",
            "created_at > 'today'",
            "created_at > timestamptz 'yesterday'",
            "created_at > date 'Tomorrow'",
        ] {
            assert!(!alone(clock), "{clock}");
        }
        let told = row("created_at > now()", "-- incremental: rows\n");
        assert!(is_about_single_rows(&told));
    }

    /// Who adds a check over entries or log rows says how new ones are judged, or that it is
    /// evaluated whole each time.
    #[test]
    fn every_check_of_sealed_tables_says_how_new_rows_are_judged() {
        let catalogue = Catalogue::load(None).unwrap();
        let spared = Equation::ALL.iter().flat_map(|e| e.checks());
        let spared: Vec<&str> = spared.copied().collect();
        let whole = |check: &&Check| {
            let contract = &check.contract;
            reads_sealed_tables(contract)
                && contract.kind != Kind::Sealed
                && !is_about_single_rows(contract)
                && contract.incremental.is_none()
                && !spared.contains(&contract.id.as_str())
                && contract.id != CYCLES_CHECK
        };
        let whole = catalogue.checks().iter().filter(whole);
        let whole: Vec<&str> = whole.map(|check| check.contract.id.as_str()).collect();
        // From 1.3.0 on constraints prove four of them, and the highest id is in an index.
        assert_eq!(
            whole,
            [
                "balance-row-missing",
                "reference-reused",
                "request-id-duplicate",
                "usage-reference-duplicate",
                "sequence-behind",
            ]
        );
    }

    #[test]
    fn other_words_are_another_check() {
        assert_eq!(digest(&row("a", "")), digest(&row("a", "")));
        assert_ne!(digest(&row("a", "")), digest(&row("b", "")));
        assert_ne!(
            digest(&row("a", "")),
            digest(&row("a", "-- incremental: rows\n"))
        );
    }
}
