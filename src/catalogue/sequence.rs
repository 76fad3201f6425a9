//! SQL of sequences, and of the identity of columns, which brings its own sequence.

use super::compare::Change;
use super::object::{Key, Kind, Object};
use super::reconcile::{Context, comment, drop, grants, trimmings, unqualified};

/// A missing one.
pub(super) fn whole(sequence: &Object, context: &Context<'_>) -> Vec<String> {
    if let Some(column) = sequence.get("identity of") {
        // A sequence of its own would only take the name.
        return vec![part_of(column)];
    }
    let mut sql = create(sequence, context);
    sql.extend(linked(sequence, context));
    sql
}

fn part_of(column: &str) -> String {
    format!("-- it comes and goes with the identity of {column}")
}

/// Without its link to a column, which may not be there yet.
pub(super) fn create(sequence: &Object, context: &Context<'_>) -> Vec<String> {
    let (name, kind) = (&sequence.name, sequence.text("type"));
    let unlogged = match sequence.get("persistence") {
        Some(_) => "UNLOGGED ",
        None => "",
    };
    let options = options(sequence);
    let mut sql = vec![format!(
        "CREATE {unlogged}SEQUENCE {name} AS {kind} {options};"
    )];
    sql.extend(trimmings(sequence, context));
    sql
}

/// Links a sequence to its column and lets it go on above the ids in use.
pub(super) fn linked(sequence: &Object, context: &Context<'_>) -> Vec<String> {
    let Some(column) = sequence.get("owned by") else {
        return Vec::new();
    };
    let name = &sequence.name;
    let mut sql = vec![format!("ALTER SEQUENCE {name} OWNED BY {column};")];
    // A new table has no ids; that it is new shows in the table's own statements.
    if context.actual.get(&key(column)).is_some() {
        sql.push(go_on(sequence, column));
    }
    sql
}

/// Missing sequences that belong to a column (full name), or to the columns of a table (`table.`).
pub(super) fn missing_of<'a>(context: &Context<'a>, owner: &str) -> Vec<&'a Object> {
    let belongs = |sequence: &&Object| {
        sequence.get("owned by").is_some_and(|column| {
            column == owner || owner.ends_with('.') && column.starts_with(owner)
        })
    };
    context
        .expected
        .iter()
        .filter(|object| {
            object.kind == Kind::Sequence && context.actual.get(&object.key()).is_none()
        })
        .filter(belongs)
        .collect()
}

/// An extra one, with what would not let it go.
pub(super) fn surplus(sequence: &Object, context: &Context<'_>) -> Vec<String> {
    if let Some(column) = sequence.get("identity of") {
        return vec![part_of(column)];
    }
    let mut sql = without_users(sequence, context);
    sql.push(drop(sequence, context));
    sql
}

/// Takes the default from the columns that draw from a sequence which goes: what they should have
/// in its place comes with the column.
fn without_users(sequence: &Object, context: &Context<'_>) -> Vec<String> {
    let draws = draws_from(sequence);
    let users = context.actual.iter().filter(|object| {
        object.kind == Kind::Column
            && object.text("default").contains(&draws)
            && context.expected.get(&object.key()).is_some()
    });
    let users = users.map(|column| {
        let (table, id) = (column.table.as_deref().unwrap_or_default(), &column.name);
        format!("ALTER TABLE {table} ALTER COLUMN {id} DROP DEFAULT;")
    });
    users.collect()
}

/// The default of a column that draws from it.
pub(super) fn draws_from(sequence: &Object) -> String {
    format!("nextval('{}'::regclass)", sequence.name.replace('\'', "''"))
}

/// Whether a sequence has the name that the one of an identity needs.
pub(super) fn is_in_the_way(expected: &Object, actual: &Object) -> bool {
    expected.get("identity of").is_some() && actual.get("identity of").is_none()
}

/// Takes the sequence away that has the name of the one of an identity, and gives the name to that
/// one where it is there; otherwise the column makes it.
pub(super) fn make_room(expected: &Object, actual: &Object, context: &Context<'_>) -> Vec<String> {
    let mut sql = without_users(actual, context);
    sql.push(drop(actual, context));
    let column = expected.get("identity of");
    let of_column = |object: &&Object| object.get("identity of") == column;
    if let Some(other) = context.actual.iter().find(of_column) {
        sql.push(rename(other, expected));
    }
    sql
}

