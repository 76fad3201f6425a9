//! Schema 1.3.1: what roles were granted before 1.3.0 gives them no rights of the owner, and does
//! not take a gateway's right to call away.

use creditdb::db::throwaway::{Options, Throwaway};
use postgres::{Client, Config, NoTls};

use super::guarded::{as_role, refusal};
use super::{USER, add, value};
use crate::support::program::creditdb;
use crate::support::role::Role;
use crate::support::server::Database;
use crate::support::wait_until;

/// Who but the owner could have a trigger or a foreign key on one of our tables.
const TRIGGERS: &str = "SELECT coalesce(string_agg(DISTINCT format('%s %s', relname, a), ', '), '')
    FROM pg_class AS c
   CROSS JOIN LATERAL (SELECT relacl UNION ALL SELECT attacl FROM pg_attribute
                        WHERE attrelid = c.oid) AS acls (acl)
   CROSS JOIN LATERAL aclexplode(acl) AS a
   WHERE c.relnamespace = 'public'::regnamespace AND a.grantee <> c.relowner
     AND a.privilege_type IN ('TRIGGER', 'REFERENCES')";

/// A trigger as a role makes it that may not create functions anywhere else.
const TRAP: &str = "CREATE FUNCTION pg_temp.trap() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN RETURN NEW; END';
    CREATE TRIGGER \"a trap\" BEFORE INSERT ON public.credit_transactions
        FOR EACH ROW EXECUTE FUNCTION pg_temp.trap()";

/// Whether a role may call each of the functions that change balances.
fn calls(client: &mut Client, role: &str) -> Vec<bool> {
    [
        "add_user_credits",
        "debit_user_credits",
        "record_llm_request",
    ]
    .map(|name| {
        let query = format!(
            "SELECT has_function_privilege('{role}', oid, 'EXECUTE') FROM pg_proc
                  WHERE pronamespace = 'public'::regnamespace AND proname = '{name}'"
        );
        value(client, &query)
    })
    .to_vec()
}

#[test]
fn nobody_but_the_owner_keeps_what_a_trigger_or_a_foreign_key_takes() {
    let database = Database::at("1.2.0");
    let mut client = database.connect();
    let old = Role::named(&database, "old", "");
    let other = Role::named(&database, "other", "");
    let (old, other) = (&old.name, &other.name);
    database.execute(&format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO {old} WITH GRANT OPTION;
         SET ROLE {old};
         GRANT TRIGGER, REFERENCES ON credit_transactions TO {other};
         RESET ROLE;
         GRANT REFERENCES (user_id) ON user_credits TO {other};
         GRANT TRIGGER ON llm_usage_log TO PUBLIC"
    ));
    creditdb(["migrate"]).on(&database.url).succeeds();
    assert_eq!(value::<String>(&mut client, TRIGGERS), "");
    for role in [old, other] {
        as_role(&mut client, role, |client| {
            assert_eq!(refusal(client, TRAP), "42501", "{role}");
        });
    }
    // The rest of what they had is theirs.
    as_role(&mut client, old, |client| add(client, USER, "1", "bonus"));
    let reads = format!("SELECT has_table_privilege('{old}', 'llm_usage_log', 'INSERT, SELECT')");
    assert!(value::<bool>(&mut client, &reads));
}

