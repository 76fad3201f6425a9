//! Arguments that the functions refuse: each kind has its own SQLSTATE, the message names argument
//! and value, and nothing changes.

use std::collections::BTreeSet;

use postgres::error::DbError;
use regex::Regex;

use super::{Arguments, USER, add, call, contents, decimal, provision, value};
use crate::support::server::Database;

/// What is wrong, for which functions, with which SQLSTATE and message.
type Case<'a> = (&'a str, Arguments<'a>, &'a str, &'a str);

fn cases() -> Vec<Case<'static>> {
    let valid = Arguments::of(USER, "1", "admin_adjustment");
    let amount = |text| Arguments {
        amount: Some(text),
        ..valid
    };
    let kind = |text| Arguments {
        kind: Some(text),
        ..valid
    };
    let mut cases = Vec::new();
    for direction in ["add", "debit"] {
        let mut both = |with, code, message| cases.push((direction, with, code, message));
        both(
            Arguments {
                user: None,
                ..valid
            },
            "UC001",
            "p_user_id must not be null",
        );
        both(
            Arguments {
                amount: None,
                ..valid
            },
            "UC002",
            "p_amount must not be null",
        );
        both(amount("NaN"), "UC003", "p_amount must be a number: NaN");
        both(
            amount("Infinity"),
            "UC004",
            "p_amount must be finite: Infinity",
        );
        both(
            amount("-Infinity"),
            "UC004",
            "p_amount must be finite: -Infinity",
        );
        both(amount("0"), "UC005", "p_amount must not be zero: 0");
        both(amount("-0.00"), "UC005", "p_amount must not be zero: 0.00");
        both(amount("-1"), "UC006", "p_amount must not be negative: -1");
        let decimals = "p_amount must not have more than 8 decimals: 0.000000001";
        both(amount("0.000000001"), "UC007", decimals);
        let large = "p_amount must be less than 1000000000000: 1000000000000";
        both(amount("1000000000000"), "UC008", large);
        both(
            Arguments {
                kind: None,
                ..valid
            },
            "UC009",
            "p_transaction_type is unknown: NULL",
        );
        both(
            kind("gift"),
            "UC009",
            "p_transaction_type is unknown: 'gift'",
        );
        both(
            kind("Usage"),
            "UC009",
            "p_transaction_type is unknown: 'Usage'",
        );
        both(kind(""), "UC009", "p_transaction_type is unknown: ''");
    }
    let cannot = |what| format!("p_transaction_type cannot {what}").leak() as &str;
    cases.push((
        "add",
        kind("usage"),
        "UC010",
        cannot("add credits: 'usage'"),
    ));
    cases.push((
        "debit",
        kind("purchase"),
        "UC010",
        cannot("debit credits: 'purchase'"),
    ));
    cases.push((
        "debit",
        kind("bonus"),
        "UC010",
        cannot("debit credits: 'bonus'"),
    ));
    cases
}

fn refusal(error: &postgres::Error) -> DbError {
    error
        .as_db_error()
        .unwrap_or_else(|| panic!("{error:?}"))
        .clone()
}

#[test]
fn invalid_arguments_raise_their_own_sqlstate_and_change_nothing() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let before = contents(&mut client);
    for (direction, with, code, message) in cases() {
        let error = call(&mut client, direction, with).expect_err(message);
        let error = refusal(&error);
        let context = format!("{direction} {with:?}: {error:?}");
        assert_eq!(
            (error.code().code(), error.message()),
            (code, message),
            "{context}"
        );
        let detail = error.detail().unwrap();
        assert!(
            detail.starts_with(&format!("{direction}_user_credits was called")),
            "{context}"
        );
        assert!(detail.ends_with("Nothing was changed."), "{context}");
        assert!(error.hint().is_some(), "{context}");
    }
    assert_eq!(contents(&mut client), before);
}

/// An unknown user with invalid arguments is an error, too: the arguments are read first, and no
/// row is made for it.
#[test]
fn arguments_are_judged_before_the_user_is_looked_up() {
    let database = Database::migrated();
    let mut client = database.connect();
    let before = contents(&mut client);
    for (direction, with, code, _) in cases() {
        let error = refusal(&call(&mut client, direction, with).unwrap_err());
        assert_eq!(error.code().code(), code, "{direction} {with:?}");
    }
    assert_eq!(contents(&mut client), before);
}

