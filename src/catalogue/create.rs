//! SQL that makes an object as a catalogue describes it.

use super::object::{Kind, Object};
use super::reconcile::{Context, is_partitioned, trimmings, unqualified};
use super::{function, sequence};

/// Makes an object with its parts, owner, comment and grants.
pub(super) fn whole(object: &Object, context: &Context<'_>) -> Vec<String> {
    match object.kind {
        Kind::Table => table(object, context),
        Kind::Column => column(object, context),
        Kind::Sequence => sequence::whole(object, context),
        Kind::Index => with_trimmings(index(object, context, true), object, context),
        Kind::Constraint => with_trimmings(constraint(object, context, true), object, context),
        _ => with_trimmings(vec![bare(object)], object, context),
    }
}

fn with_trimmings(mut sql: Vec<String>, object: &Object, context: &Context<'_>) -> Vec<String> {
    sql.extend(trimmings(object, context));
    sql
}

/// One statement for kinds that need no more.
pub(super) fn bare(object: &Object) -> String {
    let name = &object.name;
    let table = object.table.as_deref().unwrap_or_default();
    match object.kind {
        Kind::Schema => format!("CREATE SCHEMA {name};"),
        Kind::Extension => format!("CREATE EXTENSION {name};"),
        Kind::Type => type_(object),
        Kind::Function => function::create(object, "CREATE"),
        Kind::View => view(object),
        Kind::Policy => policy(object, table),
        // Triggers and rules: the definition is the statement.
        _ => format!("{};", object.text("definition")) + &enabled(object, table),
    }
}

fn enabled(object: &Object, table: &str) -> String {
    object.get("enabled").map_or_else(String::new, |state| {
        format!("\n{}", enable(object, table, Some(state)))
    })
}

/// Switches a trigger or a rule.
pub(super) fn enable(object: &Object, table: &str, state: Option<&str>) -> String {
    let verb = match state {
        Some("no") => "DISABLE",
        Some("replica") => "ENABLE REPLICA",
        Some("always") => "ENABLE ALWAYS",
        _ => "ENABLE",
    };
    let kind = object.kind.word().to_uppercase();
    format!("ALTER TABLE {table} {verb} {kind} {};", object.name)
}

fn type_(object: &Object) -> String {
    let name = &object.name;
    match object.text("form") {
        "enum" => format!("CREATE TYPE {name} AS ENUM ({});", object.text("labels")),
        "range" => format!(
            "CREATE TYPE {name} AS RANGE (SUBTYPE = {});",
            object.text("subtype")
        ),
        "domain" => {
            let mut sql = format!("CREATE DOMAIN {name} AS {}", object.text("base"));
            if let Some(default) = object.get("default") {
                sql += &format!(" DEFAULT {default}");
            }
            if object.get("not null").is_some() {
                sql += " NOT NULL";
            }
            for check in object.text("checks").lines() {
                sql += &format!(" {check}");
            }
            sql + ";"
        }
        _ => format!("CREATE TYPE {name} AS ({});", object.text("attributes")),
    }
}

pub(super) fn view(object: &Object) -> String {
    let form = if object.text("form") == "materialized" {
        "MATERIALIZED VIEW"
    } else {
        "VIEW"
    };
    let options = object
        .get("options")
        .map_or_else(String::new, |o| format!(" WITH ({o})"));
    format!(
        "CREATE {form} {}{options} AS\n{};",
        object.name,
        object.text("definition")
    )
}

fn policy(object: &Object, table: &str) -> String {
    let mut sql = format!(
        "CREATE POLICY {} ON {table} AS {} FOR {} TO {}",
        object.name,
        object.text("form").to_uppercase(),
        object.text("command").to_uppercase(),
        object.text("roles")
    );
    if let Some(using) = object.get("using") {
        sql += &format!(" USING ({using})");
    }
    if let Some(check) = object.get("check") {
        sql += &format!(" WITH CHECK ({check})");
    }
    sql + ";"
}

/// With everything that is a part of it; built quietly, because nobody uses a new table yet.
fn table(object: &Object, context: &Context<'_>) -> Vec<String> {
    let name = &object.name;
    let mut parts: Vec<&Object> = context.expected.parts(name).collect();
    parts.sort_by_key(|part| (part.kind, part.position));
    let columns: Vec<String> = parts
        .iter()
        .filter(|part| part.kind == Kind::Column)
        .map(|column| format!("    {}", column_clause(column)))
        .collect();
    let sequences = sequence::missing_of(context, &format!("{name}."));
    let mut sql: Vec<String> = sequences
        .iter()
        .flat_map(|s| sequence::create(s, context))
        .collect();
    let foreign = object.get("server");
    let mut create = format!(
        "CREATE {}{}TABLE {name} (\n{}\n)",
        if object.get("persistence").is_some() {
            "UNLOGGED "
        } else {
            ""
        },
        if foreign.is_some() { "FOREIGN " } else { "" },
        columns.join(",\n")
    );
    for (property, words) in [("inherits", "INHERITS ("), ("options", "WITH (")] {
        if let Some(value) = object.get(property) {
            create += &format!(" {words}{value})");
        }
    }
    if let Some(key) = object.get("partition by") {
        create += &format!(" PARTITION BY {key}");
    }
    if let Some(server) = foreign {
        create += &format!(" SERVER {server}");
    }
    sql.push(create + ";");
    sql.extend(trimmings(object, context));
    sql.extend(row_security(object));
    sql.extend(sequences.iter().flat_map(|s| sequence::linked(s, context)));
    for part in parts {
        match part.kind {
            Kind::Column => {}
            Kind::Constraint => sql.extend(constraint(part, context, false)),
            Kind::Index => sql.extend(index(part, context, false)),
            _ => sql.push(bare(part)),
        }
        sql.extend(trimmings(part, context));
    }
    sql
}