#[test]
fn a_trigger_of_somebody_else_stops_the_upgrade() {
    let database = Database::at("1.3.0");
    let mut client = database.connect();
    let old = Role::new(&database, "");
    let all = format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}", old.name);
    database.execute(&all);
    let refused = |words: &[&str]| {
        let run = creditdb(["migrate"]).on(&database.url).exits(5);
        for words in words {
            assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        }
        let status = creditdb(["status"]).on(&database.url).succeeds();
        assert!(status.stdout.contains("1.3.0"), "{}", status.stdout);
    };
    as_role(&mut client, &old.name, |client| {
        client.batch_execute(TRAP).unwrap();
    });
    let drop = "DROP TRIGGER \"a trap\" ON public.credit_transactions;";
    refused(&[
        "triggers that are not of this schema: \"a trap\" on public.credit_transactions",
        drop,
    ]);
    client.batch_execute(drop).unwrap();
    // One that replaces ours has our name and calls our function.
    as_role(&mut client, &old.name, |client| {
        client
            .batch_execute(
                "CREATE OR REPLACE TRIGGER credit_transactions_keep_entries
                     BEFORE UPDATE OR DELETE OR TRUNCATE ON public.credit_transactions
                     FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION public.keep_entries();
                 CREATE TRIGGER told AFTER INSERT ON public.schema_version
                     FOR EACH ROW EXECUTE FUNCTION pg_temp.trap()",
            )
            .unwrap();
    });
    refused(&[
        "DROP TRIGGER credit_transactions_keep_entries ON public.credit_transactions;",
        "DROP TRIGGER told ON public.schema_version;",
    ]);
    client
        .batch_execute(
            "DROP TRIGGER told ON public.schema_version;
             CREATE OR REPLACE TRIGGER credit_transactions_keep_entries
                 BEFORE UPDATE OR DELETE OR TRUNCATE ON public.credit_transactions
                 FOR EACH STATEMENT EXECUTE FUNCTION public.keep_entries()",
        )
        .unwrap();
    creditdb(["migrate"]).on(&database.url).succeeds();
}

#[test]
fn a_trigger_that_is_being_made_is_waited_for() {
    let database = Database::at("1.3.0");
    let old = Role::new(&database, "");
    database.execute(&format!(
        "GRANT TRIGGER ON credit_transactions TO {}",
        old.name
    ));
    let mut making = database.connect();
    making
        .batch_execute(&format!("SET ROLE {}; BEGIN; {TRAP}", old.name))
        .unwrap();
    let deployer = creditdb(["migrate"]).on(&database.url).spawn();
    let mut client = database.connect();
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
                    AND relation = 'public.credit_transactions'::regclass)";
    wait_until("the upgrade waits", || value(&mut client, waits));
    making.batch_execute("COMMIT").unwrap();
    let run = deployer.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("\"a trap\" on public.credit_transactions"));
}

#[test]
fn a_grant_of_all_functions_lets_no_reader_make_credits() {
    let database = Database::at("1.2.0");
    let mut client = database.connect();
    let roles = ["lead", "reader", "default", "old", "thin", "member"];
    let roles = roles.map(|word| Role::named(&database, word, ""));
    let [lead, reader, default, old, thin, member] = roles.each_ref().map(|role| &role.name);
    database.execute(&format!(
        "GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO {lead} WITH GRANT OPTION;
         SET ROLE {lead};
         GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO {reader}, {old};
         RESET ROLE;
         GRANT EXECUTE ON FUNCTION number_entry, record_llm_request TO {default};
         GRANT SELECT, INSERT ON credit_transactions TO {old}, {thin}"
    ));
    creditdb(["migrate", "--to=34"])
        .on(&database.url)
        .succeeds();
    // What V33 means a gateway to come to.
    database.execute(&format!(
        "REVOKE INSERT ON credit_transactions FROM {thin};
         GRANT creditdb_gateway TO {member};
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {member}"
    ));
    as_role(&mut client, reader, |client| {
        add(client, USER, "1", "bonus")
    });
    let run = creditdb(["migrate"]).on(&database.url).succeeds();
    for words in [
        format!(
            "may no longer call the functions that change balances: {default}, {lead}, {reader}\n"
        ),
        format!("GRANT creditdb_gateway TO {default};"),
    ] {
        assert!(run.stderr.contains(&words), "{words}: {}", run.stderr);
    }
    for role in [lead, reader, default] {
        assert_eq!(calls(&mut client, role), [false; 3], "{role}");
    }
    for role in [old, thin, member, &"creditdb_gateway".to_owned()] {
        assert_eq!(calls(&mut client, role), [true; 3], "{role}");
    }
    let numbers = "SELECT count(*) FROM pg_proc AS p CROSS JOIN aclexplode(p.proacl) AS a
                    WHERE p.proname = 'number_entry' AND a.grantee <> p.proowner";
    assert_eq!(value::<i64>(&mut client, numbers), 0);
}