#[test]
fn the_types_that_fit_a_direction_are_accepted() {
    let database = Database::migrated();
    let mut client = database.connect();
    for kind in ["purchase", "refund", "admin_adjustment", "bonus"] {
        assert!(add(&mut client, USER, "1", kind).success, "{kind}");
    }
    for kind in ["usage", "refund", "admin_adjustment"] {
        assert!(super::debit(&mut client, USER, "1", kind).success, "{kind}");
    }
}

#[test]
fn the_bounds_of_an_amount_belong_to_it() {
    let database = Database::migrated();
    let mut client = database.connect();
    let largest = add(&mut client, USER, "999999999999.99999999", "purchase");
    assert_eq!(largest.new_balance, Some(decimal("999999999999.99999999")));
    // Zeros behind the eighth decimal are no decimals too many.
    let smallest = super::debit(&mut client, USER, "0.000000010000", "usage");
    assert_eq!(smallest.new_balance, Some(decimal("999999999999.99999998")));
}

#[test]
fn a_balance_beyond_the_range_is_refused_with_user_and_value() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "999999999999", "purchase");
    let poor = uuid::Uuid::from_u128(2);
    provision(&mut client, poor, "enterprise", None);
    super::debit(&mut client, poor, "999999999999", "usage");
    let before = contents(&mut client);
    for (direction, user, value) in [
        ("add", USER, "1000000000000"),
        ("debit", poor, "-1000000000000"),
    ] {
        let with = Arguments::of(user, "1", "refund");
        let error = refusal(&call(&mut client, direction, with).unwrap_err());
        assert_eq!(error.code().code(), "UC011", "{error:?}");
        let message = format!("the new balance of user {user} would be out of range: {value}");
        assert!(error.message().starts_with(&message), "{error:?}");
    }
    assert_eq!(contents(&mut client), before);
}

#[test]
fn a_poisoned_balance_is_reported_not_passed_on() {
    // From 1.3.0 on a balance cannot be NaN.
    let database = Database::at("1.2.0");
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    client
        .batch_execute("UPDATE user_credits SET balance = 'NaN'")
        .unwrap();
    let before = contents(&mut client);
    for (direction, kind) in [("add", "bonus"), ("debit", "usage"), ("debit", "refund")] {
        let error =
            refusal(&call(&mut client, direction, Arguments::of(USER, "1", kind)).unwrap_err());
        assert_eq!(error.code().code(), "UC011", "{error:?}");
        assert!(error.message().ends_with("out of range: NaN"), "{error:?}");
    }
    assert_eq!(contents(&mut client), before);
}

/// The lists at the top of the migrations are the contract; a code that no test raises would be a
/// claim.
#[test]
fn every_sqlstate_of_the_migration_is_raised_by_a_test() {
    let code = Regex::new(r"UC0\d\d").unwrap();
    let codes = |text: &str| -> BTreeSet<String> {
        code.find_iter(text)
            .map(|found| found.as_str().to_owned())
            .collect()
    };
    let listed = concat!(
        include_str!("../../../migrations/V3__create_functions.sql"),
        include_str!("../../../migrations/V20__book_references_once.sql"),
        include_str!("../../../migrations/V23__create_record_llm_request.sql"),
        include_str!("../../../migrations/V32__keep_entries.sql"),
        include_str!("../../../migrations/V36__bound_references.sql"),
    );
    let tests = concat!(
        include_str!("arguments.rs"),
        include_str!("races.rs"),
        include_str!("exactly_once.rs"),
        include_str!("guarded.rs"),
        include_str!("reconciled.rs"),
    );
    assert_eq!(codes(listed), codes(tests));
    assert_eq!(codes(listed).len(), 16);

    let database = Database::migrated();
    let bodies: String = value(
        &mut database.connect(),
        "SELECT string_agg(prosrc, ' ') FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    );
    assert_eq!(codes(&bodies), codes(listed));
}
