//! Every statement of the quick reference runs as printed, with a real UUID in the place of the
//! placeholder, and returns what the document says.

use std::collections::BTreeSet;
use std::io::Read;

use postgres::{Client, SimpleQueryMessage};

use super::document::{blocks_in, statements, statements_of_python, statements_of_shell};
use super::{USER, decimal, value};
use crate::support::server::Database;

/// A result as a person sees it.
#[derive(Debug)]
struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// The values of a column.
    fn column(&self, name: &str) -> Vec<&str> {
        let at = self.columns.iter().position(|c| c == name);
        let at = at.unwrap_or_else(|| panic!("no column {name:?} in {:?}", self.columns));
        self.rows
            .iter()
            .map(|row| row[at].as_deref().unwrap_or("NULL"))
            .collect()
    }

    /// The value of a column of the only row.
    fn only(&self, name: &str) -> &str {
        assert_eq!(self.rows.len(), 1, "{self:?}");
        self.column(name)[0]
    }
}

/// Somebody who works through the document.
struct Person {
    client: Client,
    tried: BTreeSet<&'static str>,
}

impl Person {
    fn on(database: &Database) -> Self {
        let (client, tried) = (database.connect(), BTreeSet::new());
        Self { client, tried }
    }

    /// Runs the block below a heading, each statement by itself: VACUUM refuses to share a text.
    fn runs(&mut self, title: &str) -> Vec<Table> {
        let block = blocks_in("sql")
            .into_iter()
            .find(|block| block.title == title);
        let block = block.unwrap_or_else(|| panic!("no block {title:?}"));
        self.tried.insert(block.title);
        let text = block.text.replace("USER_UUID", &USER.to_string());
        statements(&text)
            .iter()
            .map(|statement| run(&mut self.client, statement))
            .collect()
    }

    /// The result of a block of one statement.
    fn sees(&mut self, title: &str) -> Table {
        let mut tables = self.runs(title);
        assert_eq!(tables.len(), 1, "{title}");
        tables.remove(0)
    }
}

fn run(client: &mut Client, statement: &str) -> Table {
    let messages = client
        .simple_query(statement)
        .unwrap_or_else(|e| panic!("{e:?}\n{statement}"));
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(names) => {
                columns = names
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect();
            }
            SimpleQueryMessage::Row(row) => {
                rows.push(
                    (0..row.len())
                        .map(|at| row.get(at).map(str::to_owned))
                        .collect(),
                );
            }
            _ => {}
        }
    }
    Table { columns, rows }
}

#[test]
fn every_block_runs_on_a_database_without_users() {
    let database = Database::migrated();
    let mut person = Person::on(&database);
    let blocks = blocks_in("sql");
    for block in &blocks {
        person.runs(block.title);
    }
    assert_eq!(
        (blocks.len(), person.tried.len()),
        (18, 18),
        "two blocks below one heading"
    );
}

/// One database, from the first user to the monthly report; each block in the place where its
/// result says most.
#[test]
fn every_block_returns_what_the_document_says() {
    for (schema, database) in Database::of_each_version() {
        let mut person = Person::on(&database);
        a_user_is_made_and_buys(&mut person);
        requests_are_paid_for(&mut person);
        the_user_is_looked_at(&mut person);
        everybody_is_looked_at(&mut person, schema);
        the_database_is_maintained(&mut person);
        let all: BTreeSet<&str> = blocks_in("sql").iter().map(|block| block.title).collect();
        assert_eq!(person.tried, all, "a block that nobody tried");
    }
}

fn a_user_is_made_and_buys(person: &mut Person) {
    for _ in 0..2 {
        person.runs("No Balance Record for User");
    }
    let row = person.sees("Check User Balance");
    let expected = [
        "user_id",
        "balance",
        "tier",
        "power_level",
        "monthly_allowance",
    ];
    assert_eq!(row.columns[..5], expected);
    assert_eq!(
        row.columns[5..],
        ["credits_used_this_month", "usage_percent"]
    );
    assert_eq!(row.only("balance"), "0.00000000");
    assert_eq!(
        (row.only("tier"), row.only("power_level")),
        ("trial", "balanced")
    );
    assert_eq!(row.only("usage_percent"), "0.00");

    let bought = person.sees("Add Credits");
    assert_eq!(bought.columns, ["success", "new_balance", "transaction_id"]);
    assert_eq!(
        bought.rows[0],
        ["t", "100.00000000", "1"].map(|v| Some(v.to_owned()))
    );
    // Credits times the price of the whole package: a hundred times the 10 dollars of a Starter
    // Pack. The document's query does so, and it is ours to run, not to correct.
    let revenue = person.sees("Revenue Summary (This Month)");
    assert_eq!(
        revenue.columns,
        ["purchases", "total_credits_sold", "estimated_revenue"]
    );
    assert_eq!(revenue.only("purchases"), "1");
    assert_eq!(decimal(revenue.only("total_credits_sold")), decimal("100"));
    assert_eq!(decimal(revenue.only("estimated_revenue")), decimal("1000"));
}

