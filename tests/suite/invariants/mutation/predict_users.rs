//! Balance rows and provider keys, each on its own.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::ledger::{DAY, Entry, Key, MINUTE, SECOND, TIERS};
use super::number::Num;
use super::predict::{Predictor, grouped};
use super::predict_rows::NIL;

impl Predictor<'_> {
    pub fn users(&mut self) {
        let ledger = self.ledger;
        for user in &ledger.users {
            let usage = || {
                let of_user = |e: &&Entry| e.user == user.id && e.kind == "usage";
                ledger.entries.iter().filter(of_user)
            };
            let sum = |is_in: &dyn Fn(&Entry) -> bool| -> Num {
                let amounts = usage().filter(|e| is_in(e)).map(|e| e.amount);
                -amounts.sum::<Num>().or_zero()
            };
            let in_cycle = sum(&|e| e.created >= user.cycle);
            // Younger than the cycle by its id, but by a clock that was set back.
            let set_back = sum(&|e| {
                let before = |o: &Entry| o.id < e.id && o.id >= e.id - 1000;
                e.created < user.cycle
                    && user.cycle.saturating_sub(e.created) <= 15 * MINUTE
                    && (e.created < user.created
                        || (ledger.entries.iter()).any(|o| before(o) && o.created >= user.cycle))
            });
            // Older than the cycle by a clock that was set back before it began.
            let ahead = sum(&|e| {
                let after = |o: &Entry| o.id > e.id && o.id <= e.id + 1000;
                e.created >= user.cycle
                    && e.created.saturating_sub(user.cycle) <= 15 * MINUTE
                    && (ledger.entries.iter())
                        .any(|o| after(o) && o.created < e.created.saturating_sub(SECOND))
            });
            let in_time = [
                in_cycle,
                in_cycle + set_back,
                in_cycle - ahead,
                in_cycle + set_back - ahead,
            ];
            if !in_time.contains(&user.used) {
                self.add("quota-equals-cycle-sum", format!("user {}", user.id));
            }
            let subject = format!("user_credits user_id={}", user.id);
            let plan = TIERS.iter().find(|(tier, _)| *tier == user.tier);
            let is_over = user.allowance.is_some_and(|a| user.used > Num::from(a));
            let violated = [
                ("balance-not-finite", user.balance.finite().is_none()),
                ("user-id-nil", user.id == NIL),
                (
                    "quota-negative",
                    user.used.finite().is_none_or(|used| used < Decimal::ZERO),
                ),
                ("quota-exceeded", is_over && user.used.finite().is_some()),
                ("cycle-start-future", user.cycle > ledger.now + 5 * MINUTE),
                (
                    "cycle-stale",
                    user.updated > user.cycle.saturating_add(34 * DAY),
                ),
                ("tier-domain", plan.is_none()),
                (
                    "tier-allowance-mismatch",
                    plan.is_some_and(|(_, allowance)| user.allowance != *allowance),
                ),
                ("updated-before-created", user.updated < user.created),
            ];
            for (check, _) in violated.iter().filter(|(_, violated)| *violated) {
                self.add(check, subject.clone());
            }
            self.times(&subject, user.created);
        }
    }

    pub fn keys(&mut self) {
        let ledger = self.ledger;
        for key in &ledger.keys {
            let subject = format!("user_provider_keys id={} user_id={}", key.id, key.user);
            if key.ciphertext.starts_with("sk-") {
                self.add("key-plaintext", subject.clone());
            }
            if key.is_default && !key.is_active {
                self.add("key-default-inactive", subject.clone());
            }
            if key.updated < key.created {
                self.add("updated-before-created", subject.clone());
            }
            self.times(&subject, key.created);
        }
        for group in grouped(&ledger.keys, |key| Some(&key.ciphertext)).into_values() {
            if group.len() > 1 {
                let user = group.iter().map(|key| &key.user).min().unwrap();
                let id = group.iter().map(|key| key.id).min().unwrap();
                self.add("key-shared-ciphertext", format!("user {user} key {id}"));
            }
        }
        for (id, group) in grouped(&ledger.keys, |key| Some(key.id)) {
            if group.len() > 1 {
                self.add("id-duplicate", format!("key {id}"));
            }
        }
        for (user, group) in grouped(&ledger.keys, |key| key.is_default.then_some(&key.user)) {
            if group.len() > 1 {
                self.add(
                    "key-default-duplicate",
                    format!("user {user} provider openai"),
                );
            }
        }
        let without =
            |key: &&Key| ledger.user(&key.user).is_none() && ledger.chain(&key.user).is_empty();
        let users: BTreeSet<&String> = ledger
            .keys
            .iter()
            .filter(without)
            .map(|key| &key.user)
            .collect();
        for user in users {
            self.add("balance-row-missing", format!("user {user}"));
        }
    }
}
