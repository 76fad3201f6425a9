//! Schema 1.3.1: `record_llm_request` and `debit_user_credits` agree about a request, whatever was
//! done first; what cannot be logged is not charged; no id is too long for its index.

use postgres::Error;
use rust_decimal::Decimal;

use super::exactly_once::{Recorded, record};
use super::{Answer, Arguments, USER, add, balance_of, call, contents, decimal, value};
use crate::support::program::creditdb;
use crate::support::server::Database;

fn paying<'a>(amount: &'a str, reference: &'a str) -> Arguments<'a> {
    Arguments {
        reference: Some(reference),
        ..Arguments::of(USER, amount, "usage")
    }
}

/// The SQLSTATE and the message of a refused call.
fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (String, String) {
    let error = outcome.unwrap_err();
    let error = error.as_db_error().unwrap();
    (error.code().code().to_owned(), error.message().to_owned())
}

/// A copy of the database by logical replication has the rows, and its sequences begin anew.
#[test]
fn what_cannot_be_logged_is_not_charged() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let first = record(&mut client, USER, Some("req_0"), "1", "").unwrap();
    let rewind = "SELECT setval('llm_usage_log_id_seq', 1, false)";
    let own_key = ", p_byok_used => true";
    for (amount, further) in [("1", ""), ("0", own_key), ("0", "")] {
        value::<i64>(&mut client, rewind);
        let (code, message) = refused(record(&mut client, USER, Some("req_1"), amount, further));
        assert_eq!(code, "23505", "{message}");
        assert!(message.contains("llm_usage_log_pkey"), "{message}");
    }
    // After a debit, the part that logs is another one.
    call(&mut client, "debit", paying("2", "req_2")).unwrap();
    value::<i64>(&mut client, rewind);
    let (code, _) = refused(record(&mut client, USER, Some("req_2"), "2", ""));
    assert_eq!(code, "23505");
    assert_eq!(balance_of(&mut client, USER), Some(decimal("7")));
    // A retry needs no row, and with the sequence set right there is no gap.
    let again = record(&mut client, USER, Some("req_0"), "1", "").unwrap();
    assert_eq!(again, first);
    record(&mut client, USER, Some("req_1"), "1", "").unwrap();
    record(&mut client, USER, Some("req_2"), "2", "").unwrap();
    creditdb(["verify"]).on(&database.url).succeeds();
}

#[test]
fn a_request_that_was_paid_is_no_free_one() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let paid = call(&mut client, "debit", paying("5", "req_1")).unwrap();
    let before = contents(&mut client);
    let failed = ", p_success => false";
    for (amount, further) in [
        ("0", failed),
        ("0", ", p_byok_used => true"),
        ("0", ""),
        ("4", ""),
        ("40", ""),
    ] {
        let (code, message) = refused(record(&mut client, USER, Some("req_1"), amount, further));
        assert_eq!(code, "UC013", "{amount}{further}: {message}");
        let expected = format!("was booked with another amount: 5, now {amount}");
        assert!(message.ends_with(&expected), "{message}");
    }
    assert_eq!(contents(&mut client), before);
    let recorded = record(&mut client, USER, Some("req_1"), "5", "").unwrap();
    assert_eq!(recorded.answer, paid);
}

/// The request is refused, the user buys credits, and a gateway of 1.1.0 tries again.
#[test]
fn a_refused_request_that_was_paid_later_is_answered_with_the_entry() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "1", "bonus");
    let metadata = ", p_metadata => '{\"team\": 7}'";
    let row = "SELECT concat_ws('|', success, trim_scale(credits_used), error_message, metadata)
                 FROM llm_usage_log";
    let first = record(&mut client, USER, Some("req_1"), "500", metadata).unwrap();
    assert!(!first.answer.success);
    assert!(value::<String>(&mut client, row).starts_with("f|0|insufficient credits|"));
    add(&mut client, USER, "1000", "bonus");
    let again = record(&mut client, USER, Some("req_1"), "500", metadata).unwrap();
    assert_eq!(again, first);
    let paid = call(&mut client, "debit", paying("500", "req_1")).unwrap();
    let expected = Recorded {
        answer: paid,
        ..first
    };
    for _ in 0..2 {
        let now = record(&mut client, USER, Some("req_1"), "500", metadata).unwrap();
        assert_eq!(now, expected);
        assert_eq!(value::<String>(&mut client, row), "t|500|{\"team\": 7}");
    }
    let (code, _) = refused(record(&mut client, USER, Some("req_1"), "400", ""));
    assert_eq!(code, "UC013");
    assert_eq!(balance_of(&mut client, USER), Some(decimal("501")));
    creditdb(["verify", "--area", "usage"])
        .on(&database.url)
        .succeeds();
}

