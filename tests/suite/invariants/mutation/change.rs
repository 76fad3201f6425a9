//! How an operator changes rows: one at random, or several that belong together.

use fastrand::Rng;
use rust_decimal::Decimal;

use super::ledger::{EVER, Entry, FOREVER, Key, Ledger, Logged, MINUTE, User};
use super::number::Num;
use super::operators::Damage;
use super::store::{CHECKS, FOREIGN_KEYS, UNIQUE};

/// Rows were changed, and what forbids it had to be dropped first.
pub fn done(what: String, ddl: &[&str]) -> Option<Damage> {
    Some(Damage {
        what,
        ddl: ddl.iter().map(|&ddl| ddl.to_owned()).collect(),
        ..Damage::default()
    })
}

/// With more that had to be dropped.
pub fn without(damage: Option<Damage>, ddl: &[&str]) -> Option<Damage> {
    let mut damage = damage?;
    damage.ddl.extend(ddl.iter().map(|&ddl| ddl.to_owned()));
    Some(damage)
}

pub fn index(rng: &mut Rng, length: usize) -> Option<usize> {
    (length > 0).then(|| rng.usize(0..length))
}

/// An amount to be wrong by: some credits, or the last decimal.
pub fn cents(rng: &mut Rng) -> Num {
    Num::Is(match rng.u8(0..4) {
        0 => Decimal::new(rng.i64(1..9), 8),
        _ => Decimal::new(rng.i64(1..90_000), 4),
    })
}

pub fn unit(rng: &mut Rng) -> Decimal {
    let ratio = Decimal::from([10, 100, 1000][rng.usize(0..3)]);
    if rng.bool() {
        ratio
    } else {
        Decimal::ONE / ratio
    }
}

pub fn to_cents(number: Decimal) -> Decimal {
    number.trunc_with_scale(2)
}

pub fn zone(rng: &mut Rng) -> i64 {
    [-480, -120, 60, 330, 540][rng.usize(0..5)] * MINUTE
}

/// Moves a time; the infinite ones stay where they are.
pub fn shift(at: &mut i64, by: i64) {
    if ![EVER, FOREVER].contains(at) {
        *at += by;
    }
}

pub fn infinite(rng: &mut Rng) -> Num {
    Num::Infinite(rng.bool())
}

pub fn on_entry(l: &mut Ledger, r: &mut Rng, change: fn(&mut Entry, &mut Rng)) -> Option<Damage> {
    let n = index(r, l.entries.len())?;
    change(&mut l.entries[n], r);
    done(format!("entry {}", l.entries[n].id), CHECKS)
}

pub fn on_user(l: &mut Ledger, r: &mut Rng, change: fn(&mut User, &mut Rng)) -> Option<Damage> {
    let n = index(r, l.users.len())?;
    change(&mut l.users[n], r);
    done(format!("user {}", l.users[n].id), CHECKS)
}

pub fn on_log(l: &mut Ledger, r: &mut Rng, change: fn(&mut Logged, &mut Rng)) -> Option<Damage> {
    on_some(l, r, |_| true, change)
}

pub fn on_some(
    l: &mut Ledger,
    r: &mut Rng,
    which: impl Fn(&Logged) -> bool,
    change: impl Fn(&mut Logged, &mut Rng),
) -> Option<Damage> {
    let mut rows: Vec<&mut Logged> = l.log.iter_mut().filter(|row| which(row)).collect();
    let n = index(r, rows.len())?;
    change(rows[n], r);
    done(format!("log row {}", rows[n].id), CHECKS)
}

pub fn on_key(l: &mut Ledger, r: &mut Rng, change: impl Fn(&mut Key, &mut Rng)) -> Option<Damage> {
    let n = index(r, l.keys.len())?;
    change(&mut l.keys[n], r);
    done(format!("key {}", l.keys[n].id), &[])
}

/// Places of a random user's entries, in the order of the chain.
fn chain(l: &Ledger, r: &mut Rng) -> Option<Vec<usize>> {
    let user = &l.entries[index(r, l.entries.len())?].user;
    let mut chain: Vec<usize> = (0..l.entries.len())
        .filter(|n| l.entries[*n].user == *user)
        .collect();
    chain.sort_by_key(|n| l.place(&l.entries[*n]));
    Some(chain)
}

/// The amount, every balance after it, and the balance row: the chain holds.
pub fn edit_consistently(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let chain = chain(l, r)?;
    let at = index(r, chain.len())?;
    let more = cents(r);
    let (id, user) = (l.entries[chain[at]].id, l.entries[chain[at]].user.clone());
    l.entries[chain[at]].amount = l.entries[chain[at]].amount + more;
    for n in &chain[at..] {
        l.entries[*n].after = l.entries[*n].after + more;
    }
    let row = l.users.iter_mut().find(|u| u.id == user)?;
    row.balance = row.balance + more;
    done(format!("entry {id} and all after it"), CHECKS)
}

/// One entry gets what another loses, and the balances between them follow.
pub fn edit_two(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let chain = chain(l, r)?;
    let first = index(r, chain.len().saturating_sub(1))?;
    let second = r.usize(first + 1..chain.len());
    let more = cents(r);
    let (a, b) = (chain[first], chain[second]);
    l.entries[a].amount = l.entries[a].amount + more;
    l.entries[b].amount = l.entries[b].amount - more;
    for n in &chain[first..second] {
        l.entries[*n].after = l.entries[*n].after + more;
    }
    let what = format!("entries {} and {}", l.entries[a].id, l.entries[b].id);
    done(what, CHECKS)
}