/// The statements that give a table the row security that it should have.
pub(super) fn row_security(object: &Object) -> Vec<String> {
    let (name, words) = (&object.name, object.text("row security"));
    let mut sql = Vec::new();
    if words.contains("enabled") {
        sql.push(format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"));
    }
    if words.contains("forced") {
        sql.push(format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"));
    }
    sql
}

/// Name, type and all the rest, as in CREATE TABLE.
pub(super) fn column_clause(column: &Object) -> String {
    let mut clause = format!("{} {}", column.name, column.text("type"));
    if let Some(collation) = column.get("collation") {
        clause += &format!(" COLLATE {collation}");
    }
    if let Some(default) = column.get("default") {
        clause += &format!(" DEFAULT {default}");
    }
    if let Some(generated) = column.get("generated") {
        let (expression, how) = generated.rsplit_once(' ').unwrap_or((generated, "stored"));
        clause += &format!(" GENERATED ALWAYS AS ({expression}) {}", how.to_uppercase());
    }
    if let Some(identity) = column.get("identity") {
        clause += &format!(" GENERATED {} AS IDENTITY", identity.to_uppercase());
    }
    if column.get("not null").is_some() {
        clause += " NOT NULL";
    }
    clause
}

fn column(column: &Object, context: &Context<'_>) -> Vec<String> {
    let table = column.table.as_deref().unwrap_or_default();
    let sequences = sequence::missing_of(context, &column.label());
    let mut sql: Vec<String> = sequences
        .iter()
        .flat_map(|s| sequence::create(s, context))
        .collect();
    let filled = ["default", "generated", "identity"]
        .iter()
        .any(|p| column.get(p).is_some());
    if column.get("not null").is_some() && !filled {
        let mut nullable = column.clone();
        nullable.properties.remove("not null");
        sql.push(format!(
            "ALTER TABLE {table} ADD COLUMN {};",
            column_clause(&nullable)
        ));
        sql.push(format!(
            "-- give every row its value before this statement\n\
             ALTER TABLE {table} ALTER COLUMN {} SET NOT NULL;",
            column.name
        ));
    } else {
        sql.push(format!(
            "ALTER TABLE {table} ADD COLUMN {};",
            column_clause(column)
        ));
    }
    sql.extend(trimmings(column, context));
    sql.extend(sequences.iter().flat_map(|s| sequence::linked(s, context)));
    sql
}

/// `live`: without holding up writers, where the server can do that.
pub(super) fn index(index: &Object, context: &Context<'_>, live: bool) -> Vec<String> {
    let table = index.table.as_deref().unwrap_or_default();
    let unique = if index.get("unique").is_some() {
        "UNIQUE "
    } else {
        ""
    };
    let live = live && !is_partitioned(table, context);
    let concurrently = if live { "CONCURRENTLY " } else { "" };
    let name = unqualified(&index.name);
    vec![format!(
        "CREATE {unique}INDEX {concurrently}{name} ON {};",
        index.text("definition")
    )]
}

/// `live`: holding up readers and writers for a moment only, where the server can do that.
pub(super) fn constraint(object: &Object, context: &Context<'_>, live: bool) -> Vec<String> {
    let table = object.table.as_deref().unwrap_or_default();
    let (name, definition) = (&object.name, object.text("definition"));
    let add = |rest: &str| format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}{rest};");
    if object.get("enforced").is_some() {
        return vec![add(" NOT ENFORCED")];
    }
    if object.get("valid").is_some() {
        return vec![add(" NOT VALID")];
    }
    if !live || is_partitioned(table, context) {
        return vec![add("")];
    }
    if definition.starts_with("CHECK") || definition.starts_with("FOREIGN KEY") {
        let validate = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name};");
        return vec![add(" NOT VALID"), validate];
    }
    // Nothing but a list of columns can be taken over from an index that was built before.
    let plain = ["PRIMARY KEY ", "UNIQUE "].into_iter().find_map(|kind| {
        let columns = definition.strip_prefix(kind)?;
        (columns.starts_with('(') && columns.find(')') == Some(columns.len() - 1))
            .then_some((kind, columns))
    });
    match plain {
        Some((kind, columns)) => vec![
            format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} {columns};"),
            format!("ALTER TABLE {table} ADD CONSTRAINT {name} {kind}USING INDEX {name};"),
        ],
        None => vec![add("")],
    }
}
