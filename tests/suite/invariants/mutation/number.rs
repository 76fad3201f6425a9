//! A numeric of the server, with everything that it can be: NULL, NaN, infinite, or a number.

use std::cmp::Ordering;
use std::ops::{Add, Neg, Sub};

use rust_decimal::Decimal;

/// `<` and `>` are the server's: NaN is above infinity, and false with NULL. `==` is
/// `IS NOT DISTINCT FROM`: NULL and NaN are equal to themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Num {
    Null,
    Is(Decimal),
    /// Above or below every number.
    Infinite(bool),
    NaN,
}

impl Num {
    pub const ZERO: Self = Self::Is(Decimal::ZERO);

    pub fn times(self, factor: Decimal) -> Self {
        self.map(|number| (number * factor).round_dp(8))
    }

    /// Changes a number, and nothing else.
    pub fn map(self, change: impl FnOnce(Decimal) -> Decimal) -> Self {
        match self {
            Self::Is(number) => Self::Is(change(number)),
            other => other,
        }
    }

    pub fn finite(self) -> Option<Decimal> {
        match self {
            Self::Is(number) => Some(number),
            _ => None,
        }
    }

    pub fn is_nan(self) -> bool {
        self == Self::NaN
    }

    /// `coalesce(…, 0)`.
    pub fn or_zero(self) -> Self {
        if self == Self::Null { Self::ZERO } else { self }
    }

    /// The place in an order of all values, NULL last.
    pub fn rank(self) -> (u8, Decimal) {
        match self {
            Self::Infinite(false) => (0, Decimal::ZERO),
            Self::Is(number) => (1, number),
            Self::Infinite(true) => (2, Decimal::ZERO),
            Self::NaN => (3, Decimal::ZERO),
            Self::Null => (4, Decimal::ZERO),
        }
    }

    /// As the server writes it, or NULL.
    pub fn sql(self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            other => format!("'{other}'"),
        }
    }
}

/// The least and the greatest of the values that are not NULL.
pub fn extremes(numbers: impl Iterator<Item = Num>) -> Option<(Num, Num)> {
    let mut numbers: Vec<Num> = numbers.filter(|n| *n != Num::Null).collect();
    numbers.sort_by_key(|n| n.rank());
    Some((*numbers.first()?, *numbers.last()?))
}

impl PartialOrd for Num {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let either = [*self, *other].contains(&Self::Null);
        (!either).then(|| self.rank().cmp(&other.rank()))
    }
}

impl From<i64> for Num {
    fn from(number: i64) -> Self {
        Self::Is(number.into())
    }
}

impl Add for Num {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => Self::Null,
            (Self::Is(a), Self::Is(b)) => Self::Is(a + b),
            (Self::Infinite(a), Self::Infinite(b)) if a == b => self,
            (Self::Infinite(_), Self::Is(_)) => self,
            (Self::Is(_), Self::Infinite(_)) => other,
            _ => Self::NaN,
        }
    }
}

impl Neg for Num {
    type Output = Self;
    fn neg(self) -> Self {
        match self {
            Self::Infinite(above) => Self::Infinite(!above),
            other => other.map(|number| -number),
        }
    }
}

impl Sub for Num {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

/// NULLs do not count; a sum of nothing else is NULL, a sum of no rows is taken for 0.
impl std::iter::Sum for Num {
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        let add = |sum: Option<Self>, number: Self| match (sum, number) {
            (Some(sum), Self::Null) => Some(sum),
            (Some(Self::Null) | None, number) => Some(number),
            (Some(sum), number) => Some(sum + number),
        };
        numbers.fold(None, add).unwrap_or(Self::ZERO)
    }
}

impl std::fmt::Display for Num {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Is(number) => number.normalize().fmt(f),
            Self::Infinite(true) => f.write_str("Infinity"),
            Self::Infinite(false) => f.write_str("-Infinity"),
            Self::NaN => f.write_str("NaN"),
        }
    }
}
