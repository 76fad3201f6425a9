//! What `migrate` would refuse although history and files fit together. It is asked by the same
//! functions, so a plan never says that a run will begin that does not.

use postgres::Client;

use crate::db::Target;
use crate::error::{Error, Kind, Result};
use crate::migrations::history::History;
use crate::migrations::precheck::{self, Precheck};
use crate::migrations::preflight;
use crate::migrations::set::{File, Set};
use crate::report::Problem;

/// What the questions before the first statement are answered with.
#[derive(Default)]
pub(super) struct Refusals {
    /// Why `migrate` would refuse, whoever runs it.
    pub problems: Vec<Problem>,
    /// What holds for this session or its role only, or could not be told.
    pub remarks: Vec<Problem>,
}

/// Asks them for the files that are to be applied. Only what can be told now: a check that does not
/// apply before an earlier file has run says nothing here either.
///
/// # Errors
/// What the server says.
pub(super) fn ask(
    target: &Target,
    client: &mut Client,
    (set, files): (&Set, &[&File]),
    history: &History,
    precheck: &Precheck,
) -> Result<Refusals> {
    let mut found = Refusals::default();
    if files.is_empty() {
        return Ok(found);
    }
    found
        .problems
        .extend(refusal("schema", preflight::schema(client, history))?);
    // Nothing else can be asked about a schema that is not there.
    if !found.problems.is_empty() {
        return Ok(found);
    }
    // Whoever plans needs SELECT only, perhaps on a standby, and need not be the one who migrates.
    let writable = preflight::writable(client);
    found.remarks.extend(refusal("session", writable)?);
    let privileges = preflight::privileges(client, files, history);
    found.remarks.extend(refusal("privileges", privileges)?);
    found
        .problems
        .extend(refusal("disk", preflight::disk(target, client, files))?);
    match precheck::pass(precheck, client, set, files) {
        Err(error) if error.kind() == Kind::Undecided && !error.connection_lost() => {
            found.remarks.push(problem("undecided", &error));
        }
        answer => found.problems.extend(refusal("rows", answer)?),
    }
    Ok(found)
}

/// A refusal is an answer here; other errors stay errors.
fn refusal(code: &'static str, answer: Result<()>) -> Result<Option<Problem>> {
    match answer {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == Kind::Refused => Ok(Some(problem(code, &error))),
        Err(error) => Err(error),
    }
}

fn problem(code: &'static str, error: &Error) -> Problem {
    let lines: Vec<&str> = [error.primary()]
        .into_iter()
        .chain(error.details().iter().map(String::as_str))
        .collect();
    Problem {
        code,
        version: None,
        message: lines.join("\n"),
        hint: error.next_step().unwrap_or("creditdb migrate").to_owned(),
    }
}
