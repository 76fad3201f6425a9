//! Remedies that ask the ledger first: nobody gets back what was never paid.

use serde_json::Value;

use super::remedies::{USER, found, remedy, statement};
use super::result;
use crate::support::program::creditdb;
use crate::support::server::{Database, NEWEST};

/// A number that a statement prints; nothing for NULL.
fn printed(database: &Database, sql: &str) -> Option<f64> {
    let sql = format!("SELECT ({sql})::float8");
    database.connect().query_one(&sql, &[]).unwrap().get(0)
}

fn balance(database: &Database) -> f64 {
    printed(database, "SELECT balance FROM public.user_credits").unwrap()
}

/// The credits of a user, and older than the grace window what was done with them.
fn ledger(schema: &str, entries_and_rows: &str) -> Database {
    let database = Database::at(schema);
    database.execute(
        &format!(
            "SELECT public.add_user_credits('$user', 100, 'purchase', 'pay_1', NULL);
             {entries_and_rows};
             UPDATE public.user_credits SET billing_cycle_start = now() - interval '1 day';
             SET session_replication_role = replica;
             UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour';
             UPDATE public.llm_usage_log SET created_at = created_at - interval '1 hour'"
        )
        .replace("$user", USER),
    );
    database
}

/// What should have cost nothing, as it is logged.
const FREE: [(&str, &str); 2] = [
    ("failed-but-charged", "false, 'time-out', false"),
    ("byok-charged", "true, NULL, true"),
];

#[test]
fn what_was_logged_with_a_price_is_given_back_only_as_far_as_it_was_charged() {
    let charge = "SELECT public.debit_user_credits('$user', 5, 'usage', 'req_a', NULL)";
    let part = "SELECT public.add_user_credits('$user', 2, 'refund', 'req_a', 'In part')";
    let more = "SELECT public.add_user_credits('$user', 1, 'admin_adjustment', 'req_a', 'More')";
    for (id, how) in FREE {
        let row = format!(
            "INSERT INTO public.llm_usage_log
                    (user_id, request_id, model, provider, prompt_tokens, completion_tokens,
                     total_tokens, credits_used, success, error_message, byok_used)
             VALUES ('$user', 'req_a', 'm', 'p', 40, 10, 50, 5, {how})"
        );
        let (in_part, in_two) = (
            format!("{charge}; {part}"),
            format!("{charge}; {part}; {more}"),
        );
        let third = format!("{in_two}; {}", more.replace("'req_a'", "'req_a part 3'"));
        for done in ["SELECT", charge, &in_part, &in_two, &third] {
            let database = ledger("1.2.0", &format!("{done}; {row}"));
            assert_eq!(found(&database), [id], "{done}");
            follow(&database, &remedy(id));
            assert_eq!(balance(&database), 100.0, "{id}: {done}");
            assert_eq!(found(&database), [""; 0], "{id}: {done}");
        }
    }
}

/// Asks what was charged, gives it back, and corrects the log.
fn follow(database: &Database, remedy: &str) {
    let user = format!("'{USER}'");
    let with = |sql: &str| {
        sql.replace("<user>", &user)
            .replace("<request_id>", "'req_a'")
    };
    let ask = statement(remedy, "SELECT -sum(amount)", "'admin_adjustment')");
    let charged = printed(database, &with(ask)).unwrap_or_default();
    // "Give that back where it is above 0"
    if charged > 0.0 {
        let give = statement(remedy, "SELECT * FROM public.add_user_credits", "')");
        let give = with(give).replace("<charged>", &charged.to_string());
        database.execute(&further(remedy, &give, 5 - charged as u32));
    }
    let correct = statement(remedy, "UPDATE ", "<log row>");
    let id = "(SELECT id FROM public.llm_usage_log)";
    database.execute(&correct.replace("<log row>", id));
}

