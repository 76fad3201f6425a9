//! One session calls the functions: what they write, return and refuse, and when the clock is read.

use std::thread::sleep;
use std::time::Duration;

use jiff::Timestamp;
use postgres::Client;
use uuid::Uuid;

use super::{
    Answer, Arguments, USER, add, balance_of, call, contents, debit, decimal, provision, value,
};
use crate::support::server::Database;

fn quota(client: &mut Client, user: Option<Uuid>) -> Option<String> {
    let query = "SELECT get_quota_usage_percentage($1)::text";
    client.query_one(query, &[&user]).unwrap().get(0)
}

fn used(client: &mut Client) -> String {
    value(
        client,
        "SELECT trim_scale(credits_used_this_month)::text FROM user_credits",
    )
}

#[test]
fn a_call_changes_the_balance_and_appends_one_signed_entry() {
    let database = Database::migrated();
    let mut client = database.connect();
    let bought = Arguments {
        reference: Some("pi_1"),
        description: Some("Starter Pack"),
        ..Arguments::of(USER, "100.5", "purchase")
    };
    let bought = call(&mut client, "add", bought).unwrap();
    let spent = debit(&mut client, USER, "0.25", "usage");
    let answer = |balance: &str, id| Answer {
        success: true,
        new_balance: Some(decimal(balance)),
        transaction_id: Some(id),
    };
    assert_eq!((bought, spent), (answer("100.5", 1), answer("100.25", 2)));
    assert_eq!(balance_of(&mut client, USER), Some(decimal("100.25")));
    let entries: String = value(
        &mut client,
        "SELECT string_agg(concat_ws('|', id, user_id, transaction_type, amount, balance_after,
                                     coalesce(reference_id, '-'), coalesce(description, '-'),
                                     metadata), E'\\n' ORDER BY id)
           FROM credit_transactions",
    );
    let expected = [
        format!("1|{USER}|purchase|100.50000000|100.50000000|pi_1|Starter Pack|{{}}"),
        format!("2|{USER}|usage|-0.25000000|100.25000000|-|-|{{}}"),
    ];
    assert_eq!(entries, expected.join("\n"));
}

#[test]
fn a_missing_balance_row_is_made_with_the_defaults_of_a_trial() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "5", "purchase");
    let row: String = value(
        &mut client,
        "SELECT concat_ws('|', user_id, balance, tier, power_level, monthly_allowance,
                          credits_used_this_month) FROM user_credits",
    );
    assert_eq!(
        row,
        format!("{USER}|5.00000000|trial|balanced|100.00000000|0.00000000")
    );
    let times: bool = value(
        &mut client,
        "SELECT uc.billing_cycle_start <= ct.created_at AND uc.created_at <= ct.created_at
                AND uc.updated_at = ct.created_at
           FROM user_credits AS uc JOIN credit_transactions AS ct USING (user_id)",
    );
    assert!(times, "the first entry lies before its cycle");
}

#[test]
fn a_refused_debit_leaves_no_trace() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let before = contents(&mut client);
    let refused = |new_balance| Answer {
        success: false,
        new_balance,
        transaction_id: None,
    };
    let beyond = debit(&mut client, USER, "10.00000001", "usage");
    assert_eq!(beyond, refused(Some(decimal("10"))));
    for kind in ["usage", "refund", "admin_adjustment"] {
        let unknown = debit(&mut client, Uuid::from_u128(404), "1", kind);
        assert_eq!(unknown, refused(None), "{kind}");
    }
    assert_eq!(contents(&mut client), before);

    // The same digest sees a debit that is not refused; the whole balance may be used.
    let all = debit(&mut client, USER, "10", "usage");
    assert_eq!(all.new_balance, Some(decimal("0")));
    assert_ne!(contents(&mut client), before);
    assert_eq!(
        debit(&mut client, USER, "0.00000001", "usage"),
        refused(Some(decimal("0")))
    );
}

#[test]
fn money_that_goes_back_may_go_below_zero_but_usage_then_stops() {
    for kind in ["refund", "admin_adjustment"] {
        let database = Database::migrated();
        let mut client = database.connect();
        add(&mut client, USER, "10", "purchase");
        debit(&mut client, USER, "4", "usage");
        let back = debit(&mut client, USER, "10", kind);
        assert_eq!(
            (back.success, back.new_balance),
            (true, Some(decimal("-4"))),
            "{kind}"
        );
        assert!(!debit(&mut client, USER, "1", "usage").success, "{kind}");
        assert_eq!(balance_of(&mut client, USER), Some(decimal("-4")), "{kind}");
    }
}

#[test]
fn enterprise_is_unlimited_and_no_other_tier_is() {
    let database = Database::migrated();
    let mut client = database.connect();
    for (number, tier) in ["trial", "starter", "professional", "enterprise"]
        .into_iter()
        .enumerate()
    {
        let user = Uuid::from_u128(number as u128 + 1);
        provision(&mut client, user, tier, None);
        let answer = debit(&mut client, user, "7", "usage");
        let expected = if tier == "enterprise" { "-7" } else { "0" };
        assert_eq!(answer.success, tier == "enterprise", "{tier}");
        assert_eq!(answer.new_balance, Some(decimal(expected)), "{tier}");
        assert_eq!(
            balance_of(&mut client, user),
            Some(decimal(expected)),
            "{tier}"
        );
    }
}

