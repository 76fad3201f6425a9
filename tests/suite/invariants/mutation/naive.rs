//! A second implementation in SQL, slow and plain: its verdicts must be those of the audit.

use std::collections::BTreeSet;

use postgres::Client;

use super::predict::Findings;

const QUERIES: &str = include_str!("naive.sql");

/// The checks about which the two disagree.
pub fn disagreements(client: &mut Client, numbered: bool, found: &Findings) -> Vec<String> {
    let place = if numbered { "entry_seq" } else { "id" };
    let mut checks = BTreeSet::new();
    let mut disagreements = Vec::new();
    for part in QUERIES.split("-- check: ").skip(1) {
        let (check, query) = part.split_once('\n').unwrap();
        assert!(checks.insert(check), "{check} comes twice");
        let query = query.replace("$place", place);
        let exists = format!("SELECT EXISTS ({query})");
        let row = client.query_one(&exists, &[]);
        let violated: bool = row.unwrap_or_else(|e| panic!("{check}: {e:?}")).get(0);
        if violated != found.contains_key(check) {
            disagreements.push(format!("  {check}: naively {violated}"));
        }
    }
    assert!(checks.len() > 20, "only {} queries", checks.len());
    disagreements
}
