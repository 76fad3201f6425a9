//! How a statement that is repeated until it changes no row says how many it changed, and whether
//! it ever comes to that.

use squawk_syntax::ast::{self, AstNode, ConflictAction, Stmt};

use super::facts::all_names;
use super::step::{OTHER_USER, changes_user};

/// How it says so.
pub(crate) enum Batch {
    /// By its command tag.
    Rows,
    /// By the one value that it returns.
    Value,
    /// Not at all, and why.
    Refused(&'static str),
}

/// Tells how a statement of a batched file counts.
pub(crate) fn of(statement: &Stmt) -> Batch {
    match statement {
        _ if changes_user(statement) => Batch::Refused(OTHER_USER),
        Stmt::Update(update) if update.where_clause_or_current_of().is_none() => {
            Batch::Refused("without WHERE it changes all rows each time: it would never end")
        }
        Stmt::Insert(insert) if !ends(insert) => Batch::Refused(
            "it would insert the same rows each time and never end, as it neither reads its table \
             (WHERE NOT EXISTS) nor says ON CONFLICT DO NOTHING",
        ),
        Stmt::Insert(_) | Stmt::Update(_) | Stmt::Delete(_) | Stmt::Merge(_) => Batch::Rows,
        Stmt::Select(_) | Stmt::CompoundSelect(_) | Stmt::ParenSelect(_) => Batch::Value,
        _ => Batch::Refused("it cannot be repeated until it changes no row"),
    }
}

/// Whether an INSERT may find nothing to insert at last: it says what becomes of rows that are
/// there, reads the table that it writes, or takes the rows out of another one.
fn ends(insert: &ast::Insert) -> bool {
    let action = insert
        .on_conflict_clause()
        .and_then(|clause| clause.conflict_action());
    let skips = match action {
        Some(ConflictAction::ConflictDoNothing(_)) => true,
        Some(ConflictAction::ConflictDoUpdateSet(update)) => update.where_clause().is_some(),
        _ => false,
    };
    let takes = || {
        let mut nodes = insert.syntax().descendants();
        nodes.any(|node| ast::Delete::can_cast(node.kind()) || ast::Update::can_cast(node.kind()))
    };
    skips || takes() || reads_its_table(insert)
}

fn reads_its_table(insert: &ast::Insert) -> bool {
    let bare = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let target = insert.relation_name_ref();
    let target =
        target.and_then(|target| all_names(target.syntax()).first().map(|name| bare(name)));
    let source = insert.insert_source();
    let with = insert.with_clause();
    let read = source
        .iter()
        .map(AstNode::syntax)
        .chain(with.iter().map(AstNode::syntax));
    read.flat_map(all_names)
        .any(|name| Some(bare(&name)) == target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::Script;

    fn is_refused(sql: &str) -> bool {
        let statement = Script::parse(sql).nodes().next();
        matches!(statement.as_ref().map(of), Some(Batch::Refused(_)))
    }

    #[test]
    fn what_never_ends_is_refused() {
        for sql in [
            "INSERT INTO dst SELECT i FROM src",
            "INSERT INTO public.dst SELECT i FROM src WHERE i NOT IN (SELECT i FROM other.src)",
            "INSERT INTO dst VALUES (1)",
            "INSERT INTO dst SELECT i FROM src ON CONFLICT (i) DO UPDATE SET j = 1",
            "WITH s AS (SELECT i FROM src) INSERT INTO dst SELECT i FROM s",
            "UPDATE t SET a = 1",
            "UPDATE t SET a = s.a FROM s",
        ] {
            assert!(is_refused(sql), "{sql}");
        }
        for sql in [
            "INSERT INTO dst SELECT i FROM src ON CONFLICT DO NOTHING",
            "INSERT INTO dst VALUES (1) ON CONFLICT (i) DO NOTHING",
            "INSERT INTO dst SELECT i FROM src ON CONFLICT (i) DO UPDATE SET j = 1 WHERE dst.j = 0",
            "INSERT INTO dst SELECT i FROM src s WHERE NOT EXISTS (SELECT FROM dst WHERE i = s.i = s.i)",
            "INSERT INTO \"dst\" SELECT i FROM src EXCEPT SELECT i FROM public.dst",
            "INSERT INTO dst SELECT s.i FROM src s LEFT JOIN dst d USING (i) WHERE d.i IS NULL",
            "WITH last AS (SELECT max(i) AS i FROM dst)
             INSERT INTO dst SELECT src.i FROM src, last WHERE src.i > last.i LIMIT 10",
            "WITH gone AS (DELETE FROM src WHERE i < 10 RETURNING i)
             INSERT INTO dst SELECT i FROM gone",
            "UPDATE t SET a = 1 WHERE a IS NULL",
            "DELETE FROM t",
        ] {
            assert!(!is_refused(sql), "{sql}");
        }
    }
}
