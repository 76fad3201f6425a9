//! Why a chain broke: the most likely cause of a break, from its numbers alone.
//!
//! Three words are used throughout: an entry *starts* from `balance_after - amount`, the balance
//! that its writer believed in; that is *expected* to be the balance after the previous entry;
//! where it is not, the chain *breaks*.

use rust_decimal::Decimal;

/// Two equal credits within so many seconds are taken for one event that arrived twice.
const SAME_EVENT_SECONDS: f64 = 600.0;

/// Ratios between units that get mixed up: cents, per mille, thousands of tokens.
const UNIT_RATIOS: [i64; 3] = [10, 100, 1000];

/// Decimals from which on a cut amount is rounding and nothing else.
const FINE_DECIMALS: u32 = 2;

/// Another entry of the same user.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Neighbour {
    pub id: String,
    /// The balance that its writer believed in.
    pub start: Option<Decimal>,
}

/// The entry before the break.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Previous {
    pub id: String,
    pub balance: Option<Decimal>,
    pub amount: Option<Decimal>,
    pub start: Option<Decimal>,
    pub created_at: String,
    pub same_type: bool,
    pub same_reference: bool,
    pub seconds_apart: f64,
}

/// An entry that does not follow from the one before it. Amounts are `None` when they are NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Break {
    pub user: String,
    pub id: String,
    pub created_at: String,
    pub amount: Option<Decimal>,
    pub balance_after: Option<Decimal>,
    pub expected: Option<Decimal>,
    pub difference: Option<Decimal>,
    pub start: Option<Decimal>,
    pub previous: Option<Previous>,
    /// The second and the third entry before this one.
    pub earlier: Vec<Neighbour>,
    pub next: Option<Neighbour>,
    /// The first and the last number (`entry_seq`) that no entry has, between the entry before and
    /// this one; none before schema 1.1.0.
    pub gap: Option<(i64, i64)>,
    /// `user_credits.balance`.
    pub stored_balance: Option<Decimal>,
}

