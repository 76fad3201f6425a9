//! What is found in new rows, and in old ones that were changed.

use serde_json::Value;

use super::{Night, requests, violated};
use crate::invariants::result;
use crate::support::program::creditdb;

/// Likely cause, and damage that only the state tells: sums, balances, numbers and log agree.
const QUIET: [(&str, &str); 2] = [
    (
        "edited-row",
        "UPDATE public.credit_transactions SET description = 'x' WHERE id = 1;
         UPDATE public.llm_usage_log SET model = CASE id WHEN 3 THEN 'a' ELSE 'b' END
          WHERE id IN (3, 4)",
    ),
    (
        "edited-row",
        "UPDATE public.credit_transactions
            SET amount = amount - 0.25, balance_after = balance_after - 0.25
          WHERE user_id::text LIKE '%1' AND entry_seq = 2;
         UPDATE public.credit_transactions SET amount = amount + 0.25
          WHERE user_id::text LIKE '%1' AND entry_seq = 3;
         UPDATE public.llm_usage_log AS l SET credits_used = -c.amount
           FROM public.credit_transactions AS c
          WHERE c.reference_id = l.request_id AND c.user_id = l.user_id",
    ),
];

/// Damage that fits as well, but moves where users stand: the next audit reads everything.
const LOUD: [(&str, &str); 2] = [
    (
        // The newest entry of a user is gone, as after a backup of some tables was restored.
        "deleted-row",
        "DELETE FROM public.llm_usage_log WHERE request_id = 'req_000015';
         DELETE FROM public.credit_transactions WHERE reference_id = 'req_000015';
         UPDATE public.user_credits
            SET balance = 98, last_entry_seq = 5, credits_used_this_month = 2
          WHERE user_id::text LIKE '%1'",
    ),
    (
        "inserted-row",
        "UPDATE public.credit_transactions SET entry_seq = entry_seq + 10
          WHERE user_id::text LIKE '%1' AND entry_seq > 1;
         UPDATE public.credit_transactions
            SET entry_seq = entry_seq - 9, balance_after = balance_after + 5
          WHERE user_id::text LIKE '%1' AND entry_seq > 1;
         INSERT INTO public.credit_transactions
                (id, user_id, entry_seq, transaction_type, amount, balance_after, created_at)
         SELECT 0, user_id, 2, 'bonus', 5, 105, created_at
           FROM public.credit_transactions WHERE user_id::text LIKE '%1' AND entry_seq = 1;
         UPDATE public.user_credits SET balance = balance + 5, last_entry_seq = 7
          WHERE user_id::text LIKE '%1'",
    ),
];

#[test]
fn an_incremental_audit_finds_in_new_rows_what_a_full_one_finds() {
    let night = Night::sealed();
    night.database.execute(&requests("new", 3));
    // What row checks see, what questions ask for, what equations tell, and other tables.
    night.damage(
        "UPDATE public.llm_usage_log SET created_at = created_at - interval '1 hour'
          WHERE id > 15;
         UPDATE public.llm_usage_log SET latency_ms = -1, total_tokens = 7 WHERE id = 16;
         UPDATE public.llm_usage_log SET user_id = '00000000-0000-4000-8000-000000000009', id = 16
          WHERE id = 17;
         UPDATE public.llm_usage_log SET error_message = 'sk-abcdefghijklmnopqrstuvwxyz'
          WHERE id = 18;
         SELECT public.add_user_credits('00000000-0000-4000-8000-000000000003', 100, 'purchase',
                                        'pay_0001', NULL),
                public.add_user_credits('00000000-0000-4000-8000-000000000003', 100, 'purchase',
                                        'req_000011', NULL),
                public.add_user_credits('00000000-0000-4000-8000-000000000003', 9, 'refund',
                                        'req_000031', NULL),
                public.add_user_credits('00000000-0000-4000-8000-000000000003', 9, 'refund',
                                        'req_none', NULL);
         UPDATE public.user_credits SET tier = 'professional' WHERE user_id::text LIKE '%1'",
    );
    let new = night.audit(&["--evidence=0"], 1);
    assert_eq!(new["state"]["mode"], "incremental", "{new}");
    let alone = creditdb(["verify", "--format=json", "--evidence=0"]);
    let full = alone.on(&night.database.url).exits(1).json();
    assert_eq!(violated(&new), violated(&full));
    for id in [
        "id-duplicate",
        "latency-implausible",
        "near-duplicate-credit",
        "purchase-reference-duplicate",
        "reference-type-collision",
        "refund-has-origin",
        "refund-within-origin",
        "secret-in-text",
        "tier-allowance-mismatch",
        "usage-unbilled",
        "usage-user-unknown",
    ] {
        assert_eq!(result(&new, id)["status"], "violated", "{id}");
        let count = |audit| result(audit, id)["violations"].clone();
        assert_eq!(count(&new), count(&full), "{id}");
    }
    // What was found is found again by the next audit, because the state stays as it was.
    assert_eq!(night.ids(&new), (18, 15));
    assert!(
        new["state"]["kept"]
            .as_str()
            .unwrap()
            .ends_with(" is violated")
    );
}

