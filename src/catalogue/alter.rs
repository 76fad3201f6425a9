//! SQL that turns an object that is there into the one that should be.

use super::compare::Change;
use super::object::{Kind, Object};
use super::reconcile::{Context, comment, drop, grants, own, trimmings, unqualified};
use super::{create, function as functions, sequence};

pub(super) fn statements(
    expected: &Object,
    actual: &Object,
    changes: &[Change],
    context: &Context<'_>,
) -> Vec<String> {
    let mut sql = match expected.kind {
        Kind::Table => table(expected, actual, changes),
        Kind::Column => column(expected, actual, changes, context),
        Kind::Constraint => constraint(expected, actual, changes, context),
        Kind::Index => index(expected, actual, changes, context),
        Kind::Sequence if sequence::is_in_the_way(expected, actual) => {
            return sequence::make_room(expected, actual, context);
        }
        Kind::Sequence => sequence::alter(expected, actual, changes, context),
        Kind::Function => function(expected, actual, changes, context),
        Kind::Type => type_(expected, actual, changes),
        Kind::Trigger | Kind::Rule if only(changes, "enabled") => {
            let table = expected.table.as_deref().unwrap_or_default();
            vec![create::enable(expected, table, expected.get("enabled"))]
        }
        Kind::View | Kind::Trigger | Kind::Rule | Kind::Policy if defined_otherwise(changes) => {
            let mut sql = vec![drop(actual, context), create::bare(expected)];
            sql.extend(trimmings(expected, context));
            return sql;
        }
        _ => Vec::new(),
    };
    // What had to be dropped comes back with what every new object has.
    if sql.first() == Some(&drop(actual, context)) {
        sql.extend(trimmings(expected, context));
        return sql;
    }
    for change in changes {
        match change.property.as_str() {
            // The server gives it away with its table only.
            "owner" if is_linked(actual) => {}
            "owner" => sql.push(own(expected, context.owner)),
            "comment" => sql.push(comment(expected, expected.comment.as_deref())),
            _ => {}
        }
    }
    if changes
        .iter()
        .any(|change| change.property.starts_with("grants to "))
    {
        sql.extend(grants(expected, &actual.grants, context.owner));
    }
    sql
}

fn has(changes: &[Change], property: &str) -> bool {
    changes.iter().any(|change| change.property == property)
}

/// Whether it is the sequence of a column.
fn is_linked(object: &Object) -> bool {
    object
        .get("owned by")
        .or(object.get("identity of"))
        .is_some()
}

/// Whether the definition differs in this property alone.
fn only(changes: &[Change], property: &str) -> bool {
    has(changes, property) && changes.iter().filter(|change| defines(change)).count() == 1
}

fn defined_otherwise(changes: &[Change]) -> bool {
    changes.iter().any(defines)
}

fn defines(change: &Change) -> bool {
    let property = &change.property;
    !["owner", "comment", "name"].contains(&property.as_str())
        && !property.starts_with("grants to ")
}

