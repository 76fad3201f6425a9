//! Picking checks by id and area, and answering a name that does not exist.

use super::catalogue::Check;
use crate::error::{Error, Result};

/// A name this far from a known one, per three letters of it, is taken for a slip of the pen.
const LETTERS_PER_SLIP: usize = 3;

pub(super) fn select<'a>(
    checks: &'a [Check],
    ids: &[String],
    areas: &[String],
) -> Result<Vec<&'a Check>> {
    let known_ids: Vec<&str> = checks.iter().map(|c| c.contract.id.as_str()).collect();
    let mut known_areas: Vec<&str> = checks.iter().map(|c| c.contract.area.as_str()).collect();
    known_areas.dedup();
    let mut problems = unknown("check", ids, &known_ids);
    problems.extend(unknown("area", areas, &known_areas));
    if let Some((first, rest)) = problems.split_first() {
        let error = rest.iter().fold(Error::usage(first), Error::detail);
        let mut choices = String::new();
        if problems.iter().any(|p| p.contains("no check ")) {
            choices = format!("checks: {}\n", known_ids.join(", "));
        }
        return Err(error
            .detail(format!("{choices}areas: {}", known_areas.join(", ")))
            .hint("creditdb list"));
    }
    let everything = ids.is_empty() && areas.is_empty();
    let wanted = |check: &&Check| {
        everything || ids.contains(&check.contract.id) || areas.contains(&check.contract.area)
    };
    Ok(checks.iter().filter(wanted).collect())
}

fn unknown(what: &str, names: &[String], known: &[&str]) -> Vec<String> {
    let missing = names.iter().filter(|name| !known.contains(&name.as_str()));
    let sentence = |name: &String| match closest(name, known) {
        Some(near) => format!("no {what} \"{name}\"; did you mean \"{near}\"?"),
        None => format!("no {what} \"{name}\""),
    };
    missing.map(sentence).collect()
}

/// The known name that was most likely meant.
fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // Underscores and capitals are how other tools would spell an id.
    let name = name.to_lowercase().replace('_', "-");
    let (steps, near) = known
        .iter()
        .map(|known| (distance(&name, known), *known))
        .min()?;
    let part = known.iter().find(|k| name.len() > 2 && k.contains(&name));
    if steps <= near.len().div_ceil(LETTERS_PER_SLIP) {
        Some(near)
    } else {
        part.copied()
    }
}

/// How many letters must be put in, taken out or replaced (Levenshtein's distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_was_meant() {
        let known = ["chain-continuity", "sign-usage", "type-domain"];
        assert_eq!(closest("chain_continuty", &known), Some("chain-continuity"));
        assert_eq!(closest("continuity", &known), Some("chain-continuity"));
        assert_eq!(closest("usage-sign", &known), None);
        assert_eq!(closest("x", &known), None);
    }

    #[test]
    fn counts_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
