//! ALTER of everything that is not a table, COMMENT, GRANT and SET.

use squawk_syntax::ast::{self, AstNode, Stmt};

use super::alter_table;
use super::level::Level::{self, AccessExclusive, AccessShare, Share, ShareUpdateExclusive};
use super::query::is_volatile;
use super::statement::Reader;
use super::world::Id;
use crate::syntax::facts::{all_names, named, words};

pub(super) fn read(reader: &mut Reader<'_>, statement: &Stmt) {
    match statement {
        Stmt::AlterIndex(alter) => index(reader, alter),
        Stmt::AlterView(alter) => view(reader, alter),
        Stmt::AlterMaterializedView(alter) => materialized(reader, alter),
        Stmt::AlterSequence(alter) => sequence(reader, alter),
        Stmt::AlterDomain(alter) => domain(reader, alter),
        Stmt::AlterTrigger(alter) => on(reader, alter.on_relation(), AccessExclusive),
        Stmt::AlterPolicy(alter) => on(reader, alter.on_table(), AccessExclusive),
        Stmt::AlterRule(alter) => on(reader, Some(alter.clone()), AccessExclusive),
        Stmt::AlterPublication(alter) => {
            for name in named::<ast::TableNameRef>(alter.syntax()) {
                if let Some(id) = reader.world.find(&name) {
                    reader.effects.lock(id, ShareUpdateExclusive);
                }
            }
        }
        Stmt::Grant(grant) => privileges(reader, grant.on_privilege_objects_clause()),
        Stmt::Revoke(revoke) => privileges(reader, revoke.on_privilege_objects_clause()),
        Stmt::CommentOn(comment) => self::comment(reader, comment),
        Stmt::Set(set) => search_path(reader, set),
        _ => {}
    }
}

fn on(reader: &mut Reader<'_>, table: Option<impl AstNode>, level: Level) {
    if let Some(id) = table.and_then(|table| reader.known(&table, false)) {
        reader.effects.lock(id, level);
    }
}

fn index(reader: &mut Reader<'_>, alter: &ast::AlterIndex) {
    use ast::AlterIndexAction as Action;
    let optional = alter.if_exists().is_some();
    let Some(action) = alter.action() else { return };
    let Some(name) = alter.index_ref() else {
        reader
            .effects
            .unread("which indexes are in the tablespace is not looked up");
        return;
    };
    let Some(id) = reader.known(&name, optional) else {
        return;
    };
    match &action {
        Action::IndexRenameTo(rename) => {
            reader.effects.lock(id, ShareUpdateExclusive);
            let new = rename.index().map(|new| all_names(new.syntax()));
            rename_within(reader, id, new.unwrap_or_default().first());
        }
        Action::SetOptions(_) | Action::ResetOptions(_) => {
            reader
                .effects
                .lock(id, alter_table::options_level(action.syntax()));
        }
        Action::SetTablespace(_) => reader.effects.lock(id, AccessExclusive),
        Action::AlterSetStatistics(_) => reader.effects.lock(id, ShareUpdateExclusive),
        Action::AttachIndexPartition(attach) => {
            reader.effects.lock(id, ShareUpdateExclusive);
            let child = all_names(attach.syntax());
            let child = child.first().and_then(|name| reader.world.find(name));
            for index in child.into_iter().chain([id]) {
                if let Some(table) = reader.world.relations[index].table {
                    reader.effects.lock(table, AccessShare);
                }
            }
            if let Some(child) = child {
                reader.effects.lock(child, AccessExclusive);
                reader.world.relations[id].children.push(child);
                reader.world.relations[child].parents.push(id);
            }
        }
        Action::DependsOnExtension(_) | Action::NoDependsOnExtension(_) => {
            reader.effects.lock(id, AccessExclusive);
        }
    }
}

/// Gives a relation a new name in its own schema.
pub(super) fn rename_within(reader: &mut Reader<'_>, id: Id, new: Option<&String>) {
    if let Some(new) = new {
        let old = &reader.world.relations[id].name;
        let name = match old.rsplit_once('.') {
            Some((schema, _)) => format!("{schema}.{new}"),
            None => new.clone(),
        };
        reader.world.rename(id, name);
    }
}

fn view(reader: &mut Reader<'_>, alter: &ast::AlterView) {
    let Some(id) = alter
        .view_ref()
        .and_then(|name| reader.known(&name, alter.if_exists().is_some()))
    else {
        return;
    };
    reader.effects.lock(id, AccessExclusive);
    match alter.action() {
        Some(ast::AlterViewAction::ViewRenameTo(rename)) => {
            rename_within(reader, id, all_names(rename.syntax()).first());
        }
        Some(ast::AlterViewAction::SetSchema(set)) => alter_table::set_schema(reader, id, &set),
        _ => {}
    }
}

fn materialized(reader: &mut Reader<'_>, alter: &ast::AlterMaterializedView) {
    let Some(id) = alter
        .view_ref()
        .and_then(|name| reader.known(&name, alter.if_exists().is_some()))
    else {
        return;
    };
    for action in alter.action() {
        match &action {
            ast::AlterMaterializedViewAction::AlterTableAction(action) => {
                reader.effects.lock(id, alter_table::level(action, None));
            }
            ast::AlterMaterializedViewAction::ViewRenameTo(rename) => {
                reader.effects.lock(id, AccessExclusive);
                rename_within(reader, id, all_names(rename.syntax()).first());
            }
            ast::AlterMaterializedViewAction::SetSchema(set) => {
                reader.effects.lock(id, AccessExclusive);
                alter_table::set_schema(reader, id, set);
            }
            _ => reader.effects.lock(id, AccessExclusive),
        }
    }
}

