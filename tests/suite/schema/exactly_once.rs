//! Schema 1.2.0: a reference is booked once and a request is logged once, however often and by
//! however many the call is repeated.

use postgres::{Error, GenericClient};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Answer, Arguments, USER, add, balance_of, call, contents, decimal, provision, value};
use crate::support::server::Database;

/// What `record_llm_request` returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub answer: Answer,
    pub usage_log_id: Option<i64>,
}

/// Records a request; what stands after the required arguments may name further ones.
pub fn record(
    client: &mut impl GenericClient,
    user: Uuid,
    request: Option<&str>,
    amount: &str,
    further: &str,
) -> Result<Recorded, Error> {
    let query = format!(
        "SELECT success, new_balance, transaction_id, usage_log_id
           FROM record_llm_request($1, $2, 'gpt-4', 'openai', 'eco', 10, 20, $3::text::numeric, 800
                                   {further})"
    );
    let row = client.query_one(&query, &[&user, &request, &amount])?;
    Ok(Recorded {
        answer: Answer {
            success: row.get(0),
            new_balance: row.get(1),
            transaction_id: row.get(2),
        },
        usage_log_id: row.get(3),
    })
}

fn referring<'a>(amount: &'a str, kind: &'a str, reference: &'a str) -> Arguments<'a> {
    Arguments {
        reference: Some(reference),
        ..Arguments::of(USER, amount, kind)
    }
}

/// The SQLSTATE and the message of a refused call.
fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (String, String) {
    let error = outcome.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert!(
        error.hint().is_some() && error.detail().is_some(),
        "{error:?}"
    );
    (error.code().code().to_owned(), error.message().to_owned())
}

#[test]
fn a_repeated_call_returns_the_first_result_and_changes_nothing() {
    let database = Database::migrated();
    let mut client = database.connect();
    let calls = [
        ("add", referring("100", "purchase", "pi_1")),
        ("add", referring("5", "bonus", "pi_1")),
        ("debit", referring("104", "usage", "req_1")),
        ("add", referring("2", "refund", "req_1")),
        ("debit", referring("3", "refund", "pi_1")),
        ("debit", referring("4", "admin_adjustment", "case_1")),
    ];
    let first = calls.map(|(direction, with)| call(&mut client, direction, with).unwrap());
    assert!(first.iter().all(|answer| answer.success), "{first:?}");
    let before = contents(&mut client);
    for _ in 0..2 {
        let again = calls.map(|(direction, with)| call(&mut client, direction, with).unwrap());
        assert_eq!(again, first);
    }
    assert_eq!(contents(&mut client), before);
    // Another user's reference is another reference.
    let other = Arguments {
        user: Some(Uuid::from_u128(2)),
        ..calls[0].1
    };
    let other = call(&mut client, "add", other).unwrap();
    assert!(other.transaction_id > first[5].transaction_id, "{other:?}");
}

#[test]
fn another_amount_is_refused_with_both_amounts() {
    let database = Database::migrated();
    let mut client = database.connect();
    call(&mut client, "add", referring("100", "purchase", "pi_1")).unwrap();
    call(&mut client, "debit", referring("2.5", "usage", "req_1")).unwrap();
    call(&mut client, "add", referring("1", "refund", "req_1")).unwrap();
    let before = contents(&mut client);
    for (direction, with, amounts) in [
        (
            "add",
            referring("100.00000001", "purchase", "pi_1"),
            "100, now 100.00000001",
        ),
        ("debit", referring("25", "usage", "req_1"), "-2.5, now -25"),
        // The same number in the other direction is another amount, too.
        ("debit", referring("1", "refund", "req_1"), "1, now -1"),
    ] {
        let (code, message) = refused(call(&mut client, direction, with));
        let reference = with.reference.unwrap();
        let expected =
            format!("reference '{reference}' of user {USER} was booked with another amount");
        assert_eq!(
            (code.as_str(), message),
            ("UC013", format!("{expected}: {amounts}"))
        );
    }
    assert_eq!(contents(&mut client), before);
}

#[test]
fn references_that_say_nothing_are_booked_each_time() {
    let database = Database::migrated();
    let mut client = database.connect();
    for reference in [
        None,
        Some(""),
        Some("  "),
        Some("None"),
        Some("null"),
        Some("undefined"),
    ] {
        let with = Arguments {
            reference,
            ..Arguments::of(USER, "1", "bonus")
        };
        let before = balance_of(&mut client, USER).unwrap_or_default();
        call(&mut client, "add", with).unwrap();
        call(&mut client, "add", with).unwrap();
        record(&mut client, USER, reference, "0.5", "").unwrap();
        record(&mut client, USER, reference, "0.5", "").unwrap();
        let after = balance_of(&mut client, USER).unwrap();
        assert_eq!(after - before, Decimal::ONE, "{reference:?}");
    }
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM llm_usage_log"),
        12
    );
}

/// A refused debit leaves nothing behind, so the same reference is judged anew.
#[test]
fn a_refused_debit_may_be_repeated_with_more_credits() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "1", "bonus");
    let with = referring("2", "usage", "req_1");
    assert!(!call(&mut client, "debit", with).unwrap().success);
    add(&mut client, USER, "1", "bonus");
    let paid = call(&mut client, "debit", with).unwrap();
    assert_eq!(
        (paid.success, paid.new_balance),
        (true, Some(Decimal::ZERO))
    );
    assert_eq!(call(&mut client, "debit", with).unwrap(), paid);
}