#[test]
fn any_metadata_lets_a_request_be_repeated() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let ours = "{\"creditdb_refused\": {\"credits\": \"many\", \"balance\": []}, \"team\": 7}";
    for (number, metadata) in ["null", "[1]", "\"word\"", "3", "{}", ours]
        .iter()
        .enumerate()
    {
        let further = format!(", p_metadata => '{metadata}'");
        let failed = format!("{further}, p_success => false");
        for (kind, amount, further) in [
            ("refused", "50", &further),
            ("paid", "1", &further),
            ("failed", "0", &failed),
        ] {
            let request = format!("{kind}_{number}");
            let first = record(&mut client, USER, Some(&request), amount, further).unwrap();
            assert_eq!(first.answer.success, kind != "refused");
            let before = contents(&mut client);
            let again = record(&mut client, USER, Some(&request), amount, further).unwrap();
            assert_eq!(again, first, "{request}");
            assert_eq!(contents(&mut client), before);
        }
    }
    // What a caller gave is kept, but for the key that is ours.
    let kept = "SELECT string_agg(metadata::text, ' ' ORDER BY request_id) FROM llm_usage_log
                 WHERE request_id LIKE 'failed%' OR request_id LIKE 'paid%'";
    let each = "null [1] \"word\" 3 {} {\"team\": 7}";
    assert_eq!(value::<String>(&mut client, kept), format!("{each} {each}"));
    let kept = "SELECT string_agg((metadata - 'creditdb_refused')::text, ' ' ORDER BY request_id)
                  FROM llm_usage_log WHERE request_id LIKE 'refused%'";
    let each = "{} {\"metadata\": [1]} {\"metadata\": \"word\"} {\"metadata\": 3} {} {\"team\": 7}";
    assert_eq!(value::<String>(&mut client, kept), each);
}

/// Rows that 1.3.0 wrote.
#[test]
fn a_refusal_that_was_noted_in_an_array_is_repeated_too() {
    let database = Database::at("1.3.0");
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let array = ", p_metadata => 'null'";
    let forged =
        ", p_success => false, p_metadata => '{\"creditdb_refused\": {\"credits\": \"x\"}}'";
    let mut recorded =
        |request, amount, further| record(&mut client, USER, Some(request), amount, further);
    let first = recorded("req_1", "50", array).unwrap();
    let free = recorded("req_2", "0", forged).unwrap();
    assert_eq!(refused(recorded("req_1", "50", array)).0, "UC013");
    assert_eq!(refused(recorded("req_2", "0", forged)).0, "22P02");
    creditdb(["migrate"]).on(&database.url).succeeds();
    assert_eq!(recorded("req_1", "50", array).unwrap(), first);
    assert_eq!(recorded("req_2", "0", forged).unwrap(), free);
}

#[test]
fn what_has_no_room_in_an_index_is_refused_as_an_argument() {
    let database = Database::migrated();
    let mut client = database.connect();
    // Nothing that the server could compress.
    let random: String = (0..3000).map(|_| fastrand::alphanumeric()).collect();
    let wide = "\u{e9}".repeat(1001);
    let before = contents(&mut client);
    for (reference, bytes) in [(&random[..2001], 2001), (&random, 3000), (&wide, 2002)] {
        for (direction, kind) in [("add", "purchase"), ("debit", "usage")] {
            let with = Arguments {
                reference: Some(reference),
                ..Arguments::of(USER, "1", kind)
            };
            let expected = format!("p_reference_id must not be longer than 2000 bytes: {bytes}");
            let (code, message) = refused(call(&mut client, direction, with));
            assert_eq!((code.as_str(), message), ("UC016", expected));
        }
        for amount in ["0", "1"] {
            let expected = format!("p_request_id must not be longer than 2000 bytes: {bytes}");
            let (code, message) = refused(record(&mut client, USER, Some(reference), amount, ""));
            assert_eq!((code.as_str(), message), ("UC016", expected));
        }
    }
    assert_eq!(contents(&mut client), before);
    let with = Arguments {
        reference: Some(&random[..2000]),
        ..Arguments::of(USER, "10", "admin_adjustment")
    };
    let added = call(&mut client, "add", with).unwrap();
    let expected = Answer {
        success: true,
        new_balance: Some(Decimal::TEN),
        ..added
    };
    assert_eq!(added, expected);
    assert_eq!(call(&mut client, "add", with).unwrap(), expected);
    let request = Some(&random[..2000]);
    assert!(
        record(&mut client, USER, request, "1", "")
            .unwrap()
            .answer
            .success
    );
}
