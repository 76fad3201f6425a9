//! One statement: which rules it falls under.

use squawk_syntax::SourceFile;
use squawk_syntax::ast::{self, AstNode, Stmt};

use super::effects::Effects;
use super::world::{Id, World};
use super::{alter_table, create, drop, maintenance, objects, query};
use crate::syntax::facts::{all_names, words};

/// The rules at work on one statement.
pub(super) struct Reader<'a> {
    pub world: &'a mut World,
    pub effects: Effects,
}

/// What a statement does to the tables of a world; the world afterwards is the one after it.
pub(crate) fn read(world: &mut World, sql: &str) -> Effects {
    let parse = SourceFile::parse(sql);
    let mut reader = Reader {
        world,
        effects: Effects::default(),
    };
    if parse.errors().is_empty() {
        for statement in parse.tree().stmts() {
            reader.statement(&statement);
        }
    } else {
        reader
            .effects
            .unread("the parser does not understand this statement");
    }
    reader.effects
}

impl Reader<'_> {
    /// The relation whose name stands first below a node.
    pub fn first(&self, node: &impl AstNode) -> Option<Id> {
        self.world.find(all_names(node.syntax()).first()?)
    }

    /// Like [`Self::first`]; a relation that is not there is a gap in what is known, unless the
    /// statement puts up with it.
    pub fn known(&mut self, node: &impl AstNode, optional: bool) -> Option<Id> {
        let found = self.first(node);
        if found.is_none() && !optional {
            let names = all_names(node.syntax());
            let name = names.first().map_or("?", |name| name);
            self.effects
                .unread(format!("there is no relation \"{name}\" yet"));
        }
        found
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::AlterTable(alter) => alter_table::table(self, statement, alter),
            Stmt::AlterIndex(_)
            | Stmt::AlterView(_)
            | Stmt::AlterMaterializedView(_)
            | Stmt::AlterSequence(_)
            | Stmt::AlterDomain(_)
            | Stmt::AlterTrigger(_)
            | Stmt::AlterPolicy(_)
            | Stmt::AlterRule(_)
            | Stmt::AlterPublication(_)
            | Stmt::CommentOn(_)
            | Stmt::Grant(_)
            | Stmt::Revoke(_)
            | Stmt::Set(_) => objects::read(self, statement),
            Stmt::CreateTable(_)
            | Stmt::CreateTableAs(_)
            | Stmt::SelectInto(_)
            | Stmt::CreateIndex(_)
            | Stmt::CreateView(_)
            | Stmt::CreateMaterializedView(_)
            | Stmt::CreateSequence(_)
            | Stmt::CreateTrigger(_)
            | Stmt::CreateRule(_)
            | Stmt::CreatePolicy(_)
            | Stmt::CreateStatistics(_)
            | Stmt::CreatePublication(_)
            | Stmt::CreateFunction(_)
            | Stmt::CreateProcedure(_)
            | Stmt::CreateDomain(_) => create::read(self, statement),
            Stmt::DropTable(_)
            | Stmt::DropIndex(_)
            | Stmt::DropView(_)
            | Stmt::DropMaterializedView(_)
            | Stmt::DropSequence(_)
            | Stmt::DropTrigger(_)
            | Stmt::DropRule(_)
            | Stmt::DropPolicy(_)
            | Stmt::DropStatistics(_)
            | Stmt::DropSchema(_)
            | Stmt::DropType(_)
            | Stmt::DropDomain(_) => drop::read(self, statement),
            Stmt::Truncate(_)
            | Stmt::Lock(_)
            | Stmt::Analyze(_)
            | Stmt::Vacuum(_)
            | Stmt::Cluster(_)
            | Stmt::Reindex(_)
            | Stmt::Refresh(_) => maintenance::read(self, statement),
            Stmt::Select(_)
            | Stmt::CompoundSelect(_)
            | Stmt::ParenSelect(_)
            | Stmt::Values(_)
            | Stmt::Table(_)
            | Stmt::Insert(_)
            | Stmt::Update(_)
            | Stmt::Delete(_)
            | Stmt::Merge(_)
            | Stmt::Copy(_)
            | Stmt::Explain(_) => query::run(self, statement.syntax()),
            // All others touch no table (roles, schemas, types, settings), or cannot be read.
            _ => {
                let unread = unread(statement).map(str::to_owned);
                self.effects.unread.extend(unread);
                if takes_along(statement) {
                    self.effects.unread_cascade();
                }
            }
        }
    }
}

/// Why it cannot be told what a statement does.
fn unread(statement: &Stmt) -> Option<&'static str> {
    match statement {
        Stmt::Do(_) => Some("the statements inside of a DO block are not read"),
        Stmt::Call(_) => Some("the statements inside of a procedure are not read"),
        Stmt::Execute(_) => Some("the prepared statement is not known here"),
        Stmt::CreateExtension(_) | Stmt::AlterExtension(_) | Stmt::DropExtension(_) => {
            Some("the script of an extension is not read")
        }
        Stmt::DropOwned(_) | Stmt::Reassign(_) => Some("the objects of a role are not looked up"),
        Stmt::AlterForeignTable(_) | Stmt::CreateForeignTable(_) | Stmt::DropForeignTable(_) => {
            Some("foreign tables are not looked into")
        }
        Stmt::AlterSchema(_) => Some("the new name of a schema is not followed"),
        _ => None,
    }
}

/// Whether a DROP ends with CASCADE: that of a function takes triggers, defaults and views.
fn takes_along(statement: &Stmt) -> bool {
    let is_drop = words(statement.syntax()).starts_with("drop ");
    let mut behaviors = statement.syntax().children().map(ast::DropBehavior::cast);
    is_drop && behaviors.any(cascades)
}

/// Whether a statement ends with CASCADE.
pub(super) fn cascades(behavior: Option<ast::DropBehavior>) -> bool {
    matches!(behavior, Some(ast::DropBehavior::Cascade(_)))
}
