//! No false alarm while the gateway writes at full speed. `CREDITDB_LIVE_AUDITS` says how many
//! audits: 100 is the long mode.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use postgres::Client;

use crate::support::program::creditdb;
use crate::support::server::{Database, NEWEST};

const WRITERS: u64 = 8;

/// A ledger is audited so often while it grows; then there is a new one. Eight writers add a
/// million entries in some minutes, and the long mode is about moments, not about size.
const AUDITS_OF_ONE: u64 = 5;

/// Few users, so that the writers wait for each other's row locks.
const USERS: u64 = 5;

/// One call of the gateway; `n` is a number that no other call has.
fn write(client: &mut Client, rng: &mut Rng, n: u64, in_one_call: bool) {
    let user = format!("00000000-0000-4000-8000-{:012}", rng.u64(0..USERS));
    let tokens = rng.i64(20..2000);
    // 0.00003 credits for each token.
    let cost = format!(
        "{}.{:08}",
        tokens * 3000 / 100_000_000,
        tokens * 3000 % 100_000_000
    );
    let log = format!(
        "INSERT INTO public.llm_usage_log
             (user_id, request_id, model, provider, prompt_tokens, total_tokens, credits_used,
              latency_ms, success)
         VALUES ('{user}', 'req_{n}', 'gpt-4', 'openai', {tokens}, {tokens}, {cost}, 9, true)"
    );
    let debit =
        format!("SELECT public.debit_user_credits('{user}', {cost}, 'usage', 'req_{n}', 'gpt-4')");
    let give_back =
        format!("SELECT public.add_user_credits('{user}', {cost}, 'refund', 'req_{n}', 'cut off')");
    let statements = match rng.u8(0..10) {
        0 => vec![format!(
            "SELECT public.add_user_credits('{user}', {}, 'bonus', 'promo_{n}', 'promotion')",
            rng.u8(1..90)
        )],
        1 => vec![format!(
            "SELECT public.debit_user_credits('{user}', 1, 'admin_adjustment', 'case_{n}', 'x')"
        )],
        2 => vec![debit, log, give_back],
        _ if in_one_call => vec![format!(
            "SELECT public.record_llm_request('{user}', 'req_{n}', 'gpt-4', 'openai', 'balanced',
                                              {tokens}, 0, {cost}, 9)"
        )],
        _ => vec![debit, log],
    };
    for statement in statements {
        client.batch_execute(&statement).unwrap();
    }
}

fn audits_while_writing(schema: &str, audits: u64, seed: u64) {
    let database = Database::at(schema);
    for user in 0..USERS {
        database.execute(&format!(
            "INSERT INTO public.user_credits (user_id, tier, monthly_allowance)
             VALUES ('00000000-0000-4000-8000-{user:012}', 'enterprise', NULL)"
        ));
    }
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (database, stop, calls) = (&database, &stop, &calls);
            scope.spawn(move || {
                let (mut client, mut rng) = (database.connect(), Rng::with_seed(seed + writer));
                while !stop.load(Ordering::Relaxed) {
                    let n = calls.fetch_add(1, Ordering::Relaxed);
                    write(&mut client, &mut rng, n, schema == NEWEST.0);
                }
            });
        }
        let mut rng = Rng::with_seed(seed);
        let before = calls.load(Ordering::Relaxed);
        let alarms: Vec<String> = (0..audits)
            .filter_map(|_| {
                thread::sleep(Duration::from_millis(rng.u64(0..200)));
                let run = creditdb(["verify", "--format", "json"])
                    .on(&database.url)
                    .run();
                let is_clean = run.code == 0 && !run.stdout.contains("\"violated\"");
                (!is_clean).then(|| format!("exit {}: {}{}", run.code, run.stdout, run.stderr))
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        let written = calls.load(Ordering::Relaxed) - before;
        assert!(
            written > audits,
            "only {written} calls during {audits} audits"
        );
        assert!(
            alarms.is_empty(),
            "{} of {audits} audits:\n{}",
            alarms.len(),
            alarms[0]
        );
        eprintln!("{schema}: {audits} audits during {written} calls of {WRITERS} writers");
    });
}

#[test]
fn an_audit_of_a_ledger_that_is_written_finds_nothing() {
    let audits = std::env::var("CREDITDB_LIVE_AUDITS").map_or(4, |n| n.parse().unwrap());
    for (schema, mut left) in [("1.0.0", audits / 2), (NEWEST.0, audits - audits / 2)] {
        while left > 0 {
            let of_one = left.min(AUDITS_OF_ONE);
            audits_while_writing(schema, of_one, left * WRITERS);
            left -= of_one;
        }
    }
}
