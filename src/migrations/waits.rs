//! A file's own `lock_timeout`. A shorter one is its affair. A longer one or none (each script of
//! pg_dump begins with `SET lock_timeout = 0`) would let everybody queue behind a statement that
//! waits, so it is put back to what the option says, and that is told.

use std::time::Duration;

/// Whether the setting may be another one after a statement, in whatever way it is written.
pub(super) fn may_change(statement: &str) -> bool {
    let statement = statement.to_lowercase();
    statement.contains("lock_timeout")
        || statement
            .strip_prefix("reset")
            .is_some_and(|what| what.trim_start().starts_with("all"))
}

/// The statement that puts it back where that is needed. The warning goes the way of those that the
/// file raises itself.
pub(super) fn put_back(limit: Duration) -> String {
    format!(
        "DO $$ DECLARE
             asked int := setting FROM pg_catalog.pg_settings WHERE name = 'lock_timeout';
         BEGIN
             IF asked NOT BETWEEN 1 AND {limit} THEN
                 RAISE WARNING 'lock_timeout = % is put back to {limit} ms',
                               pg_catalog.current_setting('lock_timeout')
                 USING DETAIL = 'Whoever comes after a statement that waits has to wait, too.',
                       HINT = 'creditdb migrate --lock-timeout says how long that may be.';
                 PERFORM pg_catalog.set_config('lock_timeout', '{limit}', false);
             END IF;
         END $$",
        limit = limit.as_millis(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_spellings() {
        for statement in [
            "SET lock_timeout = 0;",
            "set local LOCK_TIMEOUT to '1h'",
            "SELECT pg_catalog.set_config('lock_timeout', '0', false)",
            "RESET lock_timeout",
            "RESET  ALL;",
        ] {
            assert!(may_change(statement), "{statement}");
        }
        assert!(!may_change("SET statement_timeout = 0"));
        assert!(!may_change("CREATE TABLE reset_all (i int)"));
    }
}
