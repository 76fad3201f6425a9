//! How a statement can be run outside of one big transaction, and what of it must be known to find
//! out later how far it came.

use squawk_syntax::ast::{
    self, AlterTableAction, AstNode, DetachConcurrently, ReindexTarget, Stmt,
};

use super::facts::words;

/// What kind of step a statement is. Names are as written, so the server folds and resolves them.
pub(crate) enum Step {
    /// Can be undone: it runs in a transaction together with the record of it.
    Atomic,
    /// Changes the session only (SET, RESET, set_config), so it must be repeated in each session.
    Setting,
    /// Cannot run in a transaction, and may be repeated (VACUUM, CLUSTER of all tables, …).
    Repeatable,
    /// CREATE INDEX CONCURRENTLY.
    Build(Build),
    /// DROP INDEX CONCURRENTLY.
    Drop(String),
    /// REINDEX CONCURRENTLY.
    Rebuild(Scope),
    /// ALTER TABLE … DETACH PARTITION … CONCURRENTLY.
    Detach { parent: String, partition: String },
    /// Cannot be run by us, and why.
    Refused(&'static str),
}

/// A concurrent index build.
pub(crate) struct Build {
    pub index: String,
    pub table: String,
    /// `CREATE [UNIQUE] INDEX` on another table, without a name of its own, up to and from the
    /// place of the table's name: the server itself says whether two definitions are the same.
    pub before_table: String,
    pub after_table: String,
}

/// What a REINDEX is about.
pub(crate) enum Scope {
    Index(String),
    Table(String),
    Schema(String),
    Database,
}

/// Tells how a statement of a file can be run by itself.
pub(crate) fn of(statement: &Stmt) -> Step {
    match statement {
        _ if changes_user(statement) => Step::Refused(OTHER_USER),
        Stmt::Set(_) | Stmt::Reset(_) | Stmt::SetRole(_) | Stmt::ResetRole(_) => Step::Setting,
        Stmt::SetTransaction(_) if sets_session(statement) => Step::Setting,
        Stmt::Select(select) if select.from_clause().is_none() && sets_session(statement) => {
            Step::Setting
        }
        Stmt::CreateIndex(create) if create.concurrently_token().is_some() => build(create),
        Stmt::DropIndex(drop) if drop.concurrently_token().is_some() => {
            let mut names = drop.index_refs().map(|name| text(name.syntax()));
            match (names.next(), names.next()) {
                (Some(name), None) => Step::Drop(name),
                // The server says so, too, but only when it comes to it.
                _ => Step::Refused("DROP INDEX CONCURRENTLY takes one index"),
            }
        }
        Stmt::Reindex(reindex) => rebuild(reindex),
        Stmt::AlterTable(alter) => detach(alter).unwrap_or(Step::Atomic),
        Stmt::Vacuum(_) | Stmt::AlterSystem(_) | Stmt::Checkpoint(_) => Step::Repeatable,
        // Of one table it could run in a transaction, of all of them it cannot.
        Stmt::Cluster(_) => Step::Repeatable,
        Stmt::CreateDatabase(_)
        | Stmt::DropDatabase(_)
        | Stmt::CreateTablespace(_)
        | Stmt::DropTablespace(_)
        | Stmt::CreateSubscription(_)
        | Stmt::DropSubscription(_)
        | Stmt::AlterSubscription(_) => {
            Step::Refused("it reaches beyond this database, so nobody could tell how far it came")
        }
        Stmt::Discard(_) => Step::Refused("it would give up the lock of the deployer"),
        _ => Step::Atomic,
    }
}

/// Why no file may say who the session is.
pub(crate) const OTHER_USER: &str =
    "what is done would be recorded as somebody else's; SET ROLE is not";

/// Whether a statement changes who the session is, in one of its spellings. It would outlast the
/// file, and RESET ALL.
pub(crate) fn changes_user(statement: &Stmt) -> bool {
    let calls = statement
        .syntax()
        .descendants()
        .filter_map(ast::CallExpr::cast);
    match statement {
        Stmt::SetSessionAuth(_) | Stmt::ResetSessionAuth(_) => true,
        Stmt::Set(_) | Stmt::Reset(_) => {
            words(statement.syntax()).contains("session_authorization")
        }
        _ => calls
            .map(|call| words(call.syntax()))
            .any(|call| call.starts_with("set_config('session_authorization'")),
    }
}

/// Whether a statement sets something for longer than a transaction without being SET or RESET: it
/// calls set_config(), or says what all transactions of the session are like.
pub(crate) fn sets_session(statement: &Stmt) -> bool {
    if let Stmt::SetTransaction(set) = statement {
        return words(set.syntax()).contains("session characteristics");
    }
    let mut calls = statement
        .syntax()
        .descendants()
        .filter_map(ast::CallExpr::cast);
    calls.any(|call| {
        let words = words(call.syntax());
        words.starts_with("set_config(") && words.ends_with(",false)")
    })
}

/// Whether the server refuses the statement in a transaction.
pub(crate) fn needs_no_transaction(statement: &Stmt) -> bool {
    match of(statement) {
        Step::Build(_) | Step::Drop(_) | Step::Rebuild(_) | Step::Detach { .. } => true,
        Step::Repeatable => !matches!(statement, Stmt::Checkpoint(_) | Stmt::Cluster(_)),
        Step::Refused(_) => !matches!(statement, Stmt::AlterSubscription(_)),
        Step::Atomic | Step::Setting => false,
    }
}

fn build(create: &ast::CreateIndex) -> Step {
    let (Some(index), Some(table)) = (create.index(), create.table_relation_name()) else {
        // A name that the server makes up is another one at the next try.
        return Step::Refused("a concurrent index build needs a name, to be found again");
    };
    let start = create.syntax().text_range().start();
    let all = create.syntax().text().to_string();
    let place = table.syntax().text_range() - start;
    let after = &all[usize::from(place.end())..];
    let unique = create.unique_token().map_or("", |_| "UNIQUE ");
    Step::Build(Build {
        index: text(index.syntax()),
        table: match table.table_name_ref() {
            Some(name) => text(name.syntax()),
            None => text(table.syntax()),
        },
        before_table: format!("CREATE {unique}INDEX ON "),
        after_table: after.trim_end_matches(';').to_owned(),
    })
}

fn rebuild(reindex: &ast::Reindex) -> Step {
    let concurrently = reindex.is_concurrently();
    let name = |node: Option<String>| node.unwrap_or_default();
    match reindex.reindex_target() {
        Some(ReindexTarget::ReindexTargetIndex(t)) if concurrently => {
            Step::Rebuild(Scope::Index(name(t.index_ref().map(|n| text(n.syntax())))))
        }
        Some(ReindexTarget::ReindexTargetTable(t)) if concurrently => Step::Rebuild(Scope::Table(
            name(t.table_name_ref().map(|n| text(n.syntax()))),
        )),
        Some(ReindexTarget::ReindexTargetIndex(_) | ReindexTarget::ReindexTargetTable(_)) => {
            Step::Atomic
        }
        Some(ReindexTarget::ReindexTargetSchema(t)) if concurrently => Step::Rebuild(
            Scope::Schema(name(t.schema_ref().map(|n| text(n.syntax())))),
        ),
        Some(ReindexTarget::ReindexTargetDatabase(_)) if concurrently => {
            Step::Rebuild(Scope::Database)
        }
        _ => Step::Repeatable,
    }
}

fn detach(alter: &ast::AlterTable) -> Option<Step> {
    let parent = alter.table_relation_name()?.table_name_ref()?;
    alter.actions().find_map(|action| match action {
        AlterTableAction::DetachPartition(detach) => {
            let concurrently = detach
                .syntax()
                .children()
                .any(|child| DetachConcurrently::can_cast(child.kind()));
            concurrently.then(|| Step::Detach {
                parent: text(parent.syntax()),
                partition: detach
                    .table_name_ref()
                    .map(|name| text(name.syntax()))
                    .unwrap_or_default(),
            })
        }
        _ => None,
    })
}

fn text(node: &squawk_syntax::SyntaxNode) -> String {
    node.text().to_string().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::Script;

    fn step(sql: &str) -> Step {
        let script = Script::parse(sql);
        let statement = script.nodes().next();
        statement.as_ref().map_or(Step::Refused("nothing"), of)
    }

    #[test]
    fn a_build_keeps_what_makes_its_definition() {
        let sql = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"I\" ON ONLY public.t
                   USING btree (lower(a), b DESC) INCLUDE (c) WHERE a > ';';";
        let Step::Build(build) = step(sql) else {
            panic!("not a build");
        };
        assert_eq!((&build.index[..], &build.table[..]), ("\"I\"", "public.t"));
        assert_eq!(build.before_table, "CREATE UNIQUE INDEX ON ");
        assert!(build.after_table.trim_start().starts_with("USING btree"));
        assert!(build.after_table.ends_with("WHERE a > ';'"));
    }

    #[test]
    fn tells_the_kinds_of_steps_apart() {
        assert!(matches!(
            step("SET maintenance_work_mem = '1GB'"),
            Step::Setting
        ));
        for sql in [
            "RESET ALL",
            "SET ROLE owner",
            "RESET ROLE",
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SELECT set_config('search_path', 'app', false)",
            "SELECT pg_catalog.set_config('a.b', current_setting('c.d'), FALSE)",
        ] {
            assert!(matches!(step(sql), Step::Setting), "{sql}");
        }
        for sql in [
            "SELECT set_config('search_path', 'app', true)",
            "SELECT set_config('a.b', name, false) FROM settings",
        ] {
            assert!(matches!(step(sql), Step::Atomic), "{sql}");
        }
        for sql in [
            "SET SESSION AUTHORIZATION owner",
            "SET LOCAL SESSION AUTHORIZATION owner",
            "RESET SESSION AUTHORIZATION",
            "SET session_authorization = owner",
            "SELECT pg_catalog.set_config('session_authorization', 'owner', false)",
        ] {
            assert!(
                matches!(step(sql), Step::Refused(why) if why == OTHER_USER),
                "{sql}"
            );
        }
        assert!(matches!(step("UPDATE t SET a = 1"), Step::Atomic));
        assert!(matches!(step("ALTER TYPE e ADD VALUE 'x'"), Step::Atomic));
        assert!(matches!(step("REINDEX TABLE t"), Step::Atomic));
        assert!(matches!(step("VACUUM t"), Step::Repeatable));
        assert!(matches!(
            step("CREATE INDEX CONCURRENTLY ON t (a)"),
            Step::Refused(_)
        ));
        assert!(matches!(step("DROP DATABASE d"), Step::Refused(_)));
        assert!(
            matches!(step("DROP INDEX CONCURRENTLY IF EXISTS s.i"), Step::Drop(i) if i == "s.i")
        );
        for sql in [
            "REINDEX TABLE CONCURRENTLY s.t",
            "REINDEX (CONCURRENTLY) TABLE s.t",
        ] {
            assert!(matches!(step(sql), Step::Rebuild(Scope::Table(t)) if t == "s.t"));
        }
        let Step::Detach { parent, partition } =
            step("ALTER TABLE s.p DETACH PARTITION s.c CONCURRENTLY")
        else {
            panic!("not a detach");
        };
        assert_eq!((&parent[..], &partition[..]), ("s.p", "s.c"));
        assert!(matches!(
            step("ALTER TABLE p DETACH PARTITION c"),
            Step::Atomic
        ));
    }
}
