//! `creditdb rehearse`.

use super::{Outcome, connect, secrets, signals, status};
use crate::cli::{Global, RehearseArgs};
use crate::db::connection::take_password;
use crate::error::Result;
use crate::exit::Exit;
use crate::migrations::{self, RehearsalOptions, Stop};
use crate::output::progress::Terminal;
use crate::report::Report;

pub(super) fn run(args: &RehearseArgs, global: &Global) -> Result<Outcome> {
    let set = status::set(&args.source)?;
    let live = connect::target(global)?;
    let url = global
        .database_url
        .clone()
        .or_else(|| std::env::var("DATABASE_URL").ok());
    let scratch_url = scratch_url(args.scratch_url.as_deref());
    let options = RehearsalOptions {
        to: args.to,
        rows: args.rows,
        // A server of our own ends with the program, however that ends.
        stop: match scratch_url {
            Some(_) => signals::stop()?,
            None => Stop::default(),
        },
        scratch_url,
    };
    let progress = Terminal::default();
    let rehearsal = migrations::rehearse(&live, url.as_deref(), &set, &options, &progress)?;
    // A file that fails here would have failed there.
    let exit = if rehearsal.failure.is_some() {
        Exit::Findings
    } else {
        Exit::Done
    };
    Ok(Outcome {
        report: Report::Rehearsal(rehearsal),
        exit,
    })
}

/// The URL of the option, with the password that was moved from there into the variable.
fn scratch_url(option: Option<&str>) -> Option<String> {
    let option = option?;
    let whole = std::env::var(secrets::SCRATCH_VARIABLE).ok();
    let is_same = |whole: &String| take_password(whole).is_some_and(|(rest, _)| rest == option);
    Some(whole.filter(is_same).unwrap_or_else(|| option.to_owned()))
}