fn table(expected: &Object, actual: &Object, changes: &[Change]) -> Vec<String> {
    let name = &expected.name;
    let mut sql = Vec::new();
    for change in changes {
        match change.property.as_str() {
            "persistence" => {
                let mode = if change.expected.is_some() {
                    "UNLOGGED"
                } else {
                    "LOGGED"
                };
                sql.push(format!("ALTER TABLE {name} SET {mode};"));
            }
            "options" => {
                let names: Vec<&str> = actual
                    .text("options")
                    .split(", ")
                    .filter_map(|option| option.split('=').next())
                    .filter(|name| !name.is_empty())
                    .collect();
                if !names.is_empty() {
                    sql.push(format!("ALTER TABLE {name} RESET ({});", names.join(", ")));
                }
                if let Some(options) = &change.expected {
                    sql.push(format!("ALTER TABLE {name} SET ({options});"));
                }
            }
            "row security" => {
                sql.push(format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY;"));
                sql.push(format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY;"));
                sql.extend(create::row_security(expected));
            }
            "replica identity" => {
                let identity = change
                    .expected
                    .as_deref()
                    .unwrap_or("default")
                    .to_uppercase();
                sql.push(format!("ALTER TABLE {name} REPLICA IDENTITY {identity};"));
            }
            "form" | "partition by" | "inherits" | "server" => sql.push(format!(
                "-- no statement turns {name} into what it should be: make it anew"
            )),
            _ => {}
        }
    }
    sql
}

fn column(
    expected: &Object,
    actual: &Object,
    changes: &[Change],
    context: &Context<'_>,
) -> Vec<String> {
    let table = expected.table.as_deref().unwrap_or_default();
    let alter = format!("ALTER TABLE {table} ALTER COLUMN {}", expected.name);
    if expected.get("generated").is_some() && has(changes, "generated") {
        // Its values can be computed again.
        let add = format!(
            "ALTER TABLE {table} ADD COLUMN {};",
            create::column_clause(expected)
        );
        return vec![drop(actual, context), add];
    }
    let mut sql = Vec::new();
    if has(changes, "name") {
        let (from, to) = (&actual.name, &expected.name);
        sql.push(format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to};"));
    }
    if has(changes, "generated") {
        sql.push(format!("{alter} DROP EXPRESSION;"));
    }
    let identity =
        has(changes, "identity").then(|| (expected.get("identity"), actual.get("identity")));
    if let Some((None, Some(_))) = identity {
        sql.push(format!("{alter} DROP IDENTITY IF EXISTS;"));
    }
    let retyped = has(changes, "type") || has(changes, "collation");
    if retyped {
        sql.push(retype(expected, actual));
    }
    match expected.get("default") {
        _ if retyped || !has(changes, "default") => {}
        Some(default) => sql.push(format!("{alter} SET DEFAULT {default};")),
        None => sql.push(format!("{alter} DROP DEFAULT;")),
    }
    match (has(changes, "not null"), expected.get("not null")) {
        (true, Some(_)) => sql.push(not_null(&alter, table, expected)),
        (true, None) => sql.push(format!("{alter} DROP NOT NULL;")),
        (false, _) => {}
    }
    match identity {
        // Its sequence goes on; one that is made anew would begin again.
        Some((Some(how), Some(_))) => {
            sql.push(format!("{alter} SET GENERATED {};", how.to_uppercase()));
        }
        Some((Some(_), None)) => sql.extend(sequence::identity(expected, context)),
        _ => {}
    }
    sql
}

/// The old default may not fit the new type. In one statement: where the values cannot be
/// converted, or a view keeps the type, the default stays.
fn retype(expected: &Object, actual: &Object) -> String {
    let table = expected.table.as_deref().unwrap_or_default();
    let (name, ty) = (&expected.name, expected.text("type"));
    let alter = format!("ALTER COLUMN {name}");
    let collation = expected
        .get("collation")
        .map_or_else(String::new, |name| format!(" COLLATE {name}"));
    let mut actions = Vec::new();
    if actual.get("default").is_some() {
        actions.push(format!("{alter} DROP DEFAULT"));
    }
    // A cast that is asked for cuts off what is too long, and the one that is not refuses it.
    let using = match ty.starts_with("character") || ty.starts_with("bit") {
        true => String::new(),
        false => format!(" USING {name}::{ty}"),
    };
    actions.push(format!("{alter} TYPE {ty}{collation}{using}"));
    if let Some(default) = expected.get("default") {
        actions.push(format!("{alter} SET DEFAULT {default}"));
    }
    let actions = actions.join(",\n    ");
    let change = what_changes(ty, actual.text("type"));
    format!("-- this may rewrite the table{change}\nALTER TABLE {table} {actions};")
}

/// What the server does to values without a word when a column gets another type.
fn what_changes(ty: &str, held: &str) -> &'static str {
    let is_time = |ty: &str| ty.starts_with("timestamp");
    let has_zone = |ty: &str| ty.ends_with("with time zone");
    if is_time(ty) && is_time(held) && has_zone(ty) != has_zone(held) {
        return "; times without a zone are those of the session's TimeZone";
    }
    // Digits behind the point: none is as many as there are.
    let digits = |ty: &str| match (ty, ty.strip_prefix("numeric(")) {
        ("smallint" | "integer" | "bigint", _) => Some(0),
        (_, Some(rest)) => rest.trim_end_matches(')').rsplit(',').next()?.parse().ok(),
        _ => None,
    };
    let is_fraction = ["numeric", "real", "double precision"]
        .into_iter()
        .any(|number| held.starts_with(number));
    let kept: Option<i32> = digits(ty);
    if is_fraction && kept.is_some_and(|kept| digits(held).is_none_or(|held| held > kept)) {
        return "; it rounds values that have more digits";
    }
    ""
}

/// What rows without a value should get is for a person to decide.
fn not_null(alter: &str, table: &str, column: &Object) -> String {
    let name = &column.name;
    let hint = column.get("default").map_or_else(String::new, |_| {
        format!(
            "-- rows without a value need one first, such as:\n\
             -- UPDATE {table} SET {name} = DEFAULT WHERE {name} IS NULL;\n"
        )
    });
    format!("{hint}{alter} SET NOT NULL;")
}

fn constraint(
    expected: &Object,
    actual: &Object,
    changes: &[Change],
    context: &Context<'_>,
) -> Vec<String> {
    let table = expected.table.as_deref().unwrap_or_default();
    let name = &expected.name;
    // Enabled triggers would leave what came in without them, under a constraint that is said to be
    // valid. Made anew it is checked against all rows, and that takes no superuser.
    let anew = has(changes, "definition")
        || has(changes, "enforced")
        || has(changes, "triggers") && actual.get("triggers").is_some()
        || has(changes, "valid") && expected.get("valid").is_some();
    if anew {
        let mut sql = vec![drop(actual, context)];
        sql.extend(create::constraint(expected, context, true));
        return sql;
    }
    let mut sql = Vec::new();
    if has(changes, "name") {
        sql.push(format!(
            "ALTER TABLE {table} RENAME CONSTRAINT {} TO {name};",
            actual.name
        ));
    }
    if has(changes, "valid") {
        sql.push(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name};"));
    }
    if has(changes, "triggers") {
        sql.push(format!(
            "-- the migrations leave the triggers of {name} disabled: mend the migrations"
        ));
    }
    if has(changes, "index valid") {
        let schema = &table[..table.len() - unqualified(table).len()];
        sql.push(format!("REINDEX INDEX CONCURRENTLY {schema}{name};"));
    }
    sql
}

fn index(
    expected: &Object,
    actual: &Object,
    changes: &[Change],
    context: &Context<'_>,
) -> Vec<String> {
    if has(changes, "definition") || has(changes, "unique") {
        let mut sql = vec![drop(actual, context)];
        sql.extend(create::index(expected, context, true));
        return sql;
    }
    let mut sql = Vec::new();
    if has(changes, "name") {
        let name = unqualified(&expected.name);
        sql.push(format!("ALTER INDEX {} RENAME TO {name};", actual.name));
    }
    if has(changes, "valid") {
        sql.push(format!("REINDEX INDEX CONCURRENTLY {};", expected.name));
    }
    sql
}

fn function(
    expected: &Object,
    actual: &Object,
    changes: &[Change],
    context: &Context<'_>,
) -> Vec<String> {
    if !defined_otherwise(changes) {
        return Vec::new();
    }
    // What the server does not let CREATE OR REPLACE change.
    let anew = ["form", "arguments", "result", "state"]
        .iter()
        .any(|p| has(changes, p));
    if anew {
        return vec![drop(actual, context), functions::create(expected, "CREATE")];
    }
    vec![functions::create(expected, "CREATE OR REPLACE")]
}

fn type_(expected: &Object, actual: &Object, changes: &[Change]) -> Vec<String> {
    let name = &expected.name;
    let mut sql = Vec::new();
    if has(changes, "labels") && expected.text("form") == "enum" && actual.text("form") == "enum" {
        let held: Vec<&str> = actual
            .get("labels")
            .map_or_else(Vec::new, |labels| labels.split(", ").collect());
        let mut before: Option<&str> = None;
        for label in expected.text("labels").split(", ") {
            if !held.contains(&label) {
                // Without a place it would be the last one, and no statement moves a label.
                let place = match (before, held.first()) {
                    (Some(before), _) => format!(" AFTER {before}"),
                    (None, Some(first)) => format!(" BEFORE {first}"),
                    (None, None) => String::new(),
                };
                sql.push(format!("ALTER TYPE {name} ADD VALUE {label}{place};"));
            }
            before = Some(label);
        }
    }
    if has(changes, "default") {
        sql.push(match expected.get("default") {
            Some(default) => format!("ALTER DOMAIN {name} SET DEFAULT {default};"),
            None => format!("ALTER DOMAIN {name} DROP DEFAULT;"),
        });
    }
    if has(changes, "not null") {
        let verb = if expected.get("not null").is_some() {
            "SET"
        } else {
            "DROP"
        };
        sql.push(format!("ALTER DOMAIN {name} {verb} NOT NULL;"));
    }
    if has(changes, "checks") {
        let checks = |object: &Object| -> Vec<String> {
            object.text("checks").lines().map(str::to_owned).collect()
        };
        let (wanted, held) = (checks(expected), checks(actual));
        for check in held.iter().filter(|check| !wanted.contains(check)) {
            let constraint = check.split(' ').nth(1).unwrap_or_default();
            sql.push(format!("ALTER DOMAIN {name} DROP CONSTRAINT {constraint};"));
        }
        for check in wanted.iter().filter(|check| !held.contains(check)) {
            sql.push(format!("ALTER DOMAIN {name} ADD {check};"));
        }
    }
    if sql.is_empty() && defined_otherwise(changes) {
        sql.push(format!(
            "-- no statement turns {name} into what it should be: make it anew under another name, \
             and change the columns that use it"
        ));
    }
    sql
}
