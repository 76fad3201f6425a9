//! Payments and requests by their references: what was booked once, and what several times.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::ledger::{Entry, Logged, MINUTE, PACKAGES};
use super::number::{Num, extremes};
use super::predict::{Predictor, grouped, is_forced, said, with_parts};

impl Predictor<'_> {
    pub fn references(&mut self) {
        let ledger = self.ledger;
        self.payments();
        self.repeated_charges();
        let of = |kinds: &'static [&'static str]| {
            ledger
                .entries
                .iter()
                .filter(move |e| kinds.contains(&e.kind))
        };
        let all = ledger.entries.iter();
        for ((user, _, reference), group) in
            grouped(all, |e| Some((&e.user, e.kind, said(&e.reference)?)))
        {
            if group.len() > 1 {
                self.add(
                    "reference-reused",
                    format!("reference {reference} of user {user}"),
                );
            }
        }
        let payments: BTreeSet<&str> = of(&["purchase"])
            .filter_map(|e| said(&e.reference))
            .collect();
        for usage in of(&["usage"]) {
            if let Some(reference) = usage.reference.as_deref().filter(|r| payments.contains(r)) {
                self.add("reference-type-collision", format!("reference {reference}"));
            }
        }
        self.twins();
    }

    /// Payments that are credited to several users, or several times to one.
    fn payments(&mut self) {
        let takes =
            |e: &Entry| ["refund", "admin_adjustment"].contains(&e.kind) && e.amount < Num::ZERO;
        let all = with_parts(self.ledger);
        let money = all.iter().filter(|e| e.kind == "purchase" || takes(e));
        for (payment, group) in grouped(money, |e| said(&e.reference)) {
            let is_purchase = |e: &&&Entry| e.kind == "purchase";
            let bought: Vec<Num> = (group.iter().filter(is_purchase).map(|e| e.amount)).collect();
            let credits = bought.iter().copied().filter(|a| *a > Num::ZERO);
            let Some((once, _)) = extremes(credits).filter(|_| bought.len() > 1) else {
                continue;
            };
            let by_user = grouped(&group, |e| Some(&e.user)).into_iter();
            let mut holders: Vec<(i64, &String, Num)> = by_user
                .filter_map(|(user, part)| {
                    let purchases = part.iter().filter(|e| e.kind == "purchase");
                    let net: Num = part.iter().map(|e| e.amount).sum();
                    Some((purchases.map(|e| e.id).min()?, user, net))
                })
                .filter(|(_, _, net)| *net > Num::ZERO)
                .collect();
            holders.sort_by_key(|(first, ..)| *first);
            let total: Num = holders.iter().map(|(_, _, net)| *net).sum();
            let is_surplus = total > once && !bought.contains(&total);
            for (place, (_, user, net)) in holders.into_iter().enumerate() {
                if is_surplus && (place > 0 || net > once) {
                    let subject = format!("payment {payment} of user {user}");
                    self.add("purchase-reference-duplicate", subject);
                }
            }
        }
    }

    /// Requests that are charged several times, and more than they cost.
    fn repeated_charges(&mut self) {
        let ledger = self.ledger;
        let gives =
            |e: &Entry| ["refund", "admin_adjustment"].contains(&e.kind) && e.amount > Num::ZERO;
        let credits = (ledger.entries.iter()).filter(|e| e.kind == "usage" || gives(e));
        for ((user, request), group) in grouped(credits, |e| Some((&e.user, said(&e.reference)?))) {
            let charges = group.iter().filter(|e| e.kind == "usage");
            let charges: Vec<Num> = charges.map(|e| e.amount).collect();
            if charges.len() < 2 {
                continue;
            }
            let net: Num = group.iter().map(|e| e.amount).sum();
            let is_of_it =
                |row: &&Logged| row.user == *user && row.request.as_deref() == Some(request);
            let rows: Vec<&Logged> = ledger.log.iter().filter(is_of_it).collect();
            let price = match rows[..] {
                [row] if self.is_old(row.created) => row.credits,
                _ => Num::Null,
            };
            let is_surplus = if price == Num::Null || price.is_nan() {
                let smallest = extremes(charges.iter().copied()).map(|(_, smallest)| smallest);
                smallest.is_some_and(|smallest| net < smallest) && !charges.contains(&net)
            } else {
                net < -price
            };
            if is_surplus {
                let subject = format!("request {request} of user {user}");
                self.add("usage-reference-duplicate", subject);
            }
        }
    }

    /// Two purchases of one amount, shortly after each other, those aside that are settled.
    fn twins(&mut self) {
        let ledger = self.ledger;
        let is_settled = |purchase: &Entry| {
            ledger.entries.iter().any(|e| {
                let settles = e.kind == "admin_adjustment" || e.kind == "refund" && is_forced(e);
                e.user == purchase.user && e.reference == purchase.reference && settles
            })
        };
        let purchases = (ledger.entries.iter())
            .filter(|e| e.kind == "purchase" && said(&e.reference).is_some() && !is_settled(e));
        for mut group in grouped(purchases, |e| Some((&e.user, e.amount.rank()))).into_values() {
            group.sort_by_key(|e| (e.created, e.id));
            for pair in group.windows(2) {
                let (first, second) = (pair[0], pair[1]);
                if first.reference != second.reference
                    && second.created <= first.created.saturating_add(10 * MINUTE)
                {
                    let subject = format!("user {} entry {}", second.user, second.id);
                    self.add("near-duplicate-credit", subject);
                }
            }
        }
        let bought =
            (ledger.entries.iter()).filter(|e| e.kind == "purchase" && e.amount > Num::ZERO);
        for amount in grouped(bought, |e| e.amount.finite()).into_keys() {
            if !PACKAGES.iter().any(|size| Decimal::from(*size) == amount) {
                let amount = amount.normalize();
                self.add("purchase-matches-package", format!("purchases of {amount}"));
            }
        }
    }
}