/// What gives credits back after so many parts were given back before, as a remedy says.
fn further(remedy: &str, give: &str, parts: u32) -> String {
    let kind =
        "Where a part was refunded before, pass admin_adjustment, and where an adjustment has";
    let name = "'<request_id> part <n>' with the next number";
    assert!(remedy.contains(kind) && remedy.contains(name), "{remedy}");
    match parts {
        0 => give.to_owned(),
        2 => give.replace("'refund'", "'admin_adjustment'"),
        n => (give.replace("'refund'", "'admin_adjustment'"))
            .replace("'req_a'", &format!("'req_a part {n}'")),
    }
}

/// Log rows of a request, each with its price.
fn logged(request: &str, prices: &[u32]) -> String {
    let row = |price: &u32| format!("('$user', '{request}', 'm', 'p', 40, 10, 50, {price}, true)");
    let rows: Vec<String> = prices.iter().map(row).collect();
    format!(
        "INSERT INTO public.llm_usage_log
                (user_id, request_id, model, provider, prompt_tokens, completion_tokens,
                 total_tokens, credits_used, success)
         VALUES {}",
        rows.join(", ")
    )
}

/// The first finding of a check, key by key.
fn finding(database: &Database, id: &str) -> Value {
    let audit = creditdb(["verify", id, "--format", "json"]).on(&database.url);
    result(&audit.run().json(), id)["evidence"][0].clone()
}

#[test]
fn a_request_that_is_logged_twice_and_was_charged_once_is_not_free() {
    let charge = "SELECT public.debit_user_credits('$user', 5, 'usage', 'req_a', NULL)";
    let database = ledger("1.0.0", &format!("{charge}; {}", logged("req_a", &[5, 5])));
    assert_eq!(found(&database), ["request-id-duplicate"]);
    let said = finding(&database, "request-id-duplicate");
    assert_eq!(said["cause"], "logged-twice");
    assert!(said["difference"].is_null(), "{said}");
    let remedy = remedy("request-id-duplicate");
    assert!(!remedy.contains("add_user_credits"), "{remedy}");
    let keep = statement(&remedy, "DELETE FROM", "<kept>")
        .replace("<user>", &format!("'{USER}'"))
        .replace("<request_id>", "'req_a'")
        .replace("<kept>", "(SELECT min(id) FROM public.llm_usage_log)");
    database.execute(&keep);
    assert_eq!(balance(&database), 95.0);
    assert_eq!(found(&database), [""; 0]);
}

/// Two charges of a request, what was given back of them, and the price in the log.
#[test]
fn of_several_charges_the_price_in_the_log_remains() {
    for (charges, back, price) in [([50, 50], 50, 5), ([5, 3], 0, 5), ([5, 3], 0, 3)] {
        let charges = charges.map(|charge| {
            format!("SELECT public.debit_user_credits('$user', {charge}, 'usage', 'req_a', NULL)")
        });
        let back = match back {
            0 => "SELECT".to_owned(),
            _ => format!("SELECT public.add_user_credits('$user', {back}, 'refund', 'req_a', 'x')"),
        };
        let log = logged("req_a", &[price]);
        let database = ledger("1.0.0", &format!("{}; {back}; {log}", charges.join("; ")));
        let checks = found(&database);
        assert!(
            checks.contains(&"usage-reference-duplicate".to_owned()),
            "{checks:?}"
        );
        assert!(
            !checks.contains(&"usage-amount-mismatch".to_owned()),
            "{checks:?}"
        );
        let difference = finding(&database, "usage-reference-duplicate")["difference"].clone();
        let difference = difference.as_str().unwrap().trim_start_matches('-');
        let remedy = remedy("usage-reference-duplicate");
        let give = statement(&remedy, "SELECT * FROM public.add_user_credits", "')")
            .replace("<user>", &format!("'{USER}'"))
            .replace("<request_id>", "'req_a'")
            .replace("<difference without its sign>", difference);
        database.execute(&give);
        assert_eq!(balance(&database), f64::from(100 - price));
        // What remains is information: the reference is used twice.
        assert_eq!(found(&database), ["reference-reused"]);
    }
}