#[test]
fn a_request_is_logged_and_paid_in_one_call() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let paid = record(&mut client, USER, Some("req_1"), "2.5", "").unwrap();
    assert_eq!(paid.answer.new_balance, Some(decimal("7.5")));
    let before = contents(&mut client);
    let again = record(&mut client, USER, Some("req_1"), "2.5", "").unwrap();
    assert_eq!((again, contents(&mut client)), (paid, before));
    let log: String = value(
        &mut client,
        "SELECT concat_ws('|', request_id, model, provider, power_level, prompt_tokens,
                          completion_tokens, total_tokens, trim_scale(credits_used), latency_ms,
                          success, byok_used, metadata) FROM llm_usage_log",
    );
    assert_eq!(log, "req_1|gpt-4|openai|eco|10|20|30|2.5|800|t|f|{}");
    let entry: String = value(
        &mut client,
        "SELECT concat_ws('|', transaction_type, trim_scale(amount), reference_id, description)
           FROM credit_transactions WHERE transaction_type = 'usage'",
    );
    assert_eq!(entry, "usage|-2.5|req_1|gpt-4");
    let (code, message) = refused(record(&mut client, USER, Some("req_1"), "3", ""));
    assert_eq!(code, "UC013");
    assert!(
        message.ends_with("was logged with another amount: 2.5, now 3"),
        "{message}"
    );
}

#[test]
fn a_request_without_credits_is_logged_as_failed_and_costs_nothing() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "1", "bonus");
    let stranger = Uuid::from_u128(404);
    for (user, balance, words) in [
        (USER, Some(Decimal::ONE), "insufficient credits"),
        (stranger, None, "unknown user"),
    ] {
        let first = record(&mut client, user, Some("req_1"), "2.5", "").unwrap();
        let expected = Answer {
            success: false,
            new_balance: balance,
            transaction_id: None,
        };
        assert_eq!(first.answer, expected);
        let row = client
            .query_one(
                "SELECT success, credits_used, error_message FROM llm_usage_log WHERE id = $1",
                &[&first.usage_log_id],
            )
            .unwrap();
        assert_eq!(
            (row.get(0), row.get(1), row.get(2)),
            (false, Decimal::ZERO, words)
        );
        // The first answer stands, also when there are credits later.
        add(&mut client, user, "10", "bonus");
        let before = contents(&mut client);
        assert_eq!(
            record(&mut client, user, Some("req_1"), "2.5", "").unwrap(),
            first
        );
        assert_eq!(
            refused(record(&mut client, user, Some("req_1"), "9", "")).0,
            "UC013"
        );
        assert_eq!(contents(&mut client), before);
    }
}

#[test]
fn free_and_failed_requests_are_logged_without_an_entry() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let failed = ", p_success => false, p_error_message => 'timeout'";
    let own_key = ", p_byok_used => true";
    for (request, further) in [("free", ""), ("failed", failed), ("own key", own_key)] {
        let first = record(&mut client, USER, Some(request), "0", further).unwrap();
        assert_eq!(
            (first.answer.success, first.answer.transaction_id),
            (true, None)
        );
        assert_eq!(first.answer.new_balance, Some(decimal("10")));
        let again = record(&mut client, USER, Some(request), "0", further).unwrap();
        assert_eq!(again, first, "{request}");
        if !further.is_empty() {
            let (code, message) = refused(record(&mut client, USER, Some("x"), "1.5", further));
            assert_eq!(code, "UC014", "{message}");
            assert!(message.ends_with(": 1.5"), "{message}");
        }
    }
    // The arguments of a debit, and its SQLSTATEs.
    for (amount, expected) in [("-1", "UC006"), ("NaN", "UC003"), ("0.123456789", "UC007")] {
        let (code, _) = refused(record(&mut client, USER, Some("y"), amount, ""));
        assert_eq!(code, expected);
    }
    let rows: i64 = value(&mut client, "SELECT count(*) FROM llm_usage_log");
    assert_eq!(
        (rows, balance_of(&mut client, USER)),
        (3, Some(decimal("10")))
    );
}

/// Beyond the balance of an unlimited user there is still the range of a balance.
#[test]
fn a_request_beyond_the_range_of_a_balance_leaves_no_trace() {
    let database = Database::migrated();
    let mut client = database.connect();
    provision(&mut client, USER, "enterprise", None);
    let last = record(&mut client, USER, Some("req_1"), "999999999999", "").unwrap();
    assert_eq!(last.answer.new_balance, Some(decimal("-999999999999")));
    let before = contents(&mut client);
    let (code, message) = refused(record(&mut client, USER, Some("req_2"), "1", ""));
    assert_eq!(code, "UC011");
    assert!(
        message.contains("out of range: -1000000000000"),
        "{message}"
    );
    assert_eq!(contents(&mut client), before);
    // Zeros behind the eighth decimal are no decimals too many.
    record(&mut client, USER, Some("req_3"), "0.500000000", "").unwrap();
}

/// A gateway that still does the two one after the other, and is cut off between them.
#[test]
fn the_half_that_is_missing_is_made_up_for() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let paid = call(&mut client, "debit", referring("1", "usage", "req_1")).unwrap();
    let recorded = record(&mut client, USER, Some("req_1"), "1", "").unwrap();
    assert_eq!(recorded.answer, paid);
    assert!(recorded.usage_log_id.is_some());

    client
        .batch_execute(&format!(
            "INSERT INTO llm_usage_log (user_id, request_id, model, provider, credits_used, success)
             VALUES ('{USER}', 'req_2', 'gpt-4', 'openai', 2, true)"
        ))
        .unwrap();
    let recorded = record(&mut client, USER, Some("req_2"), "2", "").unwrap();
    assert_eq!(recorded.answer.new_balance, Some(decimal("7")));
    assert_eq!(
        record(&mut client, USER, Some("req_2"), "2", "").unwrap(),
        recorded
    );
    let rows = "SELECT count(*) FROM llm_usage_log";
    assert_eq!(value::<i64>(&mut client, rows), 2);
}
