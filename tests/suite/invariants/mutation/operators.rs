//! The ways to damage a ledger: each changes one place at random, and says what had to be dropped
//! from the schema first, where the schema forbids it.

use fastrand::Rng;
use rust_decimal::Decimal;

use super::ledger::{DAY, Entry, Key, Ledger, Logged, MINUTE, Num};
use super::store::{CHECKS, FOREIGN_KEYS, UNIQUE};

/// What was done, for the message of a failure, and the DDL that made it possible.
pub struct Damage {
    pub what: String,
    pub ddl: Vec<&'static str>,
    /// Findings about the schema, which the ledger does not show.
    pub found: Vec<(&'static str, &'static str)>,
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
    ("edit two consistently", edit_consistently),
    ("delete first", |l, r| delete(l, r, |_, _| 0)),
    ("delete middle", |l, r| {
        delete(l, r, |r, last| r.usize(0..=last))
    }),
    ("delete last", |l, r| delete(l, r, |_, last| last)),
    ("swap two", swap),
    ("duplicate", duplicate),
    ("repeat a reference", repeat_reference),
    ("reference to NULL", |l, r| {
        on_entry(l, r, |e, _| e.reference = None)
    }),
    ("request to NULL", |l, r| {
        on_log(l, r, |row, _| row.request = None)
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
        on_entry(l, r, |e, r| e.created += zone(r))
    }),
    ("shift a log row by a zone", |l, r| {
        on_log(l, r, |row, r| row.created += zone(r))
    }),
    ("entry from the future", |l, r| {
        on_entry(l, r, |e, _| e.created += 40 * DAY)
    }),
    ("log row from the future", |l, r| {
        on_log(l, r, |row, _| row.created += 40 * DAY)
    }),
    ("entry from 1970", |l, r| {
        on_entry(l, r, |e, _| e.created = 0)
    }),
    ("log row is back-dated", |l, r| {
        on_log(l, r, |row, _| row.created -= 5 * DAY)
    }),
    ("user of an entry", other_user_of_entry),
    ("user of a log row", other_user_of_row),
    ("delete a log row", |l, r| {
        let n = index(r, l.log.len())?;
        done(format!("log row {}", l.log.remove(n).id), &[])
    }),
    ("delete a balance row", |l, r| {
        let n = index(r, l.users.len())?;
        done(format!("user {}", l.users.remove(n).id), FOREIGN_KEYS)
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
        on_user(l, r, |u, _| u.cycle += 60 * DAY)
    }),
    ("dead job", |l, r| on_user(l, r, |u, _| u.cycle -= 60 * DAY)),
    ("created after its update", |l, r| {
        on_user(l, r, |u, _| u.created = u.updated + MINUTE)
    }),
    ("type of another dialect", |l, r| {
        on_entry(l, r, |e, _| e.kind = "debit")
    }),
    ("blank the reason", |l, r| {
        on_entry(l, r, |e, _| e.description = Some(" ".to_owned()))
    }),
    ("key to plaintext", |l, r| {
        on_key(l, r, |k, _| {
            k.ciphertext = format!("sk-{}-{}", "ant", "0a1B".repeat(9))
        })
    }),
    ("copy a ciphertext", |l, r| {
        let text = l.keys[index(r, l.keys.len())?].ciphertext.clone();
        on_key(l, r, move |k, _| k.ciphertext = text.clone())
    }),
    ("switch a default key off", |l, r| {
        on_key(l, r, |k, _| k.is_active = false)
    }),
    ("second default key", |l, r| {
        let mut key = l.keys[index(r, l.keys.len())?].clone();
        key.id = 1000 + i64::try_from(l.keys.len()).unwrap();
        key.ciphertext = format!("enc:v1:{:032x}", r.u128(..));
        l.keys.push(key.clone());
        done(
            format!("key {}", key.id),
            &["DROP INDEX IF EXISTS public.user_provider_keys_default_key"],
        )
    }),
    ("invalidate an index", |_, _| {
        schema(
            "UPDATE pg_catalog.pg_index SET indisvalid = false
              WHERE indexrelid = 'public.idx_llm_usage_log_request_id'::regclass",
            ("index-invalid", "index public.idx_llm_usage_log_request_id"),
        )
    }),
    ("disable a trigger", |l, _| {
        if !l.numbered {
            return None;
        }
        schema(
            "ALTER TABLE public.credit_transactions
                 DISABLE TRIGGER credit_transactions_number_entry",
            (
                "trigger-disabled",
                "trigger credit_transactions_number_entry of table public.credit_transactions",
            ),
        )
    }),
    ("row security", |_, _| {
        schema(
            "ALTER TABLE public.user_credits ENABLE ROW LEVEL SECURITY",
            ("row-security-hides", "table public.user_credits"),
        )
    }),
    ("shadow a table", |_, _| {
        schema(
            "CREATE SCHEMA IF NOT EXISTS tooling;
             CREATE TABLE tooling.user_credits ();
             DO $do$ BEGIN
                 EXECUTE format('ALTER DATABASE %I SET search_path = tooling, public',
                                current_database());
             END $do$",
            ("search-path-shadow", "tooling.user_credits"),
        )
    }),
];

