//! Runs an audit: takes the snapshot, plans, has the crew evaluate the checks, and sums up.

use std::time::{Duration, Instant};

use postgres::{Client, Transaction};

use super::board::{Board, Sealed};
use super::catalogue::{Check, NEWEST};
use super::contract::SchemaVersion;
use super::crew::Crew;
use super::neighbours::Neighbours;
use super::outcome::verdict;
use super::plan::Plan;
use super::state::{Course, Horizon, Readings, Request, StateFile, skip_sealed_history};
use super::{canary, equations, plan, relations};
use crate::db::session;
use crate::db::snapshot::{LOCK_PATIENCE, Snapshot};
use crate::error::{Error, Result};
use crate::report::{Audit, AuditedDatabase, CheckResult, Progress};

/// Of what is only worth knowing, the newest rows are enough, this many: they were new once in
/// every audit, and the ledger grows without end.
const RECENT: &str = "100000";

/// Of a table that is distrusted, all rows; as a number, far from the ends of its range.
pub(super) const ALL: &str = "4611686018427387904";

/// Without indexes a scan reads the rows that are stored, not those that an index finds.
const READ_THE_HEAP: &str = "SET LOCAL enable_indexscan = off;
    SET LOCAL enable_indexonlyscan = off;
    SET LOCAL enable_bitmapscan = off;";

/// Questions about few new rows look others up in an index, where a planner that takes every page
/// for a journey would rather read the table; and they need not be sorted for it.
const LOOK_UP: &str = "SET LOCAL random_page_cost = 1.1; SET LOCAL enable_mergejoin = off;";

/// How to run an audit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How many violations of each check to keep as evidence; all are counted.
    pub evidence: u32,
    /// Believe no constraint and no index.
    pub distrust: bool,
    /// When to stop, from the beginning of the audit; what is not evaluated by then says so.
    pub deadline: Option<Duration>,
    /// How many rows the scans may read in a second, all connections together.
    pub rows_per_second: Option<u64>,
    /// The connections take every core of the server: use one less while others write.
    pub leave_a_core: bool,
    /// With a state: read everything, sealed rows included.
    pub full: bool,
    /// With a state: the selection is not the whole catalogue, so that nothing can be sealed.
    pub partial: bool,
}

impl Options {
    /// When the time of an audit that began then is over, where it has a deadline.
    pub(super) fn until(&self, started: Instant) -> Option<Instant> {
        self.deadline.and_then(|limit| started.checked_add(limit))
    }
}

/// The connections of an audit, all to the same database.
pub struct Connections<'a> {
    /// The one that takes the snapshot.
    pub client: &'a mut Client,
    /// Further ones that evaluate checks.
    pub helpers: &'a mut [Client],
    /// Looks whether others write, and evaluates nothing. Without it the audit makes no room for
    /// them.
    pub lookout: Option<Client>,
}

impl<'a> Connections<'a> {
    /// A single one.
    pub fn one(client: &'a mut Client) -> Self {
        Self {
            client,
            helpers: &mut [],
            lookout: None,
        }
    }
}

/// The chain equation failed over the new rows.
const DOES_NOT_GO_ON: &str = "the new entries do not go on where the sealed ones end";

