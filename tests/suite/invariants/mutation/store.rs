//! Writes a ledger into a migrated database, as it is, right or wrong.

use postgres::Client;

use super::ledger::{EVER, FOREVER, Ledger, NULL};

/// What forbids wrong values, in the versions that have it.
pub const CHECKS: &[&str] = &[
    "ALTER TABLE public.credit_transactions
         DROP CONSTRAINT IF EXISTS credit_transactions_finite_check,
         DROP CONSTRAINT IF EXISTS credit_transactions_sign_check,
         DROP CONSTRAINT IF EXISTS credit_transactions_transaction_type_check",
    "ALTER TABLE public.user_credits
         DROP CONSTRAINT IF EXISTS user_credits_tier_check,
         DROP CONSTRAINT IF EXISTS user_credits_balance_check,
         DROP CONSTRAINT IF EXISTS user_credits_quota_check",
    "ALTER TABLE public.llm_usage_log
         DROP CONSTRAINT IF EXISTS llm_usage_log_credits_check,
         DROP CONSTRAINT IF EXISTS llm_usage_log_tokens_check",
];

/// What refuses a repeated reference or request id.
pub const UNIQUE: &[&str] = &[
    "DROP INDEX IF EXISTS public.credit_transactions_reference_key",
    "DROP INDEX IF EXISTS public.llm_usage_log_request_key",
];

/// What refuses rows of users without a balance row.
pub const FOREIGN_KEYS: &[&str] = &[
    "ALTER TABLE public.credit_transactions
         DROP CONSTRAINT IF EXISTS credit_transactions_user_id_fkey",
    "ALTER TABLE public.user_provider_keys
         DROP CONSTRAINT IF EXISTS user_provider_keys_user_id_fkey",
];

/// What refuses NULL.
pub const NULLABLE: &[&str] = &[
    "ALTER TABLE public.credit_transactions
         ALTER amount DROP NOT NULL, ALTER balance_after DROP NOT NULL,
         ALTER transaction_type DROP NOT NULL",
    "ALTER TABLE public.user_credits
         ALTER balance DROP NOT NULL, ALTER credits_used_this_month DROP NOT NULL,
         ALTER tier DROP NOT NULL",
    "ALTER TABLE public.llm_usage_log ALTER credits_used DROP NOT NULL",
];

/// What refuses infinity: the precision of the columns.
pub const PRECISION: &[&str] = &[
    "ALTER TABLE public.credit_transactions
         ALTER amount TYPE numeric, ALTER balance_after TYPE numeric",
    "ALTER TABLE public.user_credits
         ALTER balance TYPE numeric, ALTER credits_used_this_month TYPE numeric",
    "ALTER TABLE public.llm_usage_log ALTER credits_used TYPE numeric",
];

/// What refuses the user that nobody is.
pub const NIL: &[&str] = &[
    "ALTER TABLE public.credit_transactions
         DROP CONSTRAINT IF EXISTS credit_transactions_user_id_check",
    "ALTER TABLE public.user_credits DROP CONSTRAINT IF EXISTS user_credits_user_id_check",
    "ALTER TABLE public.llm_usage_log DROP CONSTRAINT IF EXISTS llm_usage_log_user_id_check",
];

/// Rows of one table, inserted in one statement.
struct Insert(String, Vec<String>);

impl Insert {
    fn into(table: &str, columns: &str) -> Self {
        Self(
            format!("INSERT INTO public.{table} ({columns}) VALUES"),
            Vec::new(),
        )
    }

    fn row(&mut self, values: &[String]) {
        self.1.push(format!("({})", values.join(", ")));
    }