pub(super) fn alter(
    expected: &Object,
    actual: &Object,
    changes: &[Change],
    context: &Context<'_>,
) -> Vec<String> {
    let name = &expected.name;
    // The sequence of an identity column is a part of it, and cannot be had without it.
    if let (Some(column), None) = (actual.get("identity of"), expected.get("identity of")) {
        let (table, id) = split(column);
        let mut sql = vec![format!(
            "ALTER TABLE {table} ALTER COLUMN {id} DROP IDENTITY;"
        )];
        sql.extend(create(expected, context));
        sql.extend(linked(expected, context));
        return sql;
    }
    let has = |property: &str| changes.iter().any(|change| change.property == property);
    let mut sql = Vec::new();
    if has("name") {
        sql.push(rename(actual, expected));
    }
    let kept = [
        "type",
        "increment",
        "minimum",
        "maximum",
        "start",
        "cache",
        "cycle",
    ];
    if kept.into_iter().any(has) {
        let (kind, options) = (expected.text("type"), options(expected));
        sql.push(format!("ALTER SEQUENCE {name} AS {kind} {options};"));
    }
    if has("persistence") {
        let mode = match expected.get("persistence") {
            Some(_) => "UNLOGGED",
            None => "LOGGED",
        };
        sql.push(format!("ALTER SEQUENCE {name} SET {mode};"));
    }
    match expected.get("owned by") {
        // The column has another name, which it loses later, and the link stays.
        Some(column) if context.actual.get(&key(column)).is_none() => {}
        column if has("owned by") => {
            let column = column.unwrap_or("NONE");
            sql.push(format!("ALTER SEQUENCE {name} OWNED BY {column};"));
        }
        _ => {}
    }
    sql
}

/// Numbers a column that is there. In one transaction, so that nobody gets an id that is in use.
pub(super) fn identity(column: &Object, context: &Context<'_>) -> Vec<String> {
    let (table, id) = (column.table.as_deref().unwrap_or_default(), &column.name);
    let how = column.text("identity").to_uppercase();
    let label = column.label();
    let of_column = |object: &&Object| object.get("identity of") == Some(&label);
    let add = format!("ALTER TABLE {table} ALTER COLUMN {id} ADD GENERATED {how} AS IDENTITY");
    let Some(sequence) = context.expected.iter().find(of_column) else {
        return vec![format!("{add};")];
    };
    let (name, options) = (&sequence.name, options(sequence));
    let go_on = go_on(sequence, &label);
    let mut sql = vec![format!(
        "BEGIN;\n{add} (SEQUENCE NAME {name} {options});\n{go_on}\nCOMMIT;"
    )];
    // Its owner is that of the table.
    if sequence.comment.is_some() {
        sql.push(comment(sequence, sequence.comment.as_deref()));
    }
    sql.extend(grants(sequence, &Default::default(), context.owner));
    sql
}

fn rename(from: &Object, to: &Object) -> String {
    let name = unqualified(&to.name);
    format!("ALTER SEQUENCE {} RENAME TO {name};", from.name)
}

/// As in CREATE and ALTER SEQUENCE; the type is that of the column in an identity.
fn options(sequence: &Object) -> String {
    let [increment, minimum, maximum, start, cache] =
        ["increment", "minimum", "maximum", "start", "cache"].map(|p| sequence.text(p));
    let cycle = if sequence.get("cycle").is_some() {
        "CYCLE"
    } else {
        "NO CYCLE"
    };
    format!(
        "INCREMENT BY {increment} MINVALUE {minimum} MAXVALUE {maximum} \
         START WITH {start} CACHE {cache} {cycle}"
    )
}

/// The next id is the one after those in use.
fn go_on(sequence: &Object, column: &str) -> String {
    let number = |property| sequence.text(property).parse::<i64>().unwrap_or(1);
    let (start, increment) = (number("start"), number("increment"));
    let last = if increment < 0 { "min" } else { "max" };
    let before = start.saturating_sub(increment);
    let (table, id) = split(column);
    format!(
        "SELECT setval('{}', coalesce((SELECT {last}({id}) FROM {table}), {before}) \
         + {increment}, false);",
        sequence.name.replace('\'', "''")
    )
}

/// Table and name of a column.
fn split(column: &str) -> (&str, &str) {
    let id = unqualified(column);
    let table = &column[..column.len() - id.len()];
    (table.trim_end_matches('.'), id)
}

fn key(column: &str) -> Key {
    let (table, id) = split(column);
    (Kind::Column, table.to_owned(), id.to_owned())
}