fn sequence(reader: &mut Reader<'_>, alter: &ast::AlterSequence) {
    use ast::AlterSequenceAction as Action;
    let optional = alter.if_exists().is_some();
    let Some(id) = alter
        .sequence_ref()
        .and_then(|name| reader.known(&name, optional))
    else {
        return;
    };
    for action in alter.actions() {
        match &action {
            Action::SequenceRenameTo(rename) => {
                reader.effects.lock(id, AccessExclusive);
                rename_within(reader, id, all_names(rename.syntax()).first());
            }
            Action::SetSchema(set) => {
                reader.effects.lock(id, AccessExclusive);
                alter_table::set_schema(reader, id, set);
            }
            Action::OwnerTo(_) | Action::SetLogged(_) | Action::SetUnlogged(_) => {
                reader.effects.lock(id, AccessExclusive);
            }
            Action::SequenceOption(option) => {
                reader.effects.lock(id, Level::ShareRowExclusive);
                owned_by(reader, option);
            }
        }
    }
}

/// The table of OWNED BY table.column.
pub(super) fn owned_by(reader: &mut Reader<'_>, option: &ast::SequenceOption) {
    if let ast::SequenceOption::OptionOwnedBy(owner) = option
        && let Some(name) = all_names(owner.syntax()).first()
        && let Some((table, _)) = name.rsplit_once('.')
        && let Some(table) = reader.world.find(table)
    {
        reader.effects.lock(table, AccessShare);
    }
}

/// What a domain demands is checked in every column of that type, or of one based on it.
fn domain(reader: &mut Reader<'_>, alter: &ast::AlterDomain) {
    use ast::AlterDomainAction as Action;
    let names = alter.domain_ref().map(|name| all_names(name.syntax()));
    let Some(name) = names.and_then(|names| names.into_iter().next()) else {
        return;
    };
    let Some(action) = alter.action() else { return };
    let name = reader.world.type_name(&name);
    let volatile = match &action {
        Action::SetDefault(set) => set.expr().map(|e| is_volatile(reader.world, e.syntax())),
        _ => None,
    };
    if let Some(domain) = reader.world.domains.get_mut(&name) {
        match &action {
            Action::SetDefault(_) | Action::DropDefault(_) => domain.volatile_default = volatile,
            Action::SetNotNull(_) | Action::AddConstraint(_) => domain.constrained = true,
            _ => {}
        }
    }
    let level = match action {
        Action::SetNotNull(_) | Action::ValidateConstraint(_) => Share,
        Action::AddConstraint(add) if !words(add.syntax()).contains("not valid") => Share,
        _ => return,
    };
    let same = |ty: &str| reader.world.is_based_on(ty, &name);
    let has = |id: &Id| {
        let relation = &reader.world.relations[*id];
        !relation.gone && relation.has_storage() && relation.columns.iter().any(|c| same(&c.ty))
    };
    let users: Vec<Id> = (0..reader.world.relations.len()).filter(has).collect();
    for id in users {
        reader.effects.scan(reader.world, id, level);
    }
}

fn comment(reader: &mut Reader<'_>, comment: &ast::CommentOn) {
    use ast::CommentObject as Object;
    let Some(object) = comment.comment_object() else {
        return;
    };
    let names = all_names(object.syntax());
    let name = match &object {
        Object::ObjectTable(_)
        | Object::ObjectView(_)
        | Object::ObjectMaterializedView(_)
        | Object::ObjectForeignTable(_)
        | Object::ObjectSequence(_)
        | Object::ObjectIndex(_) => names
            .first()
            .map(|name| (name.as_str(), ShareUpdateExclusive)),
        Object::ObjectColumn(_) => {
            let table = names.first().and_then(|name| name.rsplit_once('.'));
            table.map(|(table, _)| (table, ShareUpdateExclusive))
        }
        Object::ObjectConstraint(constraint) if constraint.domain_ref().is_some() => None,
        Object::ObjectConstraint(_)
        | Object::ObjectTrigger(_)
        | Object::ObjectPolicy(_)
        | Object::ObjectRule(_) => names.last().map(|name| (name.as_str(), AccessShare)),
        _ => None,
    };
    let Some((name, level)) = name else { return };
    match reader.world.find(name) {
        Some(id) => reader.effects.lock(id, level),
        None => reader
            .effects
            .unread(format!("there is no relation \"{name}\" yet")),
    }
}

/// Since 18 a table whose privileges change is locked against being dropped meanwhile.
fn privileges(reader: &mut Reader<'_>, on: Option<ast::OnPrivilegeObjectsClause>) {
    let objects = on.and_then(|on| on.privilege_objects());
    let Some(objects) = objects.filter(|objects| {
        use ast::PrivilegeObjects::{PrivilegeDefault, PrivilegeTable};
        matches!(objects, PrivilegeDefault(_) | PrivilegeTable(_))
    }) else {
        return;
    };
    if reader.world.major >= 18 {
        for name in all_names(objects.syntax()) {
            if let Some(id) = reader.world.find(&name) {
                reader.effects.lock(id, AccessShare);
            }
        }
    }
}

/// `SET [LOCAL] search_path` decides which tables later names mean.
fn search_path(reader: &mut Reader<'_>, set: &ast::Set) {
    let text = words(set.syntax());
    let text = text.trim_end_matches(';');
    let Some((head, value)) = text.split_once("search_path") else {
        return;
    };
    if head.contains('=') {
        return;
    }
    let value = value.trim().trim_start_matches('=').trim();
    let value = value.strip_prefix("to ").unwrap_or(value);
    let schemas = value
        .split(',')
        .map(|s| s.trim().trim_matches(['"', '\'']).to_owned());
    reader.world.set_path(
        schemas
            .filter(|s| !s.is_empty() && s != "pg_catalog")
            .collect(),
    );
}
