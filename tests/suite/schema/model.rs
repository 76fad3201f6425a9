//! The ledger in plain Rust: what the functions return and leave behind at each version, written
//! from the design and not from their code. What is called, and how the database compares, is in
//! `histories`.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};
use uuid::Uuid;

use super::{Answer, Arguments};

const TYPES: [&str; 5] = ["purchase", "usage", "refund", "admin_adjustment", "bonus"];

/// A row of `user_credits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub balance: Decimal,
    pub used: Decimal,
    pub tier: String,
    pub allowance: Option<Decimal>,
}

impl Account {
    pub fn new(tier: &str, allowance: Option<Decimal>) -> Self {
        let (balance, used) = (Decimal::ZERO, Decimal::ZERO);
        let tier = tier.to_owned();
        Self {
            balance,
            used,
            tier,
            allowance,
        }
    }

    /// What `get_quota_usage_percentage` returns.
    pub fn quota(&self) -> Option<Decimal> {
        let allowance = self.allowance.filter(|allowance| !allowance.is_zero())?;
        let percent = self.used / allowance * Decimal::ONE_HUNDRED;
        Some(percent.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero))
    }
}

/// A row of `credit_transactions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: i64,
    pub user: Uuid,
    pub kind: String,
    pub amount: Decimal,
    pub balance_after: Decimal,
    pub reference: Option<String>,
    pub description: Option<String>,
}

/// Everything that a transaction can take back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    pub accounts: BTreeMap<Uuid, Account>,
    pub entries: Vec<Entry>,
}

/// A ledger and the one thing that no rollback takes back.
#[derive(Debug, Default)]
pub struct Model {
    pub ledger: Ledger,
    /// How many ids the sequence has given out.
    pub drawn: i64,
    /// Whether a reference is booked once: since schema 1.2.0.
    pub books_once: bool,
}

/// 10^12: balances and amounts stay below it.
fn limit() -> Decimal {
    Decimal::from(1_000_000_000_000_u64)
}

impl Model {
    /// The answer, or the SQLSTATE.
    pub fn call(&mut self, direction: &str, with: &Arguments) -> Result<Answer, &'static str> {
        let (user, amount, kind) = valid(direction, with)?;
        let adds = direction == "add";
        let refused = |new_balance| Answer {
            success: false,
            new_balance,
            transaction_id: None,
        };
        let missing = Account::new("trial", Some(Decimal::ONE_HUNDRED));
        let mut account = match self.ledger.accounts.get(&user) {
            Some(account) => account.clone(),
            None if adds => missing,
            None => return Ok(refused(None)),
        };
        let signed = if adds { amount } else { -amount };
        let first = self.booked(user, kind, with.reference);
        if let Some(first) = first.filter(|_| self.books_once) {
            return if first.amount == signed {
                Ok(Answer {
                    success: true,
                    new_balance: Some(first.balance_after),
                    transaction_id: Some(first.id),
                })
            } else {
                Err("UC013")
            };
        }
        let usage = kind == "usage";
        if usage && account.tier != "enterprise" && amount > account.balance {
            return Ok(refused(Some(account.balance)));
        }
        account.balance += signed;
        if account.balance.abs() >= limit() {
            return Err("UC011");
        }
        if usage {
            account.used += amount;
        }
        let balance_after = account.balance;
        self.drawn += 1;
        self.ledger.accounts.insert(user, account);
        self.ledger.entries.push(Entry {
            id: self.drawn,
            user,
            kind: kind.to_owned(),
            amount: signed,
            balance_after,
            reference: with.reference.map(str::to_owned),
            description: with.description.map(str::to_owned),
        });
        Ok(Answer {
            success: true,
            new_balance: Some(balance_after),
            transaction_id: Some(self.drawn),
        })
    }
}

impl Model {
    /// The entry of a reference that says something.
    fn booked(&self, user: Uuid, kind: &str, reference: Option<&str>) -> Option<&Entry> {
        let silent = ["", "None", "null", "undefined"];
        let said = reference.filter(|r| !silent.contains(&r.trim_matches(' ')))?;
        self.ledger.entries.iter().find(|entry| {
            entry.user == user && entry.kind == kind && entry.reference.as_deref() == Some(said)
        })
    }
}

/// User, amount and type, when there is nothing wrong with them.
fn valid<'a>(
    direction: &str,
    with: &Arguments<'a>,
) -> Result<(Uuid, Decimal, &'a str), &'static str> {
    let user = with.user.ok_or("UC001")?;
    let amount = match with.amount.ok_or("UC002")? {
        "NaN" => return Err("UC003"),
        "Infinity" | "-Infinity" => return Err("UC004"),
        number => number.parse::<Decimal>().unwrap().normalize(),
    };
    if amount.is_zero() {
        return Err("UC005");
    }
    if amount < Decimal::ZERO {
        return Err("UC006");
    }
    if amount.scale() > 8 {
        return Err("UC007");
    }
    if amount >= limit() {
        return Err("UC008");
    }
    let kind = with
        .kind
        .filter(|kind| TYPES.contains(kind))
        .ok_or("UC009")?;
    let fits = match direction {
        "add" => kind != "usage",
        _ => !["purchase", "bonus"].contains(&kind),
    };
    if fits {
        Ok((user, amount, kind))
    } else {
        Err("UC010")
    }
}