/// On a table of one's own, with a trigger from the time when everybody could make one.
#[test]
fn numbers_are_given_to_entries_only() {
    let database = Database::at("1.3.0");
    let mut client = database.connect();
    add(&mut client, USER, "1", "bonus");
    database.execute(
        "CREATE TABLE own (user_id uuid, entry_seq bigint);
         CREATE TRIGGER numbered BEFORE INSERT ON own
             FOR EACH ROW EXECUTE FUNCTION number_entry()",
    );
    creditdb(["migrate"]).on(&database.url).succeeds();
    let insert = format!("INSERT INTO own VALUES ('{USER}')");
    let error = client.batch_execute(&insert).unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "39P01", "{error:?}");
    assert_eq!(error.hint(), Some("DROP TRIGGER numbered ON public.own"));
    let last = "SELECT last_entry_seq FROM user_credits";
    assert_eq!(value::<i64>(&mut client, last), 1);
}

#[test]
fn whoever_could_write_columns_of_entries_may_call() {
    let database = Database::at("1.2.0");
    let mut client = database.connect();
    let roles = ["group", "member", "inserter", "stranger"];
    let roles = roles.map(|word| Role::named(&database, word, ""));
    let [group, member, inserter, stranger] = roles.each_ref().map(|role| &role.name);
    database.execute(&format!(
        "ALTER ROLE {group} NOLOGIN;
         GRANT {group} TO {member};
         GRANT INSERT (user_id, amount) ON credit_transactions TO {group};
         REVOKE EXECUTE ON FUNCTION get_quota_usage_percentage FROM PUBLIC"
    ));
    creditdb(["migrate", "--to=34"])
        .on(&database.url)
        .succeeds();
    // Who has come since was meant to have what it has.
    database.execute(&format!(
        "GRANT INSERT ON credit_transactions TO {inserter}"
    ));
    creditdb(["migrate"]).on(&database.url).succeeds();
    for (role, may) in [
        (group, true),
        (member, true),
        (inserter, false),
        (stranger, false),
    ] {
        assert_eq!(calls(&mut client, role), [may; 3], "{role}");
    }
    let granted = format!(
        "SELECT count(*) FROM pg_proc AS p CROSS JOIN aclexplode(p.proacl) AS a
          WHERE a.grantee = '{member}'::regrole"
    );
    assert_eq!(value::<i64>(&mut client, &granted), 0);
    for role in ["creditdb_gateway", "creditdb_auditor"] {
        as_role(&mut client, role, |client| {
            let quota = format!("SELECT get_quota_usage_percentage('{USER}') IS NULL");
            assert!(value::<bool>(client, &quota));
        });
    }
}

/// Roles are the server's, so this one is not shared: every upgrade on it would find the member.
#[test]
fn a_member_of_a_predefined_role_that_writes_may_call() {
    let server = Throwaway::start(&Options::default()).unwrap();
    let url = server.url("postgres");
    creditdb(["migrate", "--to=34"]).on(&url).succeeds();
    let mut client = url.parse::<Config>().unwrap().connect(NoTls).unwrap();
    client
        .batch_execute(
            "CREATE ROLE gateway LOGIN; GRANT pg_write_all_data, pg_read_all_data TO gateway;
             CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader;
             CREATE ROLE chief SUPERUSER LOGIN",
        )
        .unwrap();
    creditdb(["migrate"]).on(&url).succeeds();
    assert_eq!(calls(&mut client, "gateway"), [true; 3]);
    assert_eq!(calls(&mut client, "reader"), [false; 3]);
    let named = "SELECT count(*) FROM pg_proc AS p CROSS JOIN aclexplode(p.proacl) AS a
                  WHERE a.grantee = 'chief'::regrole";
    assert_eq!(value::<i64>(&mut client, named), 0);
}