/// Evaluates the checks of a selection in one snapshot.
///
/// All connections evaluate in the same snapshot; a helper that cannot join is done without. A
/// check that cannot be evaluated becomes a result of its own and makes the verdict incomplete; the
/// others are evaluated all the same.
///
/// With the file of a state it reads only what is new since the audit that left that state, where
/// this can be done, and the report says what it did. To save what the file is to say afterwards is
/// up to the caller.
///
/// # Errors
/// When there is nothing to audit (no schema version), or no snapshot to be had; a state of another
/// database.
pub fn audit(
    connections: Connections<'_>,
    selection: &[&Check],
    options: &Options,
    mut file: Option<&mut StateFile>,
    progress: &dyn Progress,
) -> Result<Audit> {
    let started = Instant::now();
    let Connections {
        client,
        helpers,
        lookout,
    } = connections;
    let horizon = file.as_deref().map(|file| Horizon::look(client, file));
    let horizon = horizon.transpose()?;
    let mut neighbours = Neighbours::new(lookout, options.leave_a_core);
    let tables = plan::tables(selection);
    let left = |deadline: Duration| deadline.saturating_sub(started.elapsed());
    let patience = options.deadline.map_or(LOCK_PATIENCE, left);
    let mut snapshot = Snapshot::take(client, &tables, patience.min(LOCK_PATIENCE))?;
    let joined = join(&mut snapshot, &tables, helpers, progress)?;
    let Snapshot {
        transaction,
        taken_at,
        id,
        ..
    } = snapshot;
    let mut hands = vec![transaction];
    hands.extend(joined);
    let (database, version) = describe(&mut hands[0])?;
    if version > NEWEST {
        progress.remark(&format!(
            "the schema has version {version}, and this program knows none above {NEWEST}: what is \
             new may be taken for damage, or damage to it passed over"
        ));
    }
    let mut plan = plan::plan(&mut hands[0], selection, version, options.distrust)?;
    let recent = if options.distrust { ALL } else { RECENT };
    let recent = format!("SET LOCAL creditdb.recent = '{recent}';");
    let mut setup = vec![recent.as_str()];
    setup.extend(options.distrust.then_some(READ_THE_HEAP));
    neighbours.make_room(&mut hands);
    tell(&mut hands, &setup)?;
    canary::sing(&mut hands, &mut plan)?;
    let course = file.as_deref().zip(horizon).map(|(file, horizon)| {
        let schema = &database.schema_version;
        Course::set(&mut hands, file, horizon, schema, request(options, started))
    });
    let mut course = course.transpose()?;
    if course
        .as_ref()
        .is_some_and(|course| course.since().is_some())
    {
        tell(&mut hands, &[LOOK_UP])?;
    }
    let key = match &course {
        Some(course) => course.key,
        None => equations::key(&mut hands[0])?,
    };
    equations::prove(&mut hands[0], key)?;
    // Whoever writes seldom may have been missed before.
    neighbours.make_room(&mut hands);
    let evaluation = Evaluation {
        moved: relations::moved(&tables, &plan.relations),
        options,
        neighbours: &neighbours,
        started,
        progress,
        key,
    };
    let (readings, mut checks) = evaluation.follow(&mut course, &mut plan, &mut hands);
    let state = course.zip(file.as_mut()).map(|(course, file)| {
        let when = (taken_at, options.evidence);
        course.conclude(file, &plan, readings, &mut checks, when)
    });
    Ok(Audit {
        verdict: verdict(&checks),
        database,
        taken_at,
        snapshot_id: id,
        state,
        // Whoever calls has read it.
        folder: None,
        checks,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// The transactions of further connections that see the snapshot. A snapshot can be imported only
/// as long as the connection that exported it lives, and any check may be the end of that one: so
/// everybody joins before anybody begins.
fn join<'a>(
    snapshot: &mut Snapshot<'_>,
    tables: &[String],
    helpers: &'a mut [Client],
    progress: &dyn Progress,
) -> Result<Vec<Transaction<'a>>> {
    if helpers.is_empty() {
        return Ok(Vec::new());
    }
    let exported = snapshot.export(tables)?;
    let mut joined = Vec::new();
    for client in helpers {
        match exported.import(client) {
            Ok(transaction) => joined.push(transaction),
            Err(error) => progress.remark(&format!("one connection less: {error}")),
        }
    }
    Ok(joined)
}

/// Sets something on all connections.
fn tell(hands: &mut [Transaction<'_>], settings: &[&str]) -> Result<()> {
    let settings = settings.concat();
    for hand in hands {
        hand.batch_execute(&settings)?;
    }
    Ok(())
}

/// What stays the same when an audit begins again.
struct Evaluation<'a> {
    /// Of [`relations::moved`].
    moved: String,
    options: &'a Options,
    neighbours: &'a Neighbours,
    started: Instant,
    progress: &'a dyn Progress,
    key: i64,
}

/// What was read for the next audit, and the results of the checks.
type Evaluated = (Readings, Vec<CheckResult>);

impl Evaluation<'_> {
    /// Evaluates on a course, and once more, all rows, where it turns out to be the wrong one.
    fn follow(
        &self,
        course: &mut Option<Course>,
        plan: &mut Plan<'_>,
        hands: &mut [Transaction<'_>],
    ) -> Evaluated {
        let decisions = plan.decisions();
        decide(plan, course.as_ref());
        let on_course = sealed(course.as_ref(), plan);
        let (gave_up, evaluated) = self.evaluate(plan, on_course, hands);
        let (true, Some(course)) = (gave_up, course) else {
            return evaluated;
        };
        course.fall_back(DOES_NOT_GO_ON);
        plan.decide(decisions);
        decide(plan, Some(course));
        let all = sealed(Some(course), plan);
        self.evaluate(plan, all, hands).1
    }

    fn evaluate(
        &self,
        plan: &Plan<'_>,
        sealed: Sealed<'_>,
        hands: &mut [Transaction<'_>],
    ) -> (bool, Evaluated) {
        let mut board = Board::new(plan, self.options.evidence, self.key, sealed);
        self.progress.begin("pages", 0);
        let crew = Crew::new(
            &board,
            self.moved.clone(),
            self.options,
            self.neighbours,
            self.started,
            self.progress,
            hands.len(),
        );
        crew.run(hands);
        self.progress.end();
        let readings = board.take_readings();
        (board.gave_up(), (readings, board.results()))
    }
}

fn request(options: &Options, started: Instant) -> Request {
    let full = match (options.distrust, options.full) {
        (true, _) => Some("--distrust believes no index"),
        (false, true) => Some("--full was asked for"),
        (false, false) => None,
    };
    Request {
        full,
        whole: !options.partial,
        until: options.until(started),
    }
}

/// Takes out of the plan what a course, or its lack, leaves out.
fn decide(plan: &mut Plan<'_>, course: Option<&Course>) {
    match course {
        Some(course) => course.decide(plan),
        None => skip_sealed_history(plan, "takes --state FILE, which knows what was sealed"),
    }
}

fn sealed<'a>(course: Option<&'a Course>, plan: &Plan<'_>) -> Sealed<'a> {
    course.map_or_else(Sealed::default, |course| Sealed {
        since: course.since(),
        passes: course.passes(plan),
        cycles: course.cycles(plan),
    })
}

/// What is being audited. A database without a schema version is not ours, or not migrated yet.
fn describe(snapshot: &mut Transaction<'_>) -> Result<(AuditedDatabase, SchemaVersion)> {
    let row = snapshot.query_one(
        "SELECT current_database()::text, current_setting('server_version'), pg_is_in_recovery()",
        &[],
    )?;
    let name: String = row.get(0);
    let Some(schema_version) = session::schema_version(snapshot)? else {
        return Err(
            Error::undecided(format!("database \"{name}\" has no schema version"))
                .detail("table \"public.schema_version\" does not exist or is empty")
                .hint("creditdb status, then creditdb migrate"),
        );
    };
    let version = SchemaVersion::parse(&schema_version).ok_or_else(|| {
        let message = format!("schema version \"{schema_version}\" of database \"{name}\" is not");
        Error::undecided(format!("{message} a version such as 1.0.0"))
            .detail("it is the newest row of \"public.schema_version\"")
            .hint("creditdb status")
    })?;
    let database = AuditedDatabase {
        name,
        server_version: row.get(1),
        schema_version,
        standby: row.get(2),
    };
    Ok((database, version))
}
