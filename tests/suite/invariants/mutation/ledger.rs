//! A ledger in memory: what the tables hold, and a generator of correct ones.

use fastrand::Rng;
use rust_decimal::Decimal;

use super::number::Num;

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const DAY: i64 = 24 * 60 * MINUTE;

/// Credits that a package holds; also the allowances that go with the tiers.
pub const PACKAGES: [i64; 4] = [100, 500, 1000, 5000];
pub const TIERS: [(&str, Option<i64>); 4] = [
    ("enterprise", None),
    ("trial", Some(100)),
    ("starter", Some(1000)),
    ("professional", Some(10_000)),
];

/// A day since 1970.
pub fn date(day: i64) -> jiff::civil::Date {
    let at = jiff::Timestamp::from_second(day * 86_400).unwrap();
    at.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// The reference of what settles the requests without an id, up to a day.
pub fn settlement(day: i64) -> String {
    format!("usage of {}", date(day))
}

/// A tier or a type that is missing.
pub const NULL: &str = "NULL";

/// Times are microseconds since 1970; these two are `infinity` and `-infinity`.
pub const FOREVER: i64 = i64::MAX;
pub const EVER: i64 = i64::MIN;

/// A row of `user_credits`.
#[derive(Clone, Debug)]
pub struct User {
    pub id: String,
    pub balance: Num,
    pub tier: &'static str,
    pub allowance: Option<i64>,
    pub used: Num,
    pub cycle: i64,
    pub created: i64,
    pub updated: i64,
    pub last_seq: i64,
}

/// A row of `credit_transactions`; `seq` is written from schema 1.1.0 on.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: i64,
    pub user: String,
    pub seq: i64,
    pub kind: &'static str,
    pub amount: Num,
    pub after: Num,
    pub reference: Option<String>,
    pub description: Option<String>,
    pub created: i64,
}

/// A row of `llm_usage_log`.
#[derive(Clone, Debug)]
pub struct Logged {
    pub id: i64,
    pub user: String,
    pub request: Option<String>,
    pub model: &'static str,
    pub tokens: [i64; 3],
    pub credits: Num,
    pub latency: Option<i64>,
    pub success: bool,
    pub error: Option<String>,
    pub byok: bool,
    pub created: i64,
}

/// A row of `user_provider_keys`.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: i64,
    pub user: String,
    pub ciphertext: String,
    pub is_default: bool,
    pub is_active: bool,
    pub created: i64,
    pub updated: i64,
}

#[derive(Clone, Debug)]
pub struct Ledger {
    pub now: i64,
    /// Whether the schema numbers the entries.
    pub numbered: bool,
    pub users: Vec<User>,
    pub entries: Vec<Entry>,
    pub log: Vec<Logged>,
    pub keys: Vec<Key>,
}

impl Ledger {
    /// The entries of a user, in the order of the chain.
    pub fn chain(&self, user: &str) -> Vec<&Entry> {
        let mut chain: Vec<&Entry> = self.entries.iter().filter(|e| e.user == user).collect();
        chain.sort_by_key(|entry| self.place(entry));
        chain
    }

    pub fn place(&self, entry: &Entry) -> (i64, i64) {
        (if self.numbered { entry.seq } else { 0 }, entry.id)
    }

    pub fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// A correct ledger of some users and two or three weeks.
    pub fn correct(rng: &mut Rng, now: i64, numbered: bool) -> Self {
        let began = now - 20 * DAY;
        let mut ledger = Self {
            now,
            numbered,
            users: Vec::new(),
            entries: Vec::new(),
            log: Vec::new(),
            keys: Vec::new(),
        };
        for n in 0..rng.i64(8..12) {
            let id = format!("{:08x}-0000-4000-8000-{n:012x}", rng.u32(..));
            let (tier, allowance) = TIERS[usize::try_from(n).unwrap() % TIERS.len()];
            ledger.keys.push(Key {
                id: n + 1,
                user: id.clone(),
                ciphertext: format!("enc:v1:{:016x}{:016x}", rng.u64(..), rng.u64(..)),
                is_default: true,
                is_active: true,
                created: began,
                updated: began,
            });
            ledger.users.push(User {
                id,
                balance: Num::ZERO,
                tier,
                allowance,
                used: Num::ZERO,
                cycle: began + rng.i64(0..10) * DAY,
                created: began,
                updated: began,
                last_seq: 0,
            });
        }
        let mut at = began;
        for step in 0..ledger.users.len() * 14 {
            at += rng.i64(20 * MINUTE..150 * MINUTE);
            let user = if step < ledger.users.len() {
                step
            } else {
                rng.usize(0..ledger.users.len())
            };
            ledger.event(rng, user, at, step < ledger.users.len());
        }
        ledger.pending(rng);
        ledger
    }

