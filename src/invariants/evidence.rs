//! What evaluating a check yields, and reading it out of rows.

use std::str::FromStr;

use postgres::Row;
use rust_decimal::Decimal;

use crate::report::Evidence;

/// Decimals of an amount; sums and differences in SQL may carry more.
const SCALE: u32 = 8;

/// The violations of one check.
#[derive(Debug, Default)]
pub(super) struct Violations {
    /// All of them.
    pub count: u64,
    /// Credits: sum of the absolute differences that are finite.
    pub at_risk: Decimal,
    /// The first ones, by subject.
    pub evidence: Vec<Evidence>,
}

impl Violations {
    /// Adds one, and keeps its evidence while there is room.
    pub fn add(&mut self, difference: Option<Decimal>) {
        self.count += 1;
        let difference = difference.unwrap_or_default().abs();
        self.at_risk = self.at_risk.saturating_add(difference);
    }
}

/// Reads an amount that was selected as text. Text, because a NUMERIC can be NaN, infinite or
/// longer than a `Decimal`: the first two are no amount (`None`), the third is cut to the largest.
pub(super) fn amount(text: Option<&str>) -> Option<Decimal> {
    let text = text?;
    match Decimal::from_str(text) {
        Ok(amount) => Some(amount.round_dp(SCALE).normalize()),
        Err(_) if text.contains("NaN") || text.contains("Infinity") => None,
        Err(_) if text.starts_with('-') => Some(Decimal::MIN),
        Err(_) => Some(Decimal::MAX),
    }
}

/// The count and the sum that the first two columns of a row hold (bigint and text).
pub(super) fn totals(row: &Row, count: &str, at_risk: &str) -> Violations {
    Violations {
        count: u64::try_from(row.get::<_, i64>(count)).unwrap_or_default(),
        at_risk: amount(row.get(at_risk)).unwrap_or_default(),
        evidence: Vec::new(),
    }
}

/// Evidence from a row with the text columns of a query check.
pub(super) fn evidence(row: &Row) -> Evidence {
    Evidence {
        subject: row.get("subject"),
        expected: row.get("expected"),
        actual: row.get("actual"),
        difference: amount(row.get("difference")),
        cause: row.get("cause"),
        detail: row.get("detail"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_what_numeric_can_hold() {
        assert_eq!(amount(Some("-12.50000000")), Some(Decimal::new(-125, 1)));
        assert_eq!(amount(Some("NaN")), None);
        assert_eq!(amount(Some("-Infinity")), None);
        assert_eq!(amount(None), None);
        let long = "9".repeat(60);
        assert_eq!(amount(Some(&long)), Some(Decimal::MAX));
        assert_eq!(amount(Some(&format!("-{long}"))), Some(Decimal::MIN));
        assert_eq!(
            amount(Some("0.333333333333333333333333333333333333")),
            Some(Decimal::new(33_333_333, 8))
        );
    }
}