#[test]
fn old_rows_that_were_changed_are_found_even_when_the_chain_fits() {
    let night = Night::sealed();
    let tables = ["credit_transactions", "llm_usage_log", "user_credits"];
    for table in tables {
        night.damage(&format!(
            "CREATE TABLE public.kept_{table} AS TABLE public.{table}"
        ));
    }
    let quiet = QUIET.iter().map(|case| (case, true));
    let loud = LOUD.iter().map(|case| (case, false));
    for ((cause, damage), is_quiet) in quiet.chain(loud) {
        night.damage(damage);
        let found = if is_quiet {
            let next = night.audit(&[], 0);
            assert_eq!(next["state"]["mode"], "incremental");
            night.audit(&["--full"], 1)
        } else {
            night.audit(&[], 1)
        };
        assert_eq!(found["state"]["mode"], "full");
        assert_eq!(violated(&found), ["sealed-history"], "{damage}");
        let evidence = &result(&found, "sealed-history")["evidence"][0];
        assert_eq!(evidence["cause"], *cause, "{damage}");
        for table in tables {
            night.damage(&format!(
                "DELETE FROM public.{table}; INSERT INTO public.{table} TABLE public.kept_{table}"
            ));
        }
    }
    let repaired = night.audit(&["--full"], 0);
    assert_eq!(result(&repaired, "sealed-history")["status"], "holds");
}

#[test]
fn a_purchase_that_comes_after_its_refund_is_held_against_it() {
    let night = Night::new();
    let user = "'00000000-0000-4000-8000-000000000001'";
    night.damage(&format!(
        "SELECT public.debit_user_credits({user}, 120, 'refund', 'pay_9', 'Money back');
         SELECT public.add_user_credits({user}, 0.00000001, 'admin_adjustment', 'entry ' || id,
                                        'Of the old system')
           FROM public.credit_transactions WHERE reference_id = 'pay_9';
         UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour'
          WHERE id > 18;"
    ));
    let first = night.audit(&[], 0);
    assert_eq!(night.ids(&first), (20, 15));
    let buy = |amount: u32, payment: &str| {
        night.database.execute(&format!(
            "SELECT public.add_user_credits({user}, {amount}, 'purchase', '{payment}', NULL)"
        ));
    };
    buy(500, "pay_10");
    night.audit(&[], 0);
    buy(100, "pay_9");
    let new = night.audit(&[], 1);
    assert_eq!(new["state"]["mode"], "incremental");
    assert_eq!(violated(&new), ["refund-within-origin"]);
    let evidence = &result(&new, "refund-within-origin")["evidence"][0];
    assert_eq!(
        (&evidence["expected"], &evidence["actual"]),
        (&"at most 100".into(), &"120".into())
    );
}

/// A day that was settled is no more than silent: what comes after it is found the next night.
#[test]
fn a_day_that_was_settled_hides_no_later_one() {
    let night = Night::new();
    let user = "'00000000-0000-4000-8000-000000000001'";
    let lose = |credits: u32, days: u32| {
        night.damage(&format!(
            "SELECT public.debit_user_credits({user}, {credits}, 'usage', NULL, NULL);
             UPDATE public.credit_transactions SET created_at = now() - interval '{days} days'
              WHERE amount = -{credits};"
        ));
    };
    night.damage(
        "UPDATE public.credit_transactions SET created_at = created_at - interval '9 days';
         UPDATE public.llm_usage_log SET created_at = created_at - interval '9 days';
         UPDATE public.user_credits SET created_at = created_at - interval '10 days',
                billing_cycle_start = billing_cycle_start - interval '9 days'",
    );
    lose(7, 4);
    lose(6, 3);
    assert_eq!(violated(&night.audit(&[], 1)), ["usage-sum-per-day"]);
    night.damage(&format!(
        "SELECT public.add_user_credits({user}, 13, 'admin_adjustment', 'usage of ' || to_char(
                    created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'Not served')
           FROM public.credit_transactions WHERE amount = -6;
         UPDATE public.credit_transactions SET created_at = now() - interval '2 days 20 hours'
          WHERE amount = 13"
    ));
    let settled = night.audit(&[], 0);
    assert_eq!(night.ids(&settled), (21, 15));
    let next = night.audit(&[], 0);
    assert_eq!(next["state"]["mode"], "incremental");
    lose(5, 2);
    let new = night.audit(&[], 1);
    assert_eq!(new["state"]["mode"], "incremental");
    let evidence = &result(&new, "usage-sum-per-day")["evidence"];
    assert_eq!(evidence.as_array().unwrap().len(), 1);
    assert_eq!(evidence[0]["actual"], "5");
}