    fn run(self, client: &mut Client) {
        if !self.1.is_empty() {
            let sql = format!("{}\n{}", self.0, self.1.join(",\n"));
            client
                .batch_execute(&sql)
                .unwrap_or_else(|e| panic!("{e:?}\n{sql}"));
        }
    }
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn word(word: &str) -> String {
    if word == NULL {
        NULL.to_owned()
    } else {
        text(word)
    }
}

fn or_null(value: Option<String>) -> String {
    value.unwrap_or_else(|| "NULL".to_owned())
}

fn time(at: i64) -> String {
    match at {
        FOREVER => "'infinity'".to_owned(),
        EVER => "'-infinity'".to_owned(),
        _ => format!("timestamptz 'epoch' + interval '1 microsecond' * {at}"),
    }
}

/// Without triggers and foreign keys; what a CHECK or a unique index forbids, whoever damages the
/// ledger drops first.
pub fn write(ledger: &Ledger, client: &mut Client) {
    client
        .batch_execute("SET session_replication_role = replica")
        .unwrap();
    write_users(ledger, client);
    write_entries(ledger, client);
    write_log(ledger, client);
    let columns = "id, user_id, provider, key_name, encrypted_key, is_default, is_active,
                   created_at, updated_at";
    let mut keys = Insert::into("user_provider_keys", columns);
    for key in &ledger.keys {
        keys.row(&[
            key.id.to_string(),
            text(&key.user),
            "'openai'".to_owned(),
            text(&format!("key {}", key.id)),
            text(&key.ciphertext),
            key.is_default.to_string(),
            key.is_active.to_string(),
            time(key.created),
            time(key.updated),
        ]);
    }
    keys.run(client);
    let sequences = ["credit_transactions", "llm_usage_log", "user_provider_keys"];
    for table in sequences {
        let set = format!("SELECT setval('public.{table}_id_seq', 100000)");
        client.batch_execute(&set).unwrap();
    }
}

fn write_users(ledger: &Ledger, client: &mut Client) {
    let seq = if ledger.numbered {
        ", last_entry_seq"
    } else {
        ""
    };
    let columns = format!(
        "user_id, balance, tier, monthly_allowance, credits_used_this_month, billing_cycle_start,
         created_at, updated_at{seq}"
    );
    let mut users = Insert::into("user_credits", &columns);
    for user in &ledger.users {
        let mut values = vec![
            text(&user.id),
            user.balance.sql(),
            word(user.tier),
            or_null(user.allowance.map(|a| a.to_string())),
            user.used.sql(),
            time(user.cycle),
            time(user.created),
            time(user.updated),
        ];
        values.extend(ledger.numbered.then(|| user.last_seq.to_string()));
        users.row(&values);
    }
    users.run(client);
}

fn write_entries(ledger: &Ledger, client: &mut Client) {
    let seq = if ledger.numbered { ", entry_seq" } else { "" };
    let columns = format!(
        "id, user_id, transaction_type, amount, balance_after, reference_id, description,
         created_at{seq}"
    );
    let mut entries = Insert::into("credit_transactions", &columns);
    for entry in &ledger.entries {
        let mut values = vec![
            entry.id.to_string(),
            text(&entry.user),
            word(entry.kind),
            entry.amount.sql(),
            entry.after.sql(),
            or_null(entry.reference.as_deref().map(text)),
            or_null(entry.description.as_deref().map(text)),
            time(entry.created),
        ];
        values.extend(ledger.numbered.then(|| entry.seq.to_string()));
        entries.row(&values);
    }
    entries.run(client);
}

fn write_log(ledger: &Ledger, client: &mut Client) {
    let columns = "id, user_id, request_id, model, provider, power_level, prompt_tokens,
                   completion_tokens, total_tokens, credits_used, latency_ms, success,
                   error_message, byok_used, created_at";
    let mut log = Insert::into("llm_usage_log", columns);
    for row in &ledger.log {
        log.row(&[
            row.id.to_string(),
            text(&row.user),
            or_null(row.request.as_deref().map(text)),
            text(row.model),
            "'openai'".to_owned(),
            "'balanced'".to_owned(),
            row.tokens[0].to_string(),
            row.tokens[1].to_string(),
            row.tokens[2].to_string(),
            row.credits.sql(),
            or_null(row.latency.map(|ms| ms.to_string())),
            row.success.to_string(),
            or_null(row.error.as_deref().map(text)),
            row.byok.to_string(),
            time(row.created),
        ]);
    }
    log.run(client);
}
