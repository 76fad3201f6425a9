//! `creditdb verify`.

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
    let mut helpers = helpers(&target, jobs - 1, &progress);
    let lookout = match args.full_speed {
        true => None,
        false => lookout(&target, &progress),
    };
    let connections = Connections {
        client: &mut client,
        helpers: &mut helpers,
        lookout,
    };
    let mut audit = invariants::audit(connections, &selection, &options, file.as_mut(), &progress)?;
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
        std::thread::available_parallelism().map_or(1, usize::from)
    } else {
        JOBS_AFAR
    };
    let free = session::free_connections(client)?;
    let jobs = cores.min(JOBS_AT_MOST).min(1 + free / 4);
    Ok((jobs, target.is_local() && jobs == cores))
}

/// A connection that sees whether others write.
fn lookout(target: &Target, progress: &dyn Progress) -> Option<Client> {
    let connected = target.connect();
    let blind = |error| progress.remark(&format!("makes no room for writers: {error}"));
    connected.map_err(blind).ok()
}

/// Further connections; fewer where the server grants no more.
fn helpers(target: &Target, wanted: usize, progress: &dyn Progress) -> Vec<Client> {
    let mut helpers = Vec::new();
    for _ in 0..wanted {
        match target.connect() {
            Ok(client) => helpers.push(client),
            Err(error) => {
                progress.remark(&format!("one connection less: {error}"));
                break;
            }
        }
    }
    helpers
}
