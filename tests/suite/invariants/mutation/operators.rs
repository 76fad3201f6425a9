//! The ways to damage a ledger: each changes one place at random, and says what had to be dropped
//! from the schema first, where the schema forbids it.

use fastrand::Rng;

use super::change::{self, cents, delete, infinite, on_entry, on_key, on_log, on_some};
use super::change::{on_user, shift, to_cents, unit, without, zone};
use super::ledger::{DAY, EVER, FOREVER, Ledger, Logged, MINUTE, NULL};
use super::number::Num;
use super::objects;
use super::predict_rows::NIL;
use super::store::{self, NULLABLE, PRECISION};

/// What was done.
#[derive(Default)]
pub struct Damage {
    /// For the message of a failure.
    pub what: String,
    /// What made it possible, or is the damage.
    pub ddl: Vec<String>,
    /// Findings about the schema, which the ledger does not show.
    pub found: Vec<(&'static str, String)>,
    /// What `creditdb drift` must name.
    pub drift: Option<&'static str>,
}

impl Damage {
    /// What is done to the schema can be done once.
    pub fn is_of_schema(&self) -> bool {
        !self.found.is_empty() || self.drift.is_some()
    }
}

type Operator = fn(&mut Ledger, &mut Rng) -> Option<Damage>;

/// Everything that can be done; one that finds no place does nothing.
pub const OPERATORS: &[(&str, Operator)] = &[
    ("edit amount", |l, r| {
        on_entry(l, r, |e, r| e.amount = e.amount + cents(r))
    }),
    ("edit balance_after", |l, r| {
        on_entry(l, r, |e, r| e.after = e.after + cents(r))
    }),
    ("edit balance", |l, r| {
        on_user(l, r, |u, r| u.balance = u.balance + cents(r))
    }),
    ("edit all that follows", change::edit_consistently),
    ("edit two consistently", change::edit_two),
    ("delete first", |l, r| delete(l, r, |_, _| 0)),
    ("delete middle", |l, r| {
        delete(l, r, |r, last| r.usize(0..=last))
    }),
    ("delete last", |l, r| delete(l, r, |_, last| last)),
    ("swap two", change::swap),
    ("duplicate", change::duplicate),
    ("repeat a reference", change::repeat_reference),
    ("refund too much", change::refund_too_much),
    ("overspend", change::overspend),
    ("reference to NULL", |l, r| {
        on_entry(l, r, |e, _| e.reference = None)
    }),
    ("request to NULL", |l, r| {
        on_log(l, r, |row, _| row.request = None)
    }),
    ("reason to NULL", |l, r| {
        on_entry(l, r, |e, _| e.description = None)
    }),
    ("allowance to NULL", |l, r| {
        on_user(l, r, |u, _| u.allowance = None)
    }),
    ("amount to NULL", |l, r| {
        without(on_entry(l, r, |e, _| e.amount = Num::Null), NULLABLE)
    }),
    ("balance_after to NULL", |l, r| {
        without(on_entry(l, r, |e, _| e.after = Num::Null), NULLABLE)
    }),
    ("balance to NULL", |l, r| {
        without(on_user(l, r, |u, _| u.balance = Num::Null), NULLABLE)
    }),
    ("cost to NULL", |l, r| {
        without(on_log(l, r, |row, _| row.credits = Num::Null), NULLABLE)
    }),
    ("counter to NULL", |l, r| {
        without(on_user(l, r, |u, _| u.used = Num::Null), NULLABLE)
    }),
    ("infinite amount", |l, r| {
        without(on_entry(l, r, |e, r| e.amount = infinite(r)), PRECISION)
    }),
    ("infinite balance_after", |l, r| {
        without(on_entry(l, r, |e, r| e.after = infinite(r)), PRECISION)
    }),
    ("infinite balance", |l, r| {
        without(on_user(l, r, |u, r| u.balance = infinite(r)), PRECISION)
    }),
    ("infinite cost", |l, r| {
        without(on_log(l, r, |row, r| row.credits = infinite(r)), PRECISION)
    }),
    ("infinite counter", |l, r| {
        without(on_user(l, r, |u, r| u.used = infinite(r)), PRECISION)
    }),
    ("amount to NaN", |l, r| {
        on_entry(l, r, |e, _| e.amount = Num::NaN)
    }),
    ("balance_after to NaN", |l, r| {
        on_entry(l, r, |e, _| e.after = Num::NaN)
    }),
    ("balance to NaN", |l, r| {
        on_user(l, r, |u, _| u.balance = Num::NaN)
    }),
    ("cost to NaN", |l, r| {
        on_log(l, r, |row, _| row.credits = Num::NaN)
    }),
    ("counter to NaN", |l, r| {
        on_user(l, r, |u, _| u.used = Num::NaN)
    }),
    ("flip the sign", |l, r| {
        on_entry(l, r, |e, _| e.amount = -e.amount)
    }),
    ("flip the sign of a cost", |l, r| {
        on_log(l, r, |row, _| row.credits = -row.credits)
    }),
    ("amount in another unit", |l, r| {
        on_entry(l, r, |e, r| e.amount = e.amount.times(unit(r)))
    }),
    ("balance in another unit", |l, r| {
        on_user(l, r, |u, r| u.balance = u.balance.times(unit(r)))
    }),
    ("cost in another unit", |l, r| {
        on_log(l, r, |row, r| row.credits = row.credits.times(unit(r)))
    }),
    ("truncate an amount", |l, r| {
        on_entry(l, r, |e, _| e.amount = e.amount.map(to_cents))
    }),
    ("truncate a balance", |l, r| {
        on_user(l, r, |u, _| u.balance = u.balance.map(to_cents))
    }),
    ("truncate a cost", |l, r| {
        on_log(l, r, |row, _| row.credits = row.credits.map(to_cents))
    }),
    ("shift an entry by a zone", |l, r| {
        on_entry(l, r, |e, r| shift(&mut e.created, zone(r)))
    }),
    ("shift a log row by a zone", |l, r| {
        on_log(l, r, |row, r| shift(&mut row.created, zone(r)))
    }),
    ("entry from the future", |l, r| {
        on_entry(l, r, |e, _| shift(&mut e.created, 40 * DAY))
    }),
    ("shift a user by a zone", |l, r| {
        on_user(l, r, |u, r| shift(&mut u.created, zone(r)))
    }),
    ("log row from the future", |l, r| {
        on_log(l, r, |row, _| shift(&mut row.created, 40 * DAY))
    }),
    ("user from the future", |l, r| {
        on_user(l, r, |u, _| shift(&mut u.created, 40 * DAY))
    }),
    ("key from the future", |l, r| {
        on_key(l, r, |k, _| shift(&mut k.created, 40 * DAY))
    }),
    ("entry of no time", |l, r| {
        on_entry(l, r, |e, r| e.created = [EVER, FOREVER][r.usize(0..2)])
    }),
    ("log row of no time", |l, r| {
        on_log(l, r, |row, r| row.created = [EVER, FOREVER][r.usize(0..2)])
    }),
    ("user of no time", |l, r| {
        on_user(l, r, |u, r| u.created = [EVER, FOREVER][r.usize(0..2)])
    }),
    ("cycle of no time", |l, r| {
        on_user(l, r, |u, r| u.cycle = [EVER, FOREVER][r.usize(0..2)])
    }),
    ("entry from 1970", |l, r| {
        on_entry(l, r, |e, _| e.created = 0)
    }),
    ("log row is back-dated", |l, r| {
        on_log(l, r, |row, _| shift(&mut row.created, -5 * DAY))
    }),
    ("user of an entry", change::other_user_of_entry),
    ("user of a log row", change::other_user_of_row),
    ("delete a log row", change::delete_log_row),
    ("delete a balance row", change::delete_balance_row),
    ("log row of nobody", change::log_row_of_nobody),
    ("nil user of an entry", |l, r| {
        let damage = on_entry(l, r, |e, _| e.user = NIL.to_owned());
        without(without(damage, store::NIL), store::FOREIGN_KEYS)
    }),
    ("nil user of a log row", |l, r| {
        let damage = on_log(l, r, |row, _| row.user = NIL.to_owned());
        without(damage, store::NIL)
    }),
    ("charge a failure", |l, r| {
        let failed = |row: &Logged| !row.success;
        on_some(l, r, failed, |row, r| row.credits = cents(r))
    }),
    ("charge an own key", |l, r| {
        on_some(l, r, |row| row.byok, |row, r| row.credits = cents(r))
    }),
    ("lose the cost", |l, r| {
        on_log(l, r, |row, _| row.credits = Num::ZERO)
    }),
    ("status without its error", |l, r| {
        on_log(l, r, |row, _| row.success = !row.success)
    }),
    ("count tokens wrongly", |l, r| {
        on_log(l, r, |row, r| row.tokens[2] += r.i64(1..9))
    }),
    ("negative tokens", |l, r| {
        on_log(l, r, |row, _| row.tokens[0] = -1)
    }),
    ("latency in microseconds", |l, r| {
        on_log(l, r, |row, _| row.latency = Some(90_000_000))
    }),
    ("echo a key", |l, r| {
        let text = format!("401 invalid key sk-{}-{}", "ant", "0a1B".repeat(9));
        let failed = |row: &Logged| !row.success;
        on_some(l, r, failed, move |row, _| row.error = Some(text.clone()))
    }),
    ("edit the counter", |l, r| {
        on_user(l, r, |u, r| u.used = u.used + cents(r))
    }),
    ("reset the counter", |l, r| {
        on_user(l, r, |u, _| u.used = Num::ZERO)
    }),
    ("negative counter", |l, r| {
        on_user(l, r, |u, _| u.used = Num::from(-1))
    }),
    ("upgrade half done", |l, r| {
        on_user(l, r, |u, _| u.allowance = Some(777))
    }),
    ("cycle in the future", |l, r| {
        on_user(l, r, |u, _| shift(&mut u.cycle, 60 * DAY))
    }),
    ("dead job", |l, r| {
        on_user(l, r, |u, _| shift(&mut u.cycle, -60 * DAY))
    }),
    ("created after its update", |l, r| {
        on_user(l, r, |u, _| u.created = u.updated.saturating_add(MINUTE))
    }),
    ("type of another dialect", |l, r| {
        on_entry(l, r, |e, _| e.kind = "debit")
    }),
    ("type to NULL", |l, r| {
        without(on_entry(l, r, |e, _| e.kind = NULL), NULLABLE)
    }),
    ("tier of another dialect", |l, r| {
        on_user(l, r, |u, _| u.tier = "gold")
    }),
    ("tier to NULL", |l, r| {
        without(on_user(l, r, |u, _| u.tier = NULL), NULLABLE)
    }),
    ("blank the reason", |l, r| {
        on_entry(l, r, |e, _| e.description = Some(" ".to_owned()))
    }),
    ("key to plaintext", |l, r| {
        on_key(l, r, |k, _| {
            k.ciphertext = format!("sk-{}-{}", "ant", "0a1B".repeat(9))
        })
    }),
    ("copy a ciphertext", change::copy_ciphertext),
    ("switch a default key off", |l, r| {
        on_key(l, r, |k, _| k.is_active = false)
    }),
    ("second default key", change::second_default),
    ("draw an id again", change::repeat_id),
    ("invalidate an index", objects::invalidate_index),
    ("drop an index", objects::drop_index),
    ("disable a trigger", objects::disable_trigger),
    ("row security", objects::row_security),
    ("shadow a table", objects::shadow_table),
    ("unlogged table", objects::unlogged_table),
];
