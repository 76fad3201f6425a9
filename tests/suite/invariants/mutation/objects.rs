//! Damage to the database itself: indexes, triggers, row security, names.

use fastrand::Rng;

use super::ledger::Ledger;
use super::operators::Damage;

/// Not unique, so that what they refuse is no matter.
const PLAIN_INDEXES: [&str; 6] = [
    "idx_credit_transactions_user_date",
    "idx_credit_transactions_type",
    "idx_llm_usage_log_user_date",
    "idx_llm_usage_log_request_id",
    "idx_llm_usage_log_model",
    "idx_llm_usage_log_success",
];

/// Triggers of `credit_transactions`, with the newest schema.
const TRIGGERS: [&str; 2] = [
    "credit_transactions_number_entry",
    "credit_transactions_keep_entries",
];

const TABLES: [&str; 7] = [
    "user_credits",
    "credit_transactions",
    "credit_packages",
    "power_level_configs",
    "user_provider_keys",
    "llm_usage_log",
    "schema_version",
];

fn one_of<const N: usize>(rng: &mut Rng, names: [&'static str; N]) -> &'static str {
    names[rng.usize(0..N)]
}

/// What was done, the check that must find it, and the name that it must say.
fn damage(ddl: String, check: &'static str, subject: String) -> Option<Damage> {
    Some(Damage {
        what: subject.clone(),
        ddl: vec![ddl],
        found: vec![(check, subject)],
        ..Damage::default()
    })
}

/// As a failed build leaves it. Not the index that another operator drops, nor one of a table that
/// another one writes anew, with its indexes.
pub fn invalidate_index(_: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let index = PLAIN_INDEXES[r.usize(0..2)];
    let ddl = format!(
        "UPDATE pg_catalog.pg_index SET indisvalid = false
          WHERE indexrelid = 'public.{index}'::regclass"
    );
    damage(ddl, "index-invalid", format!("index public.{index}"))
}

/// The audit reads the tables, so it has nothing to say of it; `drift` has.
pub fn drop_index(_: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let index = PLAIN_INDEXES[r.usize(3..6)];
    Some(Damage {
        what: index.to_owned(),
        ddl: vec![format!("DROP INDEX public.{index}")],
        drift: Some(index),
        ..Damage::default()
    })
}

pub fn disable_trigger(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    if !l.numbered {
        return None;
    }
    let trigger = one_of(r, TRIGGERS);
    damage(
        format!("ALTER TABLE public.credit_transactions DISABLE TRIGGER {trigger}"),
        "trigger-disabled",
        format!("trigger {trigger} of table public.credit_transactions"),
    )
}

pub fn row_security(_: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let table = one_of(r, TABLES);
    damage(
        format!("ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY"),
        "row-security-hides",
        format!("table public.{table}"),
    )
}

/// A table or a view, found before ours by whoever asks for the name alone.
pub fn shadow_table(_: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let table = one_of(r, TABLES);
    let object = if r.bool() {
        format!("CREATE TABLE tooling.{table} ()")
    } else {
        format!("CREATE VIEW tooling.{table} AS SELECT 1 AS nothing WHERE false")
    };
    let ddl = format!(
        "CREATE SCHEMA tooling;
         {object};
         DO $do$ BEGIN
             EXECUTE format('ALTER DATABASE %I SET search_path = tooling, public',
                            current_database());
         END $do$"
    );
    damage(ddl, "search-path-shadow", format!("tooling.{table}"))
}

pub fn unlogged_table(_: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    // Tables that no foreign key of a logged table names.
    let table = one_of(r, ["credit_packages", "llm_usage_log"]);
    damage(
        format!("ALTER TABLE public.{table} SET UNLOGGED"),
        "table-unlogged",
        format!("table public.{table}"),
    )
}