    /// Log and debit are two calls: what is younger than the grace window may lack the other half.
    fn pending(&mut self, rng: &mut Rng) {
        let solvent = (0..self.users.len()).filter(|n| self.users[*n].balance >= Num::ZERO);
        let solvent: Vec<usize> = solvent.collect();
        let user = solvent[rng.usize(0..solvent.len())];
        let at = self.now - 5 * MINUTE;
        self.book(user, at, "bonus", Num::from(30), Some("pending"), None);
        let charge = Num::Is(Decimal::new(125, 2));
        self.book(user, at, "usage", -charge, Some("req_unlogged"), None);
        let id = self.users[user].id.clone();
        self.log(
            at + SECOND,
            id,
            Some("req_unbilled".to_owned()),
            100,
            charge,
        );
    }

    /// Something happens to a user.
    fn event(&mut self, rng: &mut Rng, user: usize, at: i64, is_first: bool) {
        let n = self.entries.len() + self.log.len();
        let is_free = self.users[user].tier == "enterprise";
        match if is_first { 0 } else { rng.u8(0..20) } {
            0 | 1 => self.purchase(rng, user, at),
            2 => {
                let amount = Num::from(rng.i64(1..60));
                self.book(user, at, "bonus", amount, Some(&format!("promo_{n}")), None);
            }
            3 => {
                let amount = Num::from(rng.i64(-20..20) * 2 + 1);
                let case = format!("case_{n}");
                self.book(
                    user,
                    at,
                    "admin_adjustment",
                    amount,
                    Some(&case),
                    Some("Agreed"),
                );
            }
            4 | 5 => self.refund(rng, user, at),
            6 => {
                let id = self.users[user].id.clone();
                self.log(
                    at,
                    id,
                    Some(format!("req_{n}")),
                    rng.i64(10..2000),
                    Num::ZERO,
                );
                let row = self.log.last_mut().unwrap();
                (row.success, row.error) = (false, Some("503 overloaded".to_owned()));
                row.request = row.request.take().filter(|_| rng.bool());
            }
            7 => {
                let id = self.users[user].id.clone();
                self.log(
                    at,
                    id,
                    Some(format!("req_{n}")),
                    rng.i64(10..2000),
                    Num::ZERO,
                );
                self.log.last_mut().unwrap().byok = true;
            }
            8 => self.unnamed(rng, user, at),
            _ => {
                let tokens = rng.i64(20..4000);
                let cost = Num::Is(Decimal::new(tokens * rng.i64(150_000..450_000), 8));
                let row = &self.users[user];
                let is_over = row
                    .allowance
                    .is_some_and(|most| row.used + cost > most.into());
                if (cost > row.balance || is_over) && !is_free {
                    return self.purchase(rng, user, at);
                }
                let request = format!("req_{n}");
                // Some are charged too little, and corrected by the difference.
                let is_short = rng.u8(0..6) == 0;
                let short = Num::Is(Decimal::new(i64::from(is_short), 2));
                self.book(user, at, "usage", short - cost, Some(&request), None);
                if is_short {
                    let (kind, why) = ("admin_adjustment", Some("Charged too little"));
                    self.book(user, at + SECOND, kind, -short, Some(&request), why);
                }
                let id = self.users[user].id.clone();
                self.log(at + 3 * SECOND, id, Some(request), tokens, cost);
                self.log.last_mut().unwrap().model = ["gpt-4", "o9"][rng.usize(0..2)];
            }
        }
    }