fn requests_are_paid_for(person: &mut Person) {
    let charged = person.sees("Debit Credits");
    assert_eq!(
        charged.columns,
        ["success", "new_balance", "transaction_id"]
    );
    assert_eq!(
        charged.rows[0],
        ["t", "97.50000000", "2"].map(|v| Some(v.to_owned()))
    );
    let more = format!("SELECT * FROM debit_user_credits('{USER}', 43.17, 'usage', 'req_2', NULL)");
    assert_eq!(
        run(&mut person.client, &more).only("new_balance"),
        "54.33000000"
    );
    // The number that the document prints.
    let quota = person.sees("Check Quota Usage");
    assert_eq!(quota.only("get_quota_usage_percentage"), "45.67");
    assert_eq!(
        person.sees("Check User Balance").only("usage_percent"),
        "45.67"
    );

    // Beyond the balance: the document's questions then.
    let beyond = format!("SELECT * FROM debit_user_credits('{USER}', 60, 'usage', 'req_3', NULL)");
    let refused = run(&mut person.client, &beyond);
    assert_eq!(
        refused.rows[0][..2],
        [Some("f".to_owned()), Some("54.33000000".to_owned())]
    );
    let [balance, last] = &person.runs("Transaction Failed (Insufficient Balance)")[..] else {
        panic!("two statements");
    };
    assert_eq!(balance.only("balance"), "54.33000000");
    assert_eq!(
        (last.only("reference_id"), last.only("amount")),
        ("req_2", "-43.17000000")
    );
}

fn the_user_is_looked_at(person: &mut Person) {
    let recent = person.sees("Recent Transactions");
    let expected = [
        "created_at",
        "transaction_type",
        "amount",
        "balance_after",
        "description",
    ];
    assert_eq!(recent.columns[..5], expected);
    assert_eq!(
        recent.column("transaction_type"),
        ["usage", "usage", "purchase"]
    );
    assert_eq!(
        recent.column("reference_id"),
        ["req_2", "req_abc123", "pi_stripe_123"]
    );
    assert_eq!(
        recent.column("balance_after"),
        ["54.33000000", "97.50000000", "100.00000000"]
    );

    person
        .client
        .batch_execute(&format!(
            "INSERT INTO llm_usage_log (user_id, request_id, model, provider, prompt_tokens,
                 completion_tokens, total_tokens, credits_used, latency_ms, success, created_at)
             VALUES ('{USER}', 'req_abc123', 'gpt-4', 'openai', 10, 20, 30, 2.5, 800, true, now()),
                    ('{USER}', 'req_2', 'gpt-4', 'openai', 1, 2, 3, 43.17, 1200, true, now()),
                    ('{USER}', 'req_5', 'gpt-4', 'openai', 0, 0, 0, 0, NULL, false, now()),
                    ('{USER}', 'req_4', 'haiku', 'anthropic', 5, 6, 11, 0, 90, true, now()),
                    (gen_random_uuid(), 'req_2', 'gpt-4', 'openai', 1, 1, 2, 1, 1, true,
                     now() - interval '70 days');
             INSERT INTO user_provider_keys
                    (user_id, provider, key_name, encrypted_key, is_default, is_active)
             VALUES ('{USER}', 'openai', 'work', 'x', false, true),
                    ('{USER}', 'together', 'home', 'x', true, true),
                    ('{USER}', 'anthropic', 'old', 'x', true, false);"
        ))
        .unwrap();
    let usage = person.sees("LLM Usage Stats (Last 24 Hours)");
    assert_eq!(usage.column("model"), ["gpt-4", "haiku"]);
    assert_eq!(usage.column("request_count"), ["3", "1"]);
    assert_eq!(usage.column("total_tokens"), ["33", "11"]);
    assert_eq!(usage.column("total_credits"), ["45.67000000", "0.00000000"]);
    // The failed request has no latency, and pulls no average down.
    assert!(
        usage.column("avg_latency_ms")[0].starts_with("1000.0"),
        "{usage:?}"
    );
    assert!(
        usage.column("success_rate")[0].starts_with("66.6"),
        "{usage:?}"
    );

    let keys = person.sees("User BYOK Keys");
    assert_eq!(keys.column("key_name"), ["home", "work"]);
    assert_eq!(keys.column("last_used_at"), ["NULL", "NULL"]);
    assert_eq!(keys.column("usage_count_this_month"), ["0", "0"]);
}