/// No later entry ends such a finding, so nothing would ever be sealed again.
#[test]
fn a_broken_chain_is_told_each_night_and_keeps_nothing_from_being_sealed() {
    let night = Night::new();
    let edit = |user: u32, number: u32| {
        night.damage(&format!(
            "UPDATE public.credit_transactions SET balance_after = balance_after + 1
              WHERE user_id::text LIKE '%{user}' AND entry_seq = {number}"
        ));
    };
    let age = "UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour'
                WHERE created_at > now() - interval '30 minutes';
               UPDATE public.llm_usage_log SET created_at = created_at - interval '1 hour'
                WHERE created_at > now() - interval '30 minutes'";
    let breaks = |audit: &Value| result(audit, "chain-continuity")["violations"].clone();
    edit(1, 3);
    let first = night.audit(&[], 1);
    assert_eq!(
        (violated(&first), breaks(&first)),
        (vec!["chain-continuity"], 1.into())
    );
    assert_eq!(night.ids(&first), (18, 15));
    night.database.execute(&requests("new", 4));
    night.damage(age);
    let next = night.audit(&[], 1);
    assert_eq!(next["state"]["mode"], "incremental", "{next}");
    assert_eq!(
        (violated(&next), breaks(&next)),
        (vec!["chain-continuity"], 1.into())
    );
    assert_eq!(night.ids(&next), (22, 19));
    // Another one is not taken for it.
    night.database.execute(&requests("newer", 2));
    edit(2, 11);
    let another = night.audit(&[], 1);
    assert_eq!(another["state"]["mode"], "full");
    assert_eq!(breaks(&another), 2);
    // Nor is what a balance that somebody changed makes of the next entry.
    night.damage(
        "UPDATE public.user_credits SET balance = balance - 7 WHERE user_id::text LIKE '%3'",
    );
    let balance = night.audit(&[], 1);
    assert!(
        violated(&balance).contains(&"balance-equals-last"),
        "{balance}"
    );
    assert_eq!(balance["state"]["kept"], "balance-equals-last is violated");
    night.damage(
        "SELECT public.add_user_credits('00000000-0000-4000-8000-000000000003', 5, 'bonus', 'b', 'x')",
    );
    let all = ["balance-equals-sum", "chain-continuity", "trial-balance"];
    for mode in ["full", "incremental", "incremental"] {
        let audit = night.audit(&[], 1);
        assert_eq!(audit["state"]["mode"], mode, "{audit}");
        assert_eq!((violated(&audit), breaks(&audit)), (all.to_vec(), 3.into()));
        night.damage(age);
    }
    let full = night.audit(&["--full"], 1);
    assert_eq!(
        (violated(&full), night.ids(&full)),
        (all.to_vec(), (25, 21))
    );
}

/// A further part of a refund that is new says something of a request and a payment that are
/// sealed.
#[test]
fn a_further_part_is_held_against_what_was_sealed() {
    let night = Night::new();
    let users = [1, 2].map(|n| format!("'00000000-0000-4000-8000-00000000000{n}'"));
    let [user, other] = &users;
    night.damage(&format!(
        "SELECT public.debit_user_credits({user}, 6, 'usage', 'req_p', NULL);
         SELECT public.add_user_credits({user}, 2, 'refund', 'req_p', 'Cut off');
         SELECT public.add_user_credits({user}, 1, 'admin_adjustment', 'req_p', 'More of it');
         INSERT INTO public.llm_usage_log
                (user_id, request_id, model, provider, prompt_tokens, completion_tokens,
                 total_tokens, credits_used, success)
         VALUES ({user}, 'req_p', 'm', 'p', 40, 10, 50, 3, true);
         SELECT public.add_user_credits({user}, 100, 'purchase', 'pay_p', NULL);
         SELECT public.add_user_credits({other}, 500, 'purchase', 'pay_p', NULL);
         SELECT public.debit_user_credits({user}, 90, 'refund', 'pay_p', 'Not the payer');
         SELECT public.debit_user_credits({user}, 10, 'admin_adjustment', 'pay_p', 'The rest');
         UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour'
          WHERE id > 18;
         UPDATE public.llm_usage_log SET created_at = created_at - interval '1 hour' WHERE id > 15"
    ));
    let first = night.audit(&[], 0);
    assert_eq!(night.ids(&first), (25, 16));
    night.database.execute(&format!(
        "SELECT public.add_user_credits({user}, 1, 'admin_adjustment', 'req_p part 3', 'x');
         SELECT public.debit_user_credits({other}, 50, 'admin_adjustment', 'pay_p part 3', 'x')"
    ));
    let new = night.audit(&[], 1);
    assert_eq!(new["state"]["mode"], "incremental");
    assert_eq!(
        violated(&new),
        ["purchase-reference-duplicate", "usage-amount-mismatch"]
    );
}
