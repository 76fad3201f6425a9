//! When a check is believed to be proven by the database, and when it is not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use creditdb::invariants::contract::Guard;
use creditdb::invariants::{Catalogue, Check};

use super::{LEDGER, check, own_check, result, verify_own};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::{Database, server};

/// The domain of the tiers, guarded by two objects.
fn tier_check() -> Folder {
    let guards = "user_credits_tier_check, user_credits.tier not null";
    let changes = [
        ("table", "user_credits"),
        ("guarded_by", guards),
        ("actual", "tier"),
    ];
    own_check(check(
        "row",
        &changes,
        "(tier IN ('trial', 'starter')) IS NOT TRUE",
    ))
}

#[test]
fn standing_guards_are_believed_and_named_unless_distrusted() {
    let database = Database::migrated();
    let folder = tier_check();
    let audit = verify_own(&database, &folder, 0);
    let it = result(&audit, "it");
    assert_eq!(it["status"], "guarded");
    assert_eq!(
        it["reason"],
        "user_credits_tier_check, user_credits.tier not null"
    );
    let arguments = [
        "verify",
        "it",
        "--checks",
        folder.arg(),
        "--distrust",
        "--format",
        "json",
    ];
    let run = creditdb(arguments).on(&database.url).succeeds();
    assert_eq!(result(&run.json(), "it")["status"], "holds");
}

#[test]
fn a_guard_that_does_not_stand_is_no_proof() {
    let gone = "ALTER TABLE public.user_credits DROP CONSTRAINT user_credits_tier_check;";
    let add = |definition: &str| {
        let add = "ALTER TABLE public.user_credits ADD CONSTRAINT user_credits_tier_check";
        format!("{gone} {add} {definition};")
    };
    let domain = "CHECK (tier IN ('trial', 'starter', 'professional', 'enterprise'))";
    let elsewhere = "ALTER TABLE public.llm_usage_log ADD COLUMN tier text,
                     ADD CONSTRAINT user_credits_tier_check CHECK (tier = 'trial');";
    let mut damages = vec![
        gone.to_owned(),
        add(&format!("{domain} NOT VALID")),
        format!("{gone} {elsewhere}"),
        "ALTER TABLE public.user_credits ALTER COLUMN tier DROP NOT NULL;".to_owned(),
        // A child table does not inherit the constraint, and a SELECT reads the child too.
        format!(
            "{} CREATE TABLE public.more () INHERITS (public.user_credits);",
            add(&format!("{domain} NO INHERIT"))
        ),
    ];
    if server().major() >= 18 {
        damages.push(add(&format!("{domain} NOT ENFORCED")));
        damages.push(
            "ALTER TABLE public.user_credits ALTER COLUMN tier DROP NOT NULL;
             ALTER TABLE public.user_credits ADD CONSTRAINT tier_given NOT NULL tier NOT VALID;"
                .to_owned(),
        );
    }
    let folder = tier_check();
    let database = Database::migrated();
    for damage in damages {
        let copy = database.copy();
        copy.execute(&damage);
        let audit = verify_own(&copy, &folder, 0);
        assert_eq!(result(&audit, "it")["status"], "holds", "{damage}");
    }
}

#[test]
fn an_invalid_unique_index_is_no_proof() {
    let database = Database::migrated();
    let unique = check(
        "query",
        &[("guarded_by", "own_key")],
        "SELECT key_name AS subject,
        NULL AS expected, NULL AS actual, NULL AS difference, NULL AS cause, NULL AS detail
        FROM public.user_provider_keys GROUP BY key_name HAVING count(*) > 1",
    );
    let folder = own_check(unique);
    database.execute("CREATE UNIQUE INDEX own_key ON public.user_provider_keys (key_name)");
    assert_eq!(
        result(&verify_own(&database, &folder, 0), "it")["status"],
        "guarded"
    );
    database.execute(
        "UPDATE pg_index SET indisvalid = false
                       WHERE indexrelid = 'public.own_key'::regclass",
    );
    assert_eq!(
        result(&verify_own(&database, &folder, 0), "it")["status"],
        "holds"
    );
}