pub fn delete(l: &mut Ledger, r: &mut Rng, which: fn(&mut Rng, usize) -> usize) -> Option<Damage> {
    let chain = chain(l, r)?;
    let at = which(r, chain.len() - 1);
    done(format!("entry {}", l.entries.remove(chain[at]).id), &[])
}

/// Two entries of a chain, neighbours as often as not, change their places.
pub fn swap(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let chain = chain(l, r)?;
    let first = index(r, chain.len().saturating_sub(1))?;
    let end = if r.bool() { first + 2 } else { chain.len() };
    let (a, b) = (chain[first], chain[r.usize(first + 1..end)]);
    let (first, second) = (l.entries[a].clone(), l.entries[b].clone());
    (l.entries[a].id, l.entries[a].seq) = (second.id, second.seq);
    (l.entries[b].id, l.entries[b].seq) = (first.id, first.seq);
    done(format!("entries {} and {}", first.id, second.id), &[])
}

/// The same entry once more, at the end, by somebody who knows nothing of the balance row.
pub fn duplicate(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let chain = chain(l, r)?;
    let mut entry = l.entries[chain[index(r, chain.len())?]].clone();
    let what = format!("entry {}", entry.id);
    entry.seq = l.entries[*chain.last()?].seq + 1;
    entry.id = l.entries.iter().map(|e| e.id).max()? + 1;
    l.entries.push(entry);
    done(what, UNIQUE)
}

/// One entry gets the reference of another, of any user.
pub fn repeat_reference(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let (from, to) = (index(r, l.entries.len())?, index(r, l.entries.len())?);
    l.entries[to].reference = l.entries[from].reference.clone();
    done(
        format!("from entry {} to {}", l.entries[from].id, l.entries[to].id),
        UNIQUE,
    )
}

/// A refund gives back a little more than there was.
pub fn refund_too_much(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let refunds = (0..l.entries.len()).filter(|n| l.entries[*n].kind == "refund");
    let refunds: Vec<usize> = refunds.collect();
    let refund = refunds[index(r, refunds.len())?];
    let (kind, sign) = if l.entries[refund].amount < Num::ZERO {
        ("purchase", -1)
    } else {
        ("usage", 1)
    };
    let same = |e: &&Entry| {
        let refund = &l.entries[refund];
        e.kind == kind && e.user == refund.user && e.reference == refund.reference
    };
    let whole = -l.entries.iter().find(same)?.amount;
    l.entries[refund].amount = whole + Num::Is(Decimal::new(sign * r.i64(1..100), 8));
    done(format!("entry {}", l.entries[refund].id), CHECKS)
}

/// A writer that does not ask whether there is enough, of any user: one who got money back, too.
pub fn overspend(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let n = index(r, l.users.len())?;
    let balance = l.users[n].balance.finite()?;
    let amount = Num::Is(balance.max(Decimal::ZERO)) + cents(r);
    let request = format!("over_{}", l.entries.len());
    l.book(
        n,
        l.now - 5 * MINUTE,
        "usage",
        -amount,
        Some(&request),
        None,
    );
    done(format!("user {}", l.users[n].id), UNIQUE)
}

pub fn other_user_of_entry(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let at = index(r, l.entries.len())?;
    let user = l.users[index(r, l.users.len())?].id.clone();
    let seq = l.chain(&user).last().map_or(1, |last| last.seq + 1);
    (l.entries[at].user, l.entries[at].seq) = (user, seq);
    done(format!("entry {}", l.entries[at].id), UNIQUE)
}

pub fn other_user_of_row(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let at = index(r, l.log.len())?;
    l.log[at].user = if r.bool() {
        l.users[index(r, l.users.len())?].id.clone()
    } else {
        format!("{:08x}-0000-4000-9000-000000000000", r.u32(..))
    };
    done(format!("log row {}", l.log[at].id), UNIQUE)
}

/// A user whom nobody knows, and an id that says nothing.
pub fn log_row_of_nobody(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    on_log(l, r, |row, r| {
        let says_nothing = [None, Some(""), Some(" None"), Some("null"), Some("\t\n")];
        row.user = format!("{:08x}-0000-4000-9000-000000000001", r.u32(..));
        row.request = says_nothing[r.usize(0..says_nothing.len())].map(str::to_owned);
    })
}

pub fn delete_log_row(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let n = index(r, l.log.len())?;
    done(format!("log row {}", l.log.remove(n).id), &[])
}

pub fn delete_balance_row(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let n = index(r, l.users.len())?;
    done(format!("user {}", l.users.remove(n).id), FOREIGN_KEYS)
}

pub fn copy_ciphertext(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let text = l.keys[index(r, l.keys.len())?].ciphertext.clone();
    on_key(l, r, move |key, _| key.ciphertext.clone_from(&text))
}

pub fn second_default(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let mut key = l.keys[index(r, l.keys.len())?].clone();
    key.id = 1000 + i64::try_from(l.keys.len()).ok()?;
    key.ciphertext = format!("enc:v1:{:032x}", r.u128(..));
    l.keys.push(key.clone());
    done(
        format!("key {}", key.id),
        &["DROP INDEX IF EXISTS public.user_provider_keys_default_key"],
    )
}

/// A key gets the id of another user's.
pub fn repeat_id(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let (from, to) = (index(r, l.keys.len())?, index(r, l.keys.len())?);
    let (id, user) = (l.keys[from].id, l.keys[to].user.clone());
    if l.keys.iter().any(|key| (key.id, &key.user) == (id, &user)) {
        return None;
    }
    l.keys[to].id = id;
    done(format!("key {id}"), &[])
}
