//! Counters of billing cycles, held against sealed sums and new entries.

use super::{Night, requests, violated};
use crate::invariants::result;

const CHECK: &str = "quota-equals-cycle-sum";

impl Night {
    /// Changes the balance row of the user with a number.
    fn user(&self, number: u32, change: &str) {
        self.damage(&format!(
            "UPDATE public.user_credits SET {change}
              WHERE user_id = '00000000-0000-4000-8000-00000000000{number}'"
        ));
    }

    /// An incremental audit that finds nothing.
    fn is_quiet(&self) {
        let audit = self.audit(&[], 0);
        assert_eq!(audit["state"]["mode"], "incremental", "{audit}");
        assert_eq!(violated(&audit), [""; 0]);
    }

    /// An incremental audit that finds the counter of one user to be wrong.
    fn finds_the_counter_of(&self, number: u32) {
        let audit = self.audit(&[], 1);
        assert_eq!(audit["state"]["mode"], "incremental", "{audit}");
        assert_eq!(violated(&audit), [CHECK]);
        let found = result(&audit, CHECK);
        assert_eq!(found["violations"], 1);
        let user = format!("user 00000000-0000-4000-8000-00000000000{number}");
        assert_eq!(found["evidence"][0]["subject"], user);
    }
}

#[test]
fn a_wrong_counter_is_found_whether_its_user_has_new_entries_or_not() {
    let night = Night::sealed();
    night.database.execute(&requests("new", 4));
    night.is_quiet();
    for user in [2, 3] {
        night.user(
            user,
            "credits_used_this_month = credits_used_this_month + 1",
        );
        night.finds_the_counter_of(user);
        night.user(
            user,
            "credits_used_this_month = credits_used_this_month - 1",
        );
        night.is_quiet();
    }
    // No number takes part in a sum.
    night.damage("ALTER TABLE public.user_credits DROP CONSTRAINT user_credits_quota_check");
    night.user(1, "credits_used_this_month = 'NaN'");
    let audit = night.audit(&[], 1);
    assert!(violated(&audit).contains(&CHECK), "{audit}");
}

#[test]
fn who_moves_on_to_the_next_cycle_is_summed_up_anew() {
    let night = Night::sealed();
    night.user(
        2,
        "billing_cycle_start = now(), credits_used_this_month = 0",
    );
    night.is_quiet();
    night.database.execute(&requests("next", 3));
    night.is_quiet();
    // Two hours back, where sealed entries count again.
    night.user(
        2,
        "billing_cycle_start = billing_cycle_start - interval '2 hours'",
    );
    night.finds_the_counter_of(2);
    night.user(2, "credits_used_this_month = credits_used_this_month + 2.5");
    night.is_quiet();
    night.user(1, "billing_cycle_start = now()");
    night.finds_the_counter_of(1);
    night.user(1, "credits_used_this_month = 0");
    night.is_quiet();
    let full = night.audit(&["--full"], 0);
    assert_eq!(result(&full, CHECK)["status"], "holds");
}

#[test]
fn what_is_sealed_is_not_read_again() {
    let night = Night::sealed();
    // The sums of the sealed entries stay, whatever becomes of the entries.
    night.damage(
        "UPDATE public.credit_transactions SET amount = amount - 1
          WHERE id = (SELECT min(id) FROM public.credit_transactions WHERE transaction_type = 'usage')",
    );
    let audit = night.audit(&[], 0);
    assert_eq!(result(&audit, CHECK)["status"], "holds");
    let full = night.audit(&["--full"], 1);
    assert!(violated(&full).contains(&CHECK), "{full}");
    // So do the counters of an audit that had findings: nothing of it was sealed.
    night.damage(
        "UPDATE public.credit_transactions SET amount = amount + 1
          WHERE id = (SELECT min(id) FROM public.credit_transactions WHERE transaction_type = 'usage')",
    );
    night.is_quiet();
}