fn everybody_is_looked_at(person: &mut Person, schema: &str) {
    assert_eq!(person.sees("Active Users (Last 7 Days)").only("count"), "1");
    let top = person.sees("Top Models (This Month)");
    assert_eq!(top.column("model"), ["gpt-4", "haiku"]);
    assert_eq!(top.column("requests"), ["3", "1"]);
    assert_eq!(top.column("total_credits"), ["45.67000000", "0.00000000"]);

    let twice = person.sees("Find Duplicate Requests");
    assert_eq!(
        (twice.only("request_id"), twice.only("count")),
        ("req_2", "2")
    );

    assert_eq!(person.sees("Users with Low Balance").rows.len(), 0);
    let others = "INSERT INTO user_credits (user_id, balance, tier)
                  VALUES (gen_random_uuid(), 9.99, 'starter'), (gen_random_uuid(), -1, 'trial'),
                         (gen_random_uuid(), 10, 'trial'), (gen_random_uuid(), -5, 'enterprise')";
    person.client.batch_execute(others).unwrap();
    let low = person.sees("Users with Low Balance");
    assert_eq!(low.column("balance"), ["-1.00000000", "9.99000000"]);

    let version = person.sees("Schema Version Check");
    assert_eq!(version.columns, ["version", "description", "applied_at"]);
    assert_eq!(version.only("version"), schema);
}

fn the_database_is_maintained(person: &mut Person) {
    assert_eq!(person.runs("Vacuum Tables (Weekly)").len(), 3);
    let analyzed: i64 = value(
        &mut person.client,
        "SELECT count(*) FROM pg_class WHERE reltuples > 0 AND relname IN
         ('user_credits', 'credit_transactions', 'llm_usage_log')",
    );
    assert_eq!(analyzed, 3);

    let file_of_index = "SELECT pg_relation_filenode('idx_user_credits_user_id')::bigint";
    let before: i64 = value(&mut person.client, file_of_index);
    assert_eq!(person.runs("Rebuild Indexes (If Needed)").len(), 3);
    assert_ne!(
        value::<i64>(&mut person.client, file_of_index),
        before,
        "not rebuilt"
    );

    let sizes = person.sees("Check Table Sizes");
    assert_eq!(sizes.columns, ["schemaname", "tablename", "size"]);
    let listed: BTreeSet<&str> = sizes.column("tablename").into_iter().collect();
    let tables = ["user_credits", "credit_transactions", "llm_usage_log"];
    let rest = [
        "user_provider_keys",
        "credit_packages",
        "power_level_configs",
    ];
    assert_eq!(listed, tables.into_iter().chain(rest).collect());
    assert_eq!(sizes.rows.len(), 6);
    assert!(
        sizes
            .column("size")
            .iter()
            .all(|size| size.ends_with(" kB")),
        "{sizes:?}"
    );
}

#[test]
fn the_shell_snippets_run() {
    let database = Database::migrated();
    let mut client = database.connect();
    let found = statements_of_shell();
    let [count, copy] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(run(&mut client, count).only("count"), "0");

    assert!(copy.starts_with("COPY ("), "{copy}");
    let mut csv = String::new();
    client
        .copy_out(copy)
        .unwrap()
        .read_to_string(&mut csv)
        .unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(
        lines[0].starts_with("id,name,credits,price_usd,discount,badge_text,"),
        "{csv}"
    );
    assert_eq!(lines.len(), 5, "{csv}");
    assert!(
        lines[2].starts_with("2,Value Pack,500.00000000,45.00,10.00,MOST POPULAR,"),
        "{csv}"
    );
}

#[test]
fn the_python_snippet_runs() {
    let database = Database::migrated();
    let mut client = database.connect();
    super::add(&mut client, USER, "12.5", "bonus");
    let found = statements_of_python();
    let [query] = &found[..] else {
        panic!("{found:?}")
    };
    // asyncpg prepares too: the server tells it that the parameter is a uuid, and it makes one.
    let row = client.query_one(query, &[&USER]).unwrap();
    assert_eq!(
        row.get::<_, rust_decimal::Decimal>("balance"),
        decimal("12.5")
    );
    assert!(
        client
            .query_opt(query, &[&uuid::Uuid::from_u128(9)])
            .unwrap()
            .is_none()
    );
}