#[test]
fn each_user_gives_back_what_was_credited_to_that_user() {
    let credit = |n: u32| {
        let user = format!("00000000-0000-4000-8000-00000000000{n}");
        format!("SELECT public.add_user_credits('{user}', 500, 'purchase', 'pi_1', NULL)")
    };
    let database = ledger("1.1.0", &[2, 3, 4].map(credit).join("; "));
    let remedy = remedy("purchase-reference-duplicate");
    let take = statement(&remedy, "SELECT * FROM public.debit_user_credits", "')");
    for findings in [2, 1] {
        assert_eq!(
            found(&database),
            ["purchase-reference-duplicate"],
            "{findings}"
        );
        let said = finding(&database, "purchase-reference-duplicate");
        let word = |key: &str| said[key].as_str().unwrap();
        let user = word("subject").rsplit(' ').next().unwrap();
        let take = take
            .replace("<user>", &format!("'{user}'"))
            .replace("<difference>", word("difference"))
            .replace("<payment>", "'pi_1'");
        database.execute(&take);
    }
    assert_eq!(found(&database), [""; 0]);
    let least = "SELECT min(balance) FROM public.user_credits";
    assert_eq!(printed(&database, least), Some(0.0));
}

#[test]
fn a_refund_for_nothing_and_an_id_of_two_users_are_settled_as_printed() {
    let refund = "SELECT public.add_user_credits('$user', 7, 'refund', NULL, 'Good will')";
    let database = ledger("1.1.0", &format!("{refund}; {}", logged("req_a", &[0])));
    database.execute(
        "SELECT public.add_user_credits(u, 1, 'bonus', 'b', NULL)
           FROM (SELECT '00000000-0000-4000-8000-000000000002'::uuid AS u) AS users;
         INSERT INTO public.llm_usage_log
                (user_id, request_id, model, provider, credits_used, success, error_message)
         SELECT user_id, 'req_a', 'm', 'p', 0, false, 'x'
           FROM public.credit_transactions WHERE transaction_type = 'bonus'",
    );
    let ids = ["request-id-collision", "refund-has-origin"];
    assert_eq!(
        found(&database),
        [
            "request-id-collision",
            "refund-has-origin",
            "success-but-free"
        ]
    );
    let id = printed(
        &database,
        "SELECT max(id) FROM public.credit_transactions WHERE amount = 7",
    );
    let id = id.unwrap().to_string();
    for name in ids {
        let remedy = remedy(name);
        let taken = remedy.find("SELECT * FROM public.debit_user_credits");
        for from in remedy
            .find("SELECT * FROM public.add_user_credits")
            .into_iter()
            .chain(taken)
        {
            let settled = database.copy();
            let sql = statement(&remedy[from..], "SELECT", "<reason>)")
                .replace("<user>", &format!("'{USER}'"))
                .replace("'entry <id>'", &format!("'entry {id}'"))
                .replace("'request <id>'", "'request req_a'")
                .replace("<difference>", "7")
                .replace("<reason>", "'Found out'");
            settled.execute(&sql);
            assert!(!found(&settled).contains(&name.to_owned()), "{sql}");
        }
    }
}