fn done(what: String, ddl: &[&'static str]) -> Option<Damage> {
    let (ddl, found) = (ddl.to_vec(), Vec::new());
    Some(Damage { what, ddl, found })
}

fn schema(ddl: &'static str, found: (&'static str, &'static str)) -> Option<Damage> {
    let what = found.1.to_owned();
    Some(Damage {
        what,
        ddl: vec![ddl],
        found: vec![found],
    })
}

fn index(rng: &mut Rng, length: usize) -> Option<usize> {
    (length > 0).then(|| rng.usize(0..length))
}

fn cents(rng: &mut Rng) -> Num {
    Num::Is(Decimal::new(rng.i64(1..90_000), 4))
}

fn unit(rng: &mut Rng) -> Decimal {
    let ratio = Decimal::from([10, 100, 1000][rng.usize(0..3)]);
    if rng.bool() {
        ratio
    } else {
        Decimal::ONE / ratio
    }
}

fn to_cents(number: Decimal) -> Decimal {
    number.trunc_with_scale(2)
}

fn zone(rng: &mut Rng) -> i64 {
    [-480, -120, 60, 330, 540][rng.usize(0..5)] * MINUTE
}

fn on_entry(l: &mut Ledger, r: &mut Rng, change: fn(&mut Entry, &mut Rng)) -> Option<Damage> {
    let n = index(r, l.entries.len())?;
    change(&mut l.entries[n], r);
    done(format!("entry {}", l.entries[n].id), CHECKS)
}

fn on_user(
    l: &mut Ledger,
    r: &mut Rng,
    change: fn(&mut super::ledger::User, &mut Rng),
) -> Option<Damage> {
    let n = index(r, l.users.len())?;
    change(&mut l.users[n], r);
    done(format!("user {}", l.users[n].id), CHECKS)
}

fn on_log(l: &mut Ledger, r: &mut Rng, change: fn(&mut Logged, &mut Rng)) -> Option<Damage> {
    on_some(l, r, |_| true, change)
}

fn on_some(
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

fn on_key(l: &mut Ledger, r: &mut Rng, change: impl Fn(&mut Key, &mut Rng)) -> Option<Damage> {
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
fn edit_consistently(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
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

fn delete(l: &mut Ledger, r: &mut Rng, which: fn(&mut Rng, usize) -> usize) -> Option<Damage> {
    let chain = chain(l, r)?;
    let at = which(r, chain.len() - 1);
    done(format!("entry {}", l.entries.remove(chain[at]).id), &[])
}

/// Two neighbours in the chain change their places.
fn swap(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let chain = chain(l, r)?;
    let at = index(r, chain.len().saturating_sub(1))?;
    let (a, b) = (chain[at], chain[at + 1]);
    let (first, second) = (l.entries[a].clone(), l.entries[b].clone());
    (l.entries[a].id, l.entries[a].seq) = (second.id, second.seq);
    (l.entries[b].id, l.entries[b].seq) = (first.id, first.seq);
    done(format!("entries {} and {}", first.id, second.id), &[])
}

/// The same entry once more, at the end, by somebody who knows nothing of the balance row.
fn duplicate(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let chain = chain(l, r)?;
    let mut entry = l.entries[chain[index(r, chain.len())?]].clone();
    let what = format!("entry {}", entry.id);
    entry.seq = l.entries[*chain.last()?].seq + 1;
    entry.id = l.entries.iter().map(|e| e.id).max()? + 1;
    l.entries.push(entry);
    done(what, UNIQUE)
}

/// One entry gets the reference of another, of any user.
fn repeat_reference(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let (from, to) = (index(r, l.entries.len())?, index(r, l.entries.len())?);
    l.entries[to].reference = l.entries[from].reference.clone();
    done(
        format!("from entry {} to {}", l.entries[from].id, l.entries[to].id),
        UNIQUE,
    )
}

fn other_user_of_entry(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let at = index(r, l.entries.len())?;
    let user = l.users[index(r, l.users.len())?].id.clone();
    let seq = l.chain(&user).last().map_or(1, |last| last.seq + 1);
    (l.entries[at].user, l.entries[at].seq) = (user, seq);
    done(format!("entry {}", l.entries[at].id), UNIQUE)
}

fn other_user_of_row(l: &mut Ledger, r: &mut Rng) -> Option<Damage> {
    let at = index(r, l.log.len())?;
    l.log[at].user = if r.bool() {
        l.users[index(r, l.users.len())?].id.clone()
    } else {
        format!("{:08x}-0000-4000-9000-000000000000", r.u32(..))
    };
    done(format!("log row {}", l.log[at].id), UNIQUE)
}
