//! One break per cause, and the look-alikes that must not be mistaken for it.

use std::str::FromStr;

use super::*;

fn credits(text: &str) -> Option<Decimal> {
    Some(Decimal::from_str(text).unwrap())
}

/// Entry 12 after entry 11; entry 11 moved the balance by `previous_amount` to `previous_balance`.
fn broken(previous_balance: &str, previous_amount: &str, amount: &str, after: &str) -> Break {
    let value = |text: &str| Decimal::from_str(text).unwrap();
    let (before, amount, after) = (value(previous_balance), value(amount), value(after));
    Break {
        user: "u".to_owned(),
        id: "12".to_owned(),
        amount: Some(amount),
        balance_after: Some(after),
        expected: Some(before + amount),
        difference: Some(after - before - amount),
        start: Some(after - amount),
        previous: Some(Previous {
            id: "11".to_owned(),
            balance: Some(before),
            amount: credits(previous_amount),
            start: Some(before - value(previous_amount)),
            created_at: String::new(),
            same_type: true,
            same_reference: false,
            seconds_apart: 3600.0,
        }),
        ..Break::default()
    }
}

fn next(start: &str) -> Option<Neighbour> {
    Some(Neighbour {
        id: "13".to_owned(),
        start: credits(start),
    })
}

fn cause(found: &Break) -> Cause {
    found.cause(true, None)
}

#[test]
fn lost_update() {
    let found = broken("90", "-10", "-5", "95");
    assert_eq!(
        cause(&found),
        (
            "lost-update",
            "entries 11 and 12 both start from 100; the change of -10 is lost".to_owned()
        )
    );
    let mut third_writer = broken("90", "-10", "-5", "105");
    third_writer.earlier = vec![Neighbour {
        id: "10".to_owned(),
        start: credits("110.00"),
    }];
    assert_eq!(
        cause(&third_writer),
        (
            "lost-update",
            "entries 10 and 12 both start from 110".to_owned()
        )
    );
}

#[test]
fn equal_entries_from_one_balance() {
    let mut found = broken("150", "50", "50", "150");
    assert_eq!(cause(&found).0, "lost-update");
    let change = |found: &mut Break, same_reference, seconds_apart| {
        let previous = found.previous.as_mut().unwrap();
        previous.same_reference = same_reference;
        previous.seconds_apart = seconds_apart;
    };
    change(&mut found, false, 12.0);
    assert_eq!(cause(&found).0, "repeated-webhook");
    change(&mut found, true, 90_000.0);
    assert_eq!(cause(&found).0, "repeated-webhook");
    let mut debits = broken("50", "-50", "-50", "50");
    change(&mut debits, false, 2.0);
    assert_eq!(cause(&debits).0, "lost-update");
    change(&mut debits, true, 2.0);
    assert_eq!(
        cause(&debits),
        (
            "duplicated-entry",
            "entries 11 and 12 both start from 100, change the balance by -50, have the same \
             reference and are 2 s apart"
                .to_owned()
        )
    );
}

#[test]
fn clamped() {
    assert_eq!(cause(&broken("3", "1", "-10", "0")).0, "clamped");
    // A balance that is rightly used up to 0 would not be below it.
    assert_ne!(cause(&broken("30", "1", "-10", "0")).0, "clamped");
}

#[test]
fn truncation() {
    assert_eq!(
        cause(&broken("10", "1", "-0.00000025", "9.999999")),
        (
            "truncation",
            "balance_after is 9.99999975 cut to 6 decimals".to_owned()
        )
    );
    assert_eq!(cause(&broken("10", "1", "-0.4", "10")).0, "truncation");
    assert_ne!(cause(&broken("10", "1", "-0.4", "11")).0, "truncation");
}