/// A cause and the numbers that led to it.
pub(super) type Cause = (&'static str, String);

impl Break {
    /// Whether the next entry starts as if this one had been right: then the chain breaks twice
    /// and only this entry is wrong.
    pub fn is_undone_by_next(&self) -> bool {
        let start = self.next.as_ref().and_then(|next| next.start);
        start.is_some() && start == self.expected
    }

    /// The most likely cause. The order matters: what explains the number exactly comes before
    /// what merely fits it.
    pub fn cause(&self, alone: bool, missing: Option<&String>) -> Cause {
        if self.difference.is_none() {
            let detail = format!(
                "amount is {}, balance_after is {}, the balance before it is {}",
                number(self.amount),
                number(self.balance_after),
                number(
                    self.previous
                        .as_ref()
                        .map_or(Some(Decimal::ZERO), |p| p.balance)
                )
            );
            return ("unknown", detail);
        }
        self.gap_in_numbers(missing)
            .or_else(|| self.same_start())
            .or_else(|| self.clamped())
            .or_else(|| self.truncation(FINE_DECIMALS))
            .or_else(|| self.unit_mix())
            .or_else(|| self.edited_balance())
            .or_else(|| self.deleted_entry(missing))
            .or_else(|| self.truncation(0))
            .unwrap_or_else(|| self.unlogged(alone))
    }

    /// Numbers are missing here, and what their entries did is missing from the sum. The numbers
    /// say so, whatever the balances look like; unless the next entry knows a balance without them.
    fn gap_in_numbers(&self, missing: Option<&String>) -> Option<Cause> {
        let (first, last) = self.gap.filter(|_| !self.is_undone_by_next())?;
        let numbers = if first == last {
            format!("no entry has the number {first}")
        } else {
            format!("no entries have the numbers {first} to {last}")
        };
        let change = number(self.difference);
        let cost = missing.map_or_else(String::new, |request| {
            format!(", which is what logged request \"{request}\" cost")
        });
        let detail = format!("{numbers}, and the balance changed by {change} meanwhile{cost}");
        Some(("deleted-entry", detail))
    }

    /// Two writers read one balance: the later one wiped out what the earlier one did.
    fn same_start(&self) -> Option<Cause> {
        let previous = self.previous.as_ref()?;
        let (id, start) = (&self.id, number(self.start));
        if previous.start != self.start {
            let other = self.earlier.iter().find(|e| e.start == self.start)?;
            let detail = format!("entries {} and {id} both start from {start}", other.id);
            return Some(("lost-update", detail));
        }
        let both = format!("entries {} and {id} both start from {start}", previous.id);
        let twins = previous.same_type && previous.amount == self.amount;
        let apart = previous.seconds_apart;
        let near = apart <= SAME_EVENT_SECONDS;
        let same = if previous.same_reference {
            "have the same reference"
        } else {
            "have no common reference"
        };
        let alike = format!(
            "{both}, change the balance by {}, {same} and are {apart:.0} s apart",
            number(self.amount)
        );
        if twins && self.amount > Some(Decimal::ZERO) && (previous.same_reference || near) {
            return Some(("repeated-webhook", alike));
        }
        if twins && (previous.same_reference || apart == 0.0) {
            return Some(("duplicated-entry", alike));
        }
        let lost = number(previous.amount);
        Some((
            "lost-update",
            format!("{both}; the change of {lost} is lost"),
        ))
    }

    fn clamped(&self) -> Option<Cause> {
        let is_clamped =
            self.balance_after == Some(Decimal::ZERO) && self.expected < Some(Decimal::ZERO);
        let detail = || {
            format!(
                "balance_after is 0 where {} was due: the debit is larger than the balance",
                number(self.expected)
            )
        };
        is_clamped.then(|| ("clamped", detail()))
    }

    /// The balance after has lost decimals, at least `from` of which are left.
    fn truncation(&self, from: u32) -> Option<Cause> {
        let (balance, difference) = (self.balance_after?, self.difference?);
        let decimals = balance.normalize().scale();
        let unit = Decimal::try_new(1, decimals).ok()?;
        let cut = decimals >= from && difference.abs() < unit;
        cut.then(|| {
            let detail = format!(
                "balance_after is {} cut to {decimals} decimals",
                number(self.expected)
            );
            ("truncation", detail)
        })
    }

    fn unit_mix(&self) -> Option<Cause> {
        let before = self
            .previous
            .as_ref()
            .map_or(Some(Decimal::ZERO), |p| p.balance)?;
        let (amount, balance, expected) = (self.amount?, self.balance_after?, self.expected?);
        let step = balance.checked_sub(before)?;
        let pairs = [
            (step, amount, "the balance moved by", "for an amount of"),
            (balance, expected, "balance_after is", "where this was due:"),
        ];
        pairs.iter().find_map(|(is, due, verb, preposition)| {
            let ratio = unit_ratio(*is, *due)?;
            let (is, due) = (number(Some(*is)), number(Some(*due)));
            let detail = format!("{verb} {is} {preposition} {due}, {ratio}");
            Some(("unit-mix", detail))
        })
    }

    /// Only this entry is wrong: what came after it knows the right balance.
    fn edited_balance(&self) -> Option<Cause> {
        let witness = match &self.next {
            Some(next) if self.is_undone_by_next() => format!("entry {} starts from", next.id),
            None if self.stored_balance.is_some() && self.stored_balance == self.expected => {
                "user_credits.balance is".to_owned()
            }
            _ => return None,
        };
        let detail = format!(
            "{witness} {}, as if this balance_after were right",
            number(self.expected)
        );
        Some(("edited-balance", detail))
    }

    fn deleted_entry(&self, missing: Option<&String>) -> Option<Cause> {
        let detail = format!(
            "the balance changed by {}, which is what logged request \"{}\" cost, and that request \
             has no entry",
            number(self.difference),
            missing?
        );
        Some(("deleted-entry", detail))
    }

    /// The balance changed between two entries, and nothing says why.
    fn unlogged(&self, alone: bool) -> Cause {
        let start = number(self.start);
        let difference = number(self.difference);
        let Some(previous) = &self.previous else {
            let detail = format!(
                "the first entry starts from {start} instead of 0: an opening balance without an \
                 entry, or entries before it were deleted"
            );
            return ("unlogged-write", detail);
        };
        let gap = format!(
            "entry {} ends at {}, entry {} starts from {start}",
            previous.id,
            number(previous.balance),
            self.id
        );
        if alone && self.next.is_some() {
            let detail = format!("{gap}; every later entry is off by the same {difference}");
            return ("constant-offset", detail);
        }
        (
            "unlogged-write",
            format!("{gap}; no entry explains {difference}"),
        )
    }
}

/// `100 times as much` and the like, when two amounts are exactly a unit apart.
fn unit_ratio(is: Decimal, due: Decimal) -> Option<String> {
    if is.is_zero() || due.is_zero() {
        return None;
    }
    UNIT_RATIOS.iter().find_map(|ratio| {
        let factor = Decimal::from(*ratio);
        if due.checked_mul(factor) == Some(is) {
            Some(format!("{ratio} times as much"))
        } else if is.checked_mul(factor) == Some(due) {
            Some(format!("a {ratio}th of it"))
        } else {
            None
        }
    })
}

/// An amount without useless zeros.
pub(super) fn number(amount: Option<Decimal>) -> String {
    amount.map_or_else(|| "NaN".to_owned(), |a| a.normalize().to_string())
}

#[cfg(test)]
mod tests;
