//! `creditdb verify`.

use std::panic::resume_unwind;
use std::thread;

use postgres::Client;

use super::{Outcome, connect};
use crate::cli::{Global, VerifyArgs};
use crate::db::{Target, session};
use crate::error::Result;
use crate::exit::Exit;
use crate::invariants::{self, Catalogue, Connections, Options, StateFile};
use crate::output::progress::Terminal;
use crate::report::{Progress, Report, Verdict};

pub(super) fn run(args: &VerifyArgs, global: &Global) -> Result<Outcome> {
    let catalogue = Catalogue::load(args.catalogue.checks.as_deref())?;
    let selection = catalogue.select(&args.ids, &args.area, args.state.is_some())?;
    let mut file = args.state.as_deref().map(StateFile::open).transpose()?;
    let target = connect::target(global)?;
    let progress = Terminal::default();
    let mut client = target.connect()?;
    let (jobs, leave_a_core) = match args.jobs {
        Some(jobs) => (usize::from(jobs), false),
        None => jobs_for(&mut client, &target)?,
    };
    let options = Options {
        evidence: args.evidence,
        distrust: args.distrust,
        deadline: args.deadline,
        rows_per_second: args.max_rows_per_second,
        leave_a_core,
        full: args.full,
        partial: !args.ids.is_empty() || !args.area.is_empty(),
    };
    let (mut helpers, lookout) = further(&target, jobs - 1, !args.full_speed, &progress);
    let connections = Connections {
        client: &mut client,
        helpers: &mut helpers,
        lookout,
    };
    let mut audit = invariants::audit(connections, &selection, &options, file.as_mut(), &progress)?;
    let folder = args.catalogue.checks.as_ref();
    audit.folder = folder.map(|folder| folder.display().to_string());
    let mut exit = match audit.verdict {
        Verdict::Clean => Exit::Done,
        Verdict::Findings => Exit::Findings,
        Verdict::Incomplete => Exit::Undecided,
    };
    // What the audit has found is shown even when it cannot be kept.
    if let (Some(Err(error)), Some(state)) = (file.map(|file| file.save()), &mut audit.state) {
        progress.remark(&format!("error: {error}"));
        state.kept = Some(error.to_string());
        exit = Exit::Undecided;
    }
    Ok(Outcome {
        report: Report::Audit(audit),
        exit,
    })
}

/// Connections that are of use on a server of which nothing is known.
const JOBS_AFAR: usize = 2;

/// More connections than this are a matter for `--jobs`: the gateway needs the server, too.
const JOBS_AT_MOST: usize = 4;

/// How many connections to use: one for each core of the server, where it runs on this machine,
/// and never more than a quarter of those that are free. And whether these are all cores.
fn jobs_for(client: &mut Client, target: &Target) -> Result<(usize, bool)> {
    let cores = if target.is_local() {
        thread::available_parallelism().map_or(1, usize::from)
    } else {
        JOBS_AFAR
    };
    let free = session::free_connections(client)?;
    let jobs = cores.min(JOBS_AT_MOST).min(1 + free / 4);
    Ok((jobs, target.is_local() && jobs == cores))
}

/// Further connections that evaluate, fewer where the server grants no more, and, if wanted, one
/// that sees whether others write. They are made side by side: each takes some round trips.
fn further(
    target: &Target,
    helpers: usize,
    lookout: bool,
    progress: &dyn Progress,
) -> (Vec<Client>, Option<Client>) {
    let mut made: Vec<Result<Client>> = thread::scope(|scope| {
        let making = (0..helpers + usize::from(lookout)).map(|_| scope.spawn(|| target.connect()));
        let making: Vec<_> = making.collect();
        let made = making.into_iter().map(|one| one.join());
        made.map(|one| one.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    let lookout = lookout.then(|| made.pop()).flatten().and_then(|made| {
        let blind = |error| progress.remark(&format!("makes no room for writers: {error}"));
        made.map_err(blind).ok()
    });
    let (granted, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    if let Some(Err(error)) = refused.first() {
        let less = match refused.len() {
            1 => "one connection less".to_owned(),
            number => format!("{number} connections less"),
        };
        progress.remark(&format!("{less}: {error}"));
    }
    (granted.into_iter().flatten().collect(), lookout)
}