/// What is documented of the parts after the first: of a usage and of a purchase, two and three.
/// The log keeps what was charged; of two parts it may also say what is left.
#[test]
fn parts_of_a_refund_are_booked_as_documented() {
    let text = remedy("refund-has-origin");
    let second = "a second part has the same reference and type admin_adjustment";
    let further = "admin_adjustment and the reference '<reference> part 3', '<reference> part 4'";
    for said in [second, further] {
        assert!(text.contains(said), "{text}");
    }
    let charge = "SELECT public.debit_user_credits('$user', 6, 'usage', 'req_a', NULL)";
    let parts = |function: &str, origin: &str, amount: u32| {
        let part = |kind: &str, reference: &str| {
            format!(
                "SELECT public.{function}_user_credits('$user', {amount}, '{kind}',
                                                       '{origin}{reference}', 'In part')"
            )
        };
        [
            part("refund", ""),
            part("admin_adjustment", ""),
            part("admin_adjustment", " part 3"),
        ]
    };
    let (usage, money) = (parts("add", "req_a", 2), parts("debit", "pay_1", 30));
    for (number, log) in [(2, true), (2, false), (3, true)] {
        let row = logged("req_a", &[if log { 6 } else { 6 - 2 * number }]);
        let first = usize::try_from(number).unwrap();
        let done = [&usage[..first], &money[..first]].concat().join("; ");
        let database = ledger(NEWEST.0, &format!("{charge}; {done}; {row}"));
        assert_eq!(found(&database), [""; 0], "{number} parts");
        assert_eq!(balance(&database), 94.0 - 28.0 * f64::from(number));
        // A part too many is found, also by a log row that says what is left, and taken back as
        // printed.
        database.execute(&format!(
            "SELECT public.add_user_credits('{USER}', 5, 'admin_adjustment', 'req_a part 4', 'x')"
        ));
        let ids = ["refund-within-origin", "usage-amount-mismatch"];
        let expected = if log { &ids[..1] } else { &ids };
        assert_eq!(found(&database), expected);
        let said = finding(&database, "refund-within-origin");
        let difference = said["difference"].as_str().unwrap();
        let take = remedy("refund-within-origin");
        assert!(take.contains("'<reference> part <n>' with the next number"));
        let take = statement(&take, "SELECT * FROM public.debit_user_credits", "')")
            .replace("<user>", &format!("'{USER}'"))
            .replace("<difference>", difference)
            .replace("<reference>", "'req_a part 5'");
        database.execute(&take);
        assert_eq!(found(&database), [""; 0]);
    }
}

/// The one who paid had a part of it back already; the three findings are one request, and are
/// settled once. When it was the payer who sent it, the log is wrong.
#[test]
fn a_request_of_another_user_is_charged_once_and_given_back_once() {
    let other = "00000000-0000-4000-8000-000000000002";
    for schema in ["1.0.0", NEWEST.0] {
        let database = ledger(
            schema,
            &format!(
                "SELECT public.debit_user_credits('$user', 5, 'usage', 'req_b', NULL);
                 SELECT public.debit_user_credits('$user', 5, 'usage', 'req_a', NULL);
                 SELECT public.add_user_credits('$user', 2, 'refund', 'req_a', 'In part');
                 SELECT public.add_user_credits('{other}', 100, 'purchase', 'pay_2', NULL);
                 {}; {}",
                logged("req_a", &[5]).replace("$user", other),
                logged("req_b", &[5]),
            ),
        );
        database.execute(
            "UPDATE public.llm_usage_log SET created_at = created_at - interval '1 day'
              WHERE request_id = 'req_b'",
        );
        let ids = [
            "charge-without-usage",
            "usage-unbilled",
            "usage-user-mismatch",
        ];
        assert_eq!(found(&database), ids);
        for id in &ids[..2] {
            let text = remedy(id);
            let first = "settle usage-user-mismatch first, where it names the request, and audit";
            assert!(text.starts_with(first), "{text}");
        }
        let text = remedy("usage-user-mismatch");
        let log = database.copy();
        log.execute(
            &statement(&text, "UPDATE ", "<log row>")
                .replace("<user of the entry>", &format!("'{USER}'"))
                .replace(
                    "<log row>",
                    "(SELECT max(id) FROM public.llm_usage_log) - 1",
                ),
        );
        assert_eq!(found(&log), [""; 0], "{schema}");
        let ask = statement(&text, "SELECT -sum(amount)", "'admin_adjustment')")
            .replace("<user of the entry>", &format!("'{USER}'"))
            .replace("<request_id>", "'req_a'");
        assert_eq!(printed(&database, &ask), Some(3.0));
        let give = statement(&text, "SELECT * FROM public.add_user_credits", "<reason>)")
            .replace("<user of the entry>", &format!("'{USER}'"))
            .replace("<request_id>", "'req_a'")
            .replace("<charged>", "3")
            .replace("<reason>", "'Of another user'");
        database.execute(&further(&text, &give, 2));
        database.execute(&format!(
            "SELECT public.debit_user_credits('{other}', 5, 'usage', 'req_a', 'Late')"
        ));
        assert_eq!(found(&database), [""; 0], "{schema}");
        let all = "SELECT sum(balance) FROM public.user_credits";
        assert_eq!(printed(&database, all), Some(190.0));
    }
}
