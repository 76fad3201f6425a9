//! A state is about the rows that it has sealed, not about others with their ids; and what cannot
//! be told of them costs no more than the sealing.

use std::time::{Duration, Instant};

use super::Night;
use crate::invariants::result;
use crate::support::server::server;

/// Failed requests, which cost nothing, so that no entry tells of them; an hour old.
fn failed_requests(name: &str, number: u32) -> String {
    format!(
        "INSERT INTO public.llm_usage_log (user_id, request_id, model, provider, power_level,
                                           credits_used, success, error_message, created_at)
         SELECT '00000000-0000-4000-8000-000000000002', 'req_{name}_' || n, 'gpt-4', 'openai',
                'balanced', 0, false, 'overloaded', now() - interval '1 hour'
           FROM generate_series(1, {number}) AS n;"
    )
}

#[test]
fn rows_of_a_restored_backup_are_not_taken_for_the_sealed_ones() {
    let night = Night::sealed();
    night.database.execute(&failed_requests("lost", 5));
    assert_eq!(night.ids(&night.audit(&[], 0)), (18, 20));
    // The backup has neither these rows nor what the sequence has given since.
    night.damage(&format!(
        "DELETE FROM public.llm_usage_log WHERE id > 15;
         SELECT setval('public.llm_usage_log_id_seq', 15);
         {} UPDATE public.llm_usage_log SET total_tokens = 7 WHERE id = 16",
        failed_requests("other", 9)
    ));
    let audit = night.audit(&[], 1);
    assert_eq!(audit["state"]["mode"], "full");
    let reason = audit["state"]["reason"].as_str().unwrap();
    let words = "the newest sealed row of \"llm_usage_log\" is another one";
    assert!(reason.starts_with(words), "{reason}");
    assert_eq!(result(&audit, "tokens-add-up")["violations"], 1);
    assert_eq!(result(&audit, "sealed-history")["status"], "violated");
}

#[test]
fn a_database_that_was_made_anew_is_read_whole() {
    let night = Night::sealed();
    let name = night.database.name();
    let mut server = server().connect("postgres");
    let backup = format!("{name}_backup");
    for sql in [
        format!("CREATE DATABASE {backup} TEMPLATE {name}"),
        format!("DROP DATABASE {name}"),
        format!("CREATE DATABASE {name} TEMPLATE {backup}"),
        format!("DROP DATABASE {backup}"),
    ] {
        server.batch_execute(&sql).unwrap();
    }
    let audit = night.audit(&[], 0);
    assert_eq!(audit["state"]["reason"], "the database was made anew");
    assert_eq!(result(&audit, "sealed-history")["status"], "holds");
    assert_eq!(night.audit(&[], 0)["state"]["mode"], "incremental");
}

/// The server's own hash of a document forgets signs, and where its parts end.
#[test]
fn an_edited_document_is_another_content() {
    let night = Night::new();
    let with = |text: &str| {
        night.damage(&format!(
            "UPDATE public.llm_usage_log SET metadata = '{text}' WHERE id = 3"
        ));
    };
    let documents = [
        r#"{"fee": 5, "a": {"b": 1}, "c": 2}"#,
        r#"{"fee": -5, "a": {"b": 1}, "c": 2}"#,
        r#"{"fee": 5, "a": {"b": 1, "c": 2}}"#,
    ];
    with(documents[0]);
    night.audit(&[], 0);
    for document in &documents[1..] {
        with(document);
        let full = night.audit(&["--full"], 1);
        let found = result(&full, "sealed-history");
        assert_eq!(found["evidence"][0]["cause"], "edited-row", "{document}");
    }
    with(documents[0]);
    night.audit(&["--full"], 0);
}

/// Checks that need what is locked are not evaluated, and the report says so, and why nothing is
/// sealed.
#[test]
fn a_lock_ends_no_audit_that_keeps_a_state() {
    let night = Night::sealed();
    for (lock, why) in [
        (
            "ALTER SEQUENCE public.llm_usage_log_id_seq OWNER TO CURRENT_USER",
            "how far ids were drawn is not known: ",
        ),
        (
            "REINDEX INDEX public.idx_credit_transactions_type",
            "how far \"credit_transactions\" can be sealed is not known: ",
        ),
    ] {
        let mut somebody = night.database.connect();
        somebody.batch_execute(&format!("BEGIN; {lock}")).unwrap();
        let started = Instant::now();
        let audit = night.audit(&["--deadline=4s", "--jobs=1"], 3);
        assert!(started.elapsed() < Duration::from_secs(30), "{lock}");
        let kept = audit["state"]["kept"].as_str().unwrap();
        assert!(kept.starts_with(why), "{lock}: {kept}");
    }
}