#[test]
fn only_usage_raises_the_credits_used_this_month() {
    let database = Database::migrated();
    let mut client = database.connect();
    for kind in ["purchase", "refund", "admin_adjustment", "bonus"] {
        add(&mut client, USER, "100", kind);
        assert_eq!(used(&mut client), "0", "add {kind}");
    }
    for kind in ["refund", "admin_adjustment"] {
        debit(&mut client, USER, "3", kind);
        assert_eq!(used(&mut client), "0", "debit {kind}");
    }
    debit(&mut client, USER, "2.5", "usage");
    debit(&mut client, USER, "1", "usage");
    debit(&mut client, USER, "1000", "usage");
    assert_eq!(used(&mut client), "3.5");
    add(&mut client, USER, "2.5", "refund");
    assert_eq!(used(&mut client), "3.5", "credits back for usage");
}

#[test]
fn the_quota_has_two_decimals_and_is_null_without_an_allowance() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "1000", "bonus");
    let mut with = |allowance: Option<&str>, used: &str| {
        let update = "UPDATE user_credits SET monthly_allowance = $1::text::numeric,
                             credits_used_this_month = $2::text::numeric";
        client.execute(update, &[&allowance, &used]).unwrap();
        let query = "SELECT round((credits_used_this_month::numeric
                                   / nullif(monthly_allowance, 0)) * 100, 2)::text
                       FROM user_credits";
        let printed: Option<String> = value(&mut client, query);
        let found = quota(&mut client, Some(USER));
        assert_eq!(found, printed, "the document's formula says otherwise");
        found
    };
    let percent = |text: &str| Some(text.to_owned());
    assert_eq!(with(Some("100"), "45.67"), percent("45.67"));
    assert_eq!(with(Some("100"), "0"), percent("0.00"));
    assert_eq!(with(Some("3"), "1"), percent("33.33"));
    assert_eq!(with(Some("3"), "2"), percent("66.67"));
    assert_eq!(with(Some("100"), "12.345"), percent("12.35"));
    assert_eq!(with(Some("50"), "100"), percent("200.00"));
    assert_eq!(with(None, "10"), None, "unlimited");
    assert_eq!(with(Some("0"), "10"), None, "an allowance of zero");
    assert_eq!(with(Some("0"), "0"), None, "an allowance of zero");
    assert_eq!(
        quota(&mut client, Some(Uuid::from_u128(404))),
        None,
        "unknown user"
    );
    assert_eq!(quota(&mut client, None), None, "no user");
}

#[test]
fn balance_and_entry_stand_and_fall_together() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "100", "bonus");
    client
        .batch_execute(
            "ALTER TABLE credit_transactions ADD CONSTRAINT no_thirteen CHECK (abs(amount) <> 13)",
        )
        .unwrap();
    let row = "SELECT ctid || ' ' || uc FROM user_credits AS uc";
    let before: String = value(&mut client, row);
    for (direction, kind) in [("add", "bonus"), ("debit", "usage")] {
        let error = call(&mut client, direction, Arguments::of(USER, "13", kind)).unwrap_err();
        assert!(
            error
                .as_db_error()
                .unwrap()
                .message()
                .contains("no_thirteen"),
            "{error:?}"
        );
    }
    let new = call(
        &mut client,
        "add",
        Arguments::of(Uuid::from_u128(5), "13", "bonus"),
    );
    assert!(new.is_err());
    // The one row, unchanged: no second user either.
    assert_eq!(value::<String>(&mut client, row), before);
}

#[test]
fn a_transaction_that_is_rolled_back_takes_its_calls_along() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let mut transaction = client.transaction().unwrap();
    add(&mut transaction, USER, "5", "bonus");
    let mut inner = transaction.transaction().unwrap();
    assert_eq!(
        debit(&mut inner, USER, "12", "usage").new_balance,
        Some(decimal("3"))
    );
    inner.rollback().unwrap();
    assert_eq!(
        debit(&mut transaction, USER, "1", "usage").new_balance,
        Some(decimal("14"))
    );
    transaction.rollback().unwrap();
    assert_eq!(balance_of(&mut client, USER), Some(decimal("10")));
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM credit_transactions"),
        1
    );
}

/// `now()` would give both calls of a transaction one time, and would put the transaction that
/// began first before the one that held the lock first.
#[test]
fn times_are_the_clock_of_the_call_not_of_the_transaction() {
    let database = Database::migrated();
    let (mut early, mut late) = (database.connect(), database.connect());
    let mut transaction = early.transaction().unwrap();
    let began: Timestamp = value(&mut transaction, "SELECT now()");
    sleep(Duration::from_millis(5));
    let mut ids = vec![add(&mut late, USER, "10", "bonus")];
    for (call, kind) in [
        (add as fn(&mut _, _, &str, &str) -> _, "bonus"),
        (debit, "usage"),
    ] {
        ids.push(call(&mut transaction, USER, "1", kind));
        // One reading for both tables.
        let same: bool = value(
            &mut transaction,
            "SELECT uc.updated_at = ct.created_at FROM user_credits AS uc
               JOIN credit_transactions AS ct USING (user_id) ORDER BY ct.id DESC LIMIT 1",
        );
        assert!(same, "{kind}: updated_at and created_at differ");
    }
    transaction.commit().unwrap();
    let query = "SELECT id, created_at FROM credit_transactions ORDER BY id";
    let entries = late.query(query, &[]).unwrap();
    let found: Vec<Option<i64>> = entries.iter().map(|entry| Some(entry.get(0))).collect();
    assert_eq!(
        found,
        ids.iter()
            .map(|answer| answer.transaction_id)
            .collect::<Vec<_>>()
    );
    let times: Vec<Timestamp> = entries.iter().map(|entry| entry.get(1)).collect();
    assert!(
        began < times[0] && times[0] < times[1] && times[1] < times[2],
        "{began} {times:?}"
    );
}