/// Each guard that our checks name stands in a migrated database, with the recorded definition.
#[test]
fn guards_are_recorded() {
    let database = Database::migrated();
    let catalogue = Catalogue::load(None).unwrap();
    let guards = catalogue
        .checks()
        .iter()
        .flat_map(|check| &check.contract.guards);
    let names: BTreeSet<&String> = guards
        .filter_map(|guard| match guard {
            Guard::Object(name) => Some(name),
            Guard::NotNull { .. } => None,
        })
        .collect();
    let mut client = database.connect();
    client
        .batch_execute("SET search_path = pg_catalog")
        .unwrap();
    let tables = "SELECT array_agg(relname::text) FROM pg_class
                   WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')";
    let tables: Vec<String> = client.query_one(tables, &[]).unwrap().get(0);
    let standing = include_str!("../../../src/invariants/guards.sql");
    let mut lines = BTreeMap::new();
    for row in client.query(standing, &[&tables]).unwrap() {
        let (table, guard, definition): (String, String, String) =
            (row.get(0), row.get(1), row.get(2));
        if names.contains(&guard) {
            lines.insert(guard.clone(), format!("{table}.{guard}: {definition}\n"));
        }
    }
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !lines.contains_key(**name))
        .collect();
    assert!(
        missing.is_empty(),
        "not in a migrated database: {missing:?}"
    );
    let lines: BTreeSet<String> = lines.into_values().collect();
    let text: String = lines.into_iter().collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/invariants/guards.txt");
    if std::env::var_os("CREDITDB_REGENERATE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let recorded = std::fs::read_to_string(&file).unwrap();
    assert_eq!(recorded, text, "{}: run ci/generate.sh", file.display());
}

/// A constraint of the same name that allows everything lets no check off.
#[test]
fn a_weaker_guard_of_the_same_name_is_no_proof() {
    let catalogue = Catalogue::load(None).unwrap();
    let records = include_str!("../../../src/invariants/guards.txt").lines();
    let records = records.map(|line| line.split_once(": ").unwrap());
    let database = Database::migrated();
    for (name, _) in records.filter(|(_, definition)| definition.starts_with("CHECK")) {
        let (table, guard) = name.split_once('.').unwrap();
        let copy = database.copy();
        copy.execute(&format!(
            "ALTER TABLE public.{table} DROP CONSTRAINT {guard};
             ALTER TABLE public.{table} ADD CONSTRAINT {guard} CHECK (true);"
        ));
        let guard = Guard::Object(guard.to_owned());
        let concerned = |check: &&Check| check.contract.guards.contains(&guard);
        let ids = catalogue.checks().iter().filter(concerned);
        let audit = creditdb(["verify", "--format", "json"])
            .args(ids.map(|check| &check.contract.id))
            .on(&copy.url)
            .run()
            .json();
        for check in catalogue.checks() {
            if concerned(&check) {
                assert_eq!(
                    result(&audit, &check.contract.id)["status"],
                    "holds",
                    "{name}"
                );
            }
        }
    }
}

/// Names are unique per table only, and this check reads both.
#[test]
fn a_guard_of_the_same_name_on_another_table_is_no_proof() {
    let database = Database::migrated();
    database.execute(
        "ALTER TABLE public.llm_usage_log DROP CONSTRAINT llm_usage_log_user_id_check;
         ALTER TABLE public.user_provider_keys
             ADD CONSTRAINT llm_usage_log_user_id_check CHECK (true);
         INSERT INTO public.llm_usage_log
             (user_id, request_id, model, provider, power_level, credits_used, success,
              error_message)
         VALUES ('00000000-0000-0000-0000-000000000000', 'r', 'm', 'p', 'balanced', 0, false, 'x')",
    );
    let run = creditdb(["verify", "user-id-nil", "--format", "json"])
        .on(&database.url)
        .exits(1);
    assert_eq!(result(&run.json(), "user-id-nil")["violations"], 1);
}

#[test]
fn a_guard_that_the_sums_contradict_is_not_believed() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let orphans = "SELECT public.add_user_credits(u, 5, 'bonus', 'b1', 'x'),
            public.debit_user_credits(u, 5, 'admin_adjustment', 'b2', 'back')
        FROM (VALUES ('00000000-0000-4000-8000-0000000000ff'::uuid)) AS v (u);
        SET session_replication_role = replica;
        DELETE FROM public.user_credits WHERE user_id = '00000000-0000-4000-8000-0000000000ff'";
    database.execute(orphans);
    let run = creditdb(["verify", "--format=json"])
        .on(&database.url)
        .exits(1);
    let missing = result(&run.json(), "balance-row-missing").clone();
    assert_eq!(missing["status"], "violated", "{missing}");
}

/// No sum tells of keys.
#[test]
fn a_foreign_key_of_provider_keys_that_was_got_round_is_not_believed() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let audit = |code: i32| {
        let run = creditdb(["verify", "--format=json"]).on(&database.url);
        result(&run.exits(code).json(), "balance-row-missing").clone()
    };
    assert_eq!(audit(0)["status"], "guarded");
    database.execute(
        "SET session_replication_role = replica;
         INSERT INTO public.user_provider_keys (user_id, provider, key_name, encrypted_key)
         VALUES ('00000000-0000-4000-8000-0000000000ff', 'openai', 'work', 'gAAAAABmX0c9Zk3v1b8K')",
    );
    let missing = audit(1);
    assert_eq!(missing["status"], "violated", "{missing}");
    assert_eq!(missing["violations"], 1, "{missing}");
}
