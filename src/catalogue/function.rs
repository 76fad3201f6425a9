//! SQL that makes a function, procedure or aggregate as a catalogue describes it.

use super::object::Object;
use crate::db::session::quote_literal;

/// `verb` is CREATE or CREATE OR REPLACE.
pub(super) fn create(object: &Object, verb: &str) -> String {
    let name = object.name.split('(').next().unwrap_or_default();
    let arguments = object.text("arguments");
    let form = object.text("form");
    if form == "aggregate" {
        return format!(
            "{verb} AGGREGATE {name}({arguments}) ({});",
            object.text("state")
        );
    }
    let kind = if form == "procedure" {
        "PROCEDURE"
    } else {
        "FUNCTION"
    };
    let mut words = vec![format!("{verb} {kind} {name}({arguments})")];
    if let Some(result) = object.get("result") {
        words.push(format!("RETURNS {result}"));
    }
    words.push(format!("LANGUAGE {}", object.text("language")));
    if kind == "FUNCTION" {
        words.push(object.text("volatility").to_uppercase());
        let flags = [
            ("window", form == "window"),
            ("leakproof", object.get("leakproof").is_some()),
            ("strict", object.get("strict").is_some()),
        ];
        words.extend(
            flags
                .iter()
                .filter(|(_, on)| *on)
                .map(|(word, _)| word.to_uppercase()),
        );
        for property in ["parallel", "cost", "rows"] {
            if let Some(value) = object.get(property) {
                words.push(format!("{} {value}", property.to_uppercase()));
            }
        }
    }
    words.push(format!(
        "SECURITY {}",
        object.text("security").to_uppercase()
    ));
    words.extend(object.text("settings").lines().map(setting));
    words.push(match (object.get("sql body"), object.get("library")) {
        (Some(body), _) => body.to_owned(),
        (None, Some(library)) => {
            format!(
                "AS {}, {}",
                quote_literal(library),
                quote_literal(object.text("body"))
            )
        }
        (None, None) => {
            let body = object.text("body");
            let quote = quote_for(body);
            format!("AS {quote}\n{body}\n{quote}")
        }
    });
    words.join("\n") + ";"
}

/// The server keeps these lists quoted, element by element; all else is one literal.
const LISTS: [&str; 4] = [
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
];

fn setting(setting: &str) -> String {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    if LISTS.contains(&name) && !value.is_empty() {
        format!("SET {name} = {}", elements(value))
    } else {
        format!("SET {name} = {}", quote_literal(value))
    }
}

/// The server keeps an empty element as an empty identifier, which it does not take back.
fn elements(list: &str) -> String {
    let mut quoted = false;
    let ends = |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    let elements = list.split(ends).map(|element| match element.trim() {
        "\"\"" => "''",
        element => element,
    });
    elements.collect::<Vec<_>>().join(", ")
}

/// A dollar quote that the text does not contain.
fn quote_for(body: &str) -> String {
    let mut quote = "$function$".to_owned();
    while body.contains(&quote) {
        quote.insert(quote.len() - 1, '_');
    }
    quote
}