#[test]
fn unit_mix() {
    assert_eq!(
        cause(&broken("1000", "7", "-2.5", "750")),
        (
            "unit-mix",
            "the balance moved by -250 for an amount of -2.5, 100 times as much".to_owned()
        )
    );
    assert_eq!(cause(&broken("1000", "7", "-200", "998")).0, "unit-mix");
    assert_eq!(cause(&broken("100", "7", "20", "12000")).0, "unit-mix");
    assert_ne!(cause(&broken("1000", "7", "-200", "700")).0, "unit-mix");
}

#[test]
fn edited_balance() {
    let mut found = broken("100", "7", "-20", "500");
    found.next = next("80");
    assert!(found.is_undone_by_next());
    assert_eq!(
        cause(&found),
        (
            "edited-balance",
            "entry 13 starts from 80, as if this balance_after were right".to_owned()
        )
    );
    let mut last = broken("100", "7", "-20", "500");
    last.stored_balance = credits("80.00000000");
    assert_eq!(cause(&last).0, "edited-balance");
}

#[test]
fn unlogged_write_and_constant_offset() {
    let mut found = broken("100", "7", "-20", "130");
    assert_eq!(
        cause(&found),
        (
            "unlogged-write",
            "entry 11 ends at 100, entry 12 starts from 150; no entry explains 50".to_owned()
        )
    );
    found.next = next("130");
    assert_eq!(
        cause(&found),
        (
            "constant-offset",
            "entry 11 ends at 100, entry 12 starts from 150; every later entry is off by the same \
             50"
            .to_owned()
        )
    );
    assert_eq!(found.cause(false, None).0, "unlogged-write");
}

#[test]
fn opening_balance_without_an_entry() {
    let found = Break {
        previous: None,
        ..broken("0", "0", "-20", "480")
    };
    assert_eq!(cause(&found).0, "unlogged-write");
}

#[test]
fn deleted_entry() {
    let mut found = broken("100", "7", "-20", "73.5");
    found.next = next("73.5");
    let request = "req_1".to_owned();
    assert_eq!(
        found.cause(true, Some(&request)),
        (
            "deleted-entry",
            "the balance changed by -6.5, which is what logged request \"req_1\" cost, and that \
             request has no entry"
                .to_owned()
        )
    );
}

/// Each of them would be taken for something else by its balances.
#[test]
fn gap_in_the_numbers() {
    let look_alikes = [
        broken("100", "100", "-1", "129"),
        broken("90", "-10", "-5", "95"),
        broken("3", "1", "-10", "0"),
        broken("10", "1", "-0.4", "10"),
        broken("1000", "7", "-2.5", "750"),
    ];
    for mut found in look_alikes {
        assert_ne!(cause(&found).0, "deleted-entry", "{found:?}");
        found.gap = Some((2, 2));
        assert_eq!(cause(&found).0, "deleted-entry", "{found:?}");
    }
    let mut first = Break {
        previous: None,
        gap: Some((1, 3)),
        ..broken("0", "0", "-500", "0")
    };
    assert_eq!(
        cause(&first),
        (
            "deleted-entry",
            "no entries have the numbers 1 to 3, and the balance changed by 500 meanwhile"
                .to_owned()
        )
    );
    first.gap = Some((1, 1));
    let request = "req_1".to_owned();
    assert_eq!(
        first.cause(true, Some(&request)).1,
        "no entry has the number 1, and the balance changed by 500 meanwhile, which is what logged \
         request \"req_1\" cost"
    );
    // What was deleted left no trace in the balance that the next entry starts from.
    let mut edited = broken("100", "7", "-20", "500");
    edited.next = next("80");
    edited.gap = Some((2, 2));
    assert_eq!(cause(&edited).0, "edited-balance");
}

#[test]
fn not_a_number() {
    let found = Break {
        balance_after: None,
        difference: None,
        start: None,
        ..broken("100", "7", "-20", "0")
    };
    assert_eq!(
        cause(&found),
        (
            "unknown",
            "amount is -20, balance_after is NaN, the balance before it is 100".to_owned()
        )
    );
}