    /// A request without an id was charged and never logged. The day is settled once, whatever else
    /// it brings.
    fn unnamed(&mut self, rng: &mut Rng, user: usize, at: i64) {
        let cost = Num::Is(Decimal::new(rng.i64(1..100), 3));
        let row = &self.users[user];
        let is_over = row
            .allowance
            .is_some_and(|most| row.used + cost > most.into());
        if cost > row.balance || is_over {
            return self.purchase(rng, user, at);
        }
        self.book(user, at, "usage", -cost, None, None);
        let name = settlement(at.div_euclid(DAY));
        let id = &self.users[user].id;
        let is_it = |e: &Entry| e.user == *id && e.reference.as_ref() == Some(&name);
        if !self.entries.iter().any(is_it) {
            let (kind, why) = ("admin_adjustment", Some("Not served"));
            self.book(user, at + SECOND, kind, cost, Some(&name), why);
        }
    }

    fn purchase(&mut self, rng: &mut Rng, user: usize, at: i64) {
        let payment = format!("pi_{}", self.entries.len());
        let amount = Num::from(PACKAGES[rng.usize(0..PACKAGES.len())]);
        self.book(user, at, "purchase", amount, Some(&payment), None);
    }

    /// Gives an entry back, in whole or in up to three parts, which was not given back before. The
    /// log keeps what was charged, or says what is left.
    fn refund(&mut self, rng: &mut Rng, user: usize, at: i64) {
        let id = self.users[user].id.clone();
        let refunded = |e: &Entry| {
            let same = |r: &Entry| r.kind == "refund" && r.reference == e.reference;
            self.entries.iter().any(same)
        };
        let candidates: Vec<&Entry> = (self.entries.iter())
            .filter(|e| e.user == id && ["usage", "purchase"].contains(&e.kind) && !refunded(e))
            .filter(|e| e.reference.is_some())
            .collect();
        if candidates.is_empty() {
            return;
        }
        let origin = candidates[rng.usize(0..candidates.len())].clone();
        let reference = origin.reference.clone().unwrap_or_default();
        let part = Decimal::new([10, 5, 2][rng.usize(0..3)], 1);
        let amount = -origin.amount.times(part);
        let why = Some("Cut off");
        self.book(user, at, "refund", amount, Some(&reference), why);
        let more = if part == Decimal::new(2, 1) {
            rng.i64(0..3)
        } else {
            0
        };
        for n in 2..2 + more {
            let kind = "admin_adjustment";
            let is_it =
                |e: &Entry| (&e.user, e.kind, &e.reference) == (&id, kind, &origin.reference);
            let name = match self.entries.iter().any(is_it) {
                true => format!("{reference} part {n}"),
                false => reference.clone(),
            };
            self.book(user, at + n * SECOND, kind, amount, Some(&name), why);
        }
        let is_it = |row: &&mut Logged| row.user == id && row.request == origin.reference;
        let row = self.log.iter_mut().find(is_it);
        if let Some(row) = row.filter(|_| part < Decimal::ONE && rng.bool()) {
            let parts = format!("{reference} part ");
            let is_of_it = |r: &String| *r == reference || r.starts_with(&parts);
            let of_it = (self.entries.iter())
                .filter(|e| e.user == id && e.reference.as_ref().is_some_and(is_of_it));
            row.credits = -of_it.map(|e| e.amount).sum::<Num>();
        }
    }

    /// Appends an entry as the functions do.
    pub fn book(
        &mut self,
        user: usize,
        at: i64,
        kind: &'static str,
        amount: Num,
        reference: Option<&str>,
        description: Option<&str>,
    ) {
        let id = self.entries.iter().map(|e| e.id).max().unwrap_or(0) + 1;
        let user = &mut self.users[user];
        user.balance = user.balance + amount;
        user.last_seq += 1;
        user.updated = at;
        if kind == "usage" && at >= user.cycle {
            user.used = user.used - amount;
        }
        self.entries.push(Entry {
            id,
            user: user.id.clone(),
            seq: user.last_seq,
            kind,
            amount,
            after: user.balance,
            reference: reference.map(str::to_owned),
            description: description.map(str::to_owned),
            created: at,
        });
    }

    fn log(&mut self, at: i64, user: String, request: Option<String>, tokens: i64, cost: Num) {
        let prompt = tokens / 2;
        self.log.push(Logged {
            id: self.log.iter().map(|row| row.id).max().unwrap_or(0) + 1,
            user,
            request,
            model: "gpt-4",
            tokens: [prompt, tokens - prompt, tokens],
            credits: cost,
            latency: Some(1800),
            success: true,
            error: None,
            byok: false,
            created: at,
        });
    }
}
