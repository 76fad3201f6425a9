//! What an audit has to do and what it has found so far: the plan as jobs, results as they come.

mod conclusions;
mod perform;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::catalogue::Check;
use super::contract::Kind;
use super::equations::Equation;
use super::evidence::Violations;
use super::outcome::{judged, unread, words};
use super::plan::{Decision, Plan};
use super::range::Range;
use super::relations::{self, Relation};
use super::scan::{Scan, Tally};
use super::state::{Contents, Cycles, Pass, Reading, Readings, Since, Used};
use crate::error::{Error, Result};
use crate::report::{CheckResult, CheckStatus};

/// A piece of work for one connection.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// A part of the fused scan of a table.
    Range {
        /// Which scan.
        scan: usize,
        /// Which pages.
        range: Range,
    },
    /// A check by itself, by its place in the plan.
    Check(usize),
    /// The same, but only where a question finds something: whether new rows may have changed its
    /// verdict, the one that its file has for all rows, or whether its guards are to be doubted.
    Suspects {
        /// Its place in the plan.
        place: usize,
        /// The SELECT whose rows say that it has to be evaluated.
        question: String,
    },
    /// A part of a pass over the content of sealed rows.
    Content {
        /// Which pass.
        pass: usize,
        /// Which rows.
        range: Range,
    },
    /// What was used in the billing cycles.
    Cycles,
    /// Evidence of a row check that the scans have counted.
    Evidence(usize),
}

/// What a job has yielded.
#[derive(Default)]
pub(super) struct Done {
    /// Rows that were read, as far as that is known.
    pub rows: u64,
    tally: Option<Tally>,
    contents: Option<Contents>,
    used: Option<Used>,
    violations: Option<Violations>,
}

/// What a state asks of an audit, and what it spares it.
#[derive(Default)]
pub(super) struct Sealed<'a> {
    /// What new rows are judged by, where only they are read.
    pub since: Option<&'a Since>,
    /// What is to be sealed, or compared.
    pub passes: Vec<Pass>,
    /// What is to be summed up by billing cycles.
    pub cycles: Option<Cycles>,
}

/// The plan of an audit and its results.
pub(super) struct Board<'a> {
    plan: &'a Plan<'a>,
    limit: u32,
    scans: Vec<Scan>,
    /// Equations whose sums the scans collect.
    equations: Vec<Equation>,
    sealed: Sealed<'a>,
    /// What the checks by themselves have to read, in pages.
    pages: Vec<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    results: Vec<Option<CheckResult>>,
    tallies: Vec<Tally>,
    /// Scans that an expression stopped: their checks are evaluated one by one.
    broken: Vec<bool>,
    /// Scans of which a part was not read, and why.
    unread: Vec<Option<String>>,
    /// Ranges that are not finished.
    ranges: usize,
    /// What the passes over sealed rows have yielded, or why one has not.
    contents: Vec<Reading<Contents>>,
    /// What the billing cycles have yielded, or why they have not.
    used: Option<Reading<Used>>,
    /// New rows do not go on where the sealed ones end, so nothing can be judged by them alone.
    gave_up: bool,
}

impl<'a> Board<'a> {
    /// Lays out the work. `key` is of [`super::equations::key`].
    pub fn new(plan: &'a Plan<'a>, limit: u32, key: i64, sealed: Sealed<'a>) -> Self {
        let mut scans: BTreeMap<&str, Scan> = BTreeMap::new();
        let since = sealed.since;
        let begin = |table: &str, relation: &Relation| match since {
            Some(since) => since.scan(table, relation),
            None => Scan::new(table, relation),
        };
        let mut scan_of = |table: &'a str| -> Option<()> {
            let relation = plan.relations.get(table)?;
            scans.entry(table).or_insert_with(|| begin(table, relation));
            Some(())
        };
        let mut fused = Vec::new();
        for (place, (check, decision)) in plan.steps.iter().enumerate() {
            let contract = &check.contract;
            let apart = since.is_some_and(|since| !since.covers(check));
            if *decision == Decision::Evaluate && contract.expression().is_some() && !apart {
                // A table that is not there is an error of this check alone.
                let there: Vec<_> = contract.tables.iter().map(|t| scan_of(t)).collect();
                if there.iter().all(Option::is_some) {
                    fused.push((place, *check));
                }
            }
        }
        for (place, check) in fused {
            for table in &check.contract.tables {
                if let Some(scan) = scans.get_mut(table.as_str()) {
                    scan.add_check(place, &check.contract);
                }
            }
        }
        let equations = equations(plan, key, &mut scans, &begin);
        let scans: Vec<Scan> = scans.into_values().filter(|s| !s.is_empty()).collect();
        let state = State {
            results: vec![None; plan.steps.len()],
            tallies: vec![Tally::default(); scans.len()],
            broken: vec![false; scans.len()],
            unread: vec![None; scans.len()],
            ranges: 0,
            contents: sealed
                .passes
                .iter()
                .map(|_| Ok(Contents::default()))
                .collect(),
            used: None,
            gave_up: false,
        };
        let pages = plan.steps.iter().map(|(check, _)| pages(check, plan));
        Self {
            plan,
            limit,
            equations,
            sealed,
            pages: pages.collect(),
            scans,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be done at once: the large checks first, so that the small ranges fill the end.
    pub fn first_jobs(&self, hands: usize, rows_per_second: Option<u64>) -> Vec<Job> {
        let mut state = self.state();
        let mut jobs = Vec::new();
        for (place, (check, decision)) in self.plan.steps.iter().enumerate() {
            let status = match decision {
                Decision::Guarded(names) => {
                    if let Some(question) = check.contract.doubt.clone() {
                        jobs.push(Job::Suspects { place, question });
                    }
                    CheckStatus::Guarded(names.clone())
                }
                Decision::Skip(reason) => CheckStatus::Skipped(reason.clone()),
                Decision::Fail(reason) => CheckStatus::Error(reason.clone()),
                Decision::Evaluate => {
                    let waits = self.scans.iter().any(|scan| scan.judges(place))
                        || self.equation_of(check).is_some()
                        || self.is_spared_by_cycles(check);
                    if !waits && check.contract.kind != Kind::Sealed {
                        jobs.push(self.job_of(place));
                    }
                    continue;
                }
            };
            state.results[place] = Some(unread(check, status));
        }
        jobs.extend(self.sealed.cycles.as_ref().map(|_| Job::Cycles));
        jobs.sort_by_key(|job| std::cmp::Reverse(self.pages_of(job)));
        for (scan, pass) in self.scans.iter().enumerate() {
            let ranges = pass.extent.ranges(hands, rows_per_second).into_iter();
            jobs.extend(ranges.map(|range| Job::Range { scan, range }));
        }
        for (pass, of_it) in self.sealed.passes.iter().enumerate() {
            let ranges = of_it.extent().ranges(hands, rows_per_second).into_iter();
            jobs.extend(ranges.map(|range| Job::Content { pass, range }));
        }
        state.ranges = jobs
            .iter()
            .filter(|job| matches!(job, Job::Range { .. }))
            .count();
        jobs
    }

    /// How much there is to read, in pages.
    pub fn pages_of(&self, job: &Job) -> u64 {
        match job {
            Job::Range { scan, range } => self.scans[*scan].extent.pages_of(*range),
            Job::Content { pass, range } => self.sealed.passes[*pass].extent().pages_of(*range),
            // A question about new rows, as a rule, or about few.
            Job::Suspects { .. } if self.sealed.since.is_some() => 1,
            Job::Suspects { place, .. } if self.is_guarded(*place) => 1,
            Job::Cycles => self.pages_of_cycles(),
            Job::Check(place) | Job::Suspects { place, .. } | Job::Evidence(place) => {
                self.pages[*place]
            }
        }
    }

    /// Whether constraints prove a check.
    fn is_guarded(&self, place: usize) -> bool {
        matches!(self.plan.steps[place].1, Decision::Guarded(_))
    }

    /// How a check by itself is evaluated.
    fn job_of(&self, place: usize) -> Job {
        let check = self.plan.steps[place].0;
        let question = match self.sealed.since {
            Some(since) => since.suspects(check),
            // Where an equation spares the check, the question counts on it.
            None if Equation::spares(&check.contract.id) => None,
            None => check.contract.question.clone(),
        };
        match question {
            Some(question) => Job::Suspects { place, question },
            None => Job::Check(place),
        }
    }

    /// Takes down how a job has ended, and says what follows from it. An error for which the job
    /// itself is not to blame (`cut_off`) leaves what it was about unread. Gives the error back.
    pub fn finish(
        &self,
        job: &Job,
        done: Result<Done>,
        cut_off: bool,
    ) -> (Vec<Job>, Option<Error>) {
        let mut state = self.state();
        if let Job::Content { pass, .. } = job {
            return (Vec::new(), seal(&mut state.contents[*pass], done));
        }
        if let Job::Cycles = job {
            return self.conclude_cycles(&mut state, done);
        }
        let Job::Range { scan, .. } = job else {
            let (Job::Check(place) | Job::Suspects { place, .. } | Job::Evidence(place)) = job
            else {
                return (Vec::new(), None);
            };
            let check = self.plan.steps[*place].0;
            let (result, error) = match done {
                // There was no reason to doubt the guards.
                Ok(Done {
                    violations: Some(Violations { count: 0, .. }),
                    ..
                }) if self.is_guarded(*place) => return (Vec::new(), None),
                Ok(done) => (judged(check, done.violations.unwrap_or_default()), None),
                Err(error) => (
                    unread(check, CheckStatus::Error(words(&error))),
                    Some(error),
                ),
            };
            let pending = self.pending(check, &state);
            state.results[*place] = Some(CheckResult { pending, ..result });
            return (Vec::new(), error);
        };
        let mut failed = None;
        match done {
            Ok(done) => {
                if let Some(tally) = done.tally {
                    state.tallies[*scan].add(tally);
                }
            }
            Err(error) if cut_off => {
                state.unread[*scan].get_or_insert(words(&error));
                failed = Some(error);
            }
            Err(error) => {
                state.broken[*scan] = true;
                failed = Some(error);
            }
        }
        state.ranges -= 1;
        if state.ranges == 0 {
            (self.conclude(&mut state), failed)
        } else {
            (Vec::new(), failed)
        }
    }

    /// Whether everything has to be read after all.
    pub fn gave_up(&self) -> bool {
        self.state().gave_up
    }

    /// What was read for the next audit.
    pub fn take_readings(&mut self) -> Readings {
        let chains_off = self.chains_off(&self.state());
        let passes = std::mem::take(&mut self.sealed.passes);
        let mut state = self.state();
        Readings {
            chains_off,
            passes: passes.into_iter().zip(state.contents.drain(..)).collect(),
            cycles: state.used.take(),
        }
    }

    /// The results, in the order of the plan.
    pub fn results(self) -> Vec<CheckResult> {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let results = state.results.into_iter().zip(&self.plan.steps);
        results
            .map(|(result, (check, _))| {
                let forgotten = || CheckStatus::Error("not evaluated".to_owned());
                result.unwrap_or_else(|| unread(check, forgotten()))
            })
            .collect()
    }
}

/// Adds what a part of a pass over sealed rows has yielded; gives an error back.
fn seal(contents: &mut Reading<Contents>, done: Result<Done>) -> Option<Error> {
    match (done, contents) {
        (Ok(done), Ok(contents)) => {
            contents.add(done.contents.unwrap_or_default());
            None
        }
        (Ok(_), Err(_)) => None,
        (Err(error), contents) => {
            *contents = Err(words(&error));
            Some(error)
        }
    }
}

/// Lets the scans collect what the equations need that would spare a check.
fn equations<'a>(
    plan: &Plan<'a>,
    key: i64,
    scans: &mut BTreeMap<&'a str, Scan>,
    begin: &dyn Fn(&str, &Relation) -> Scan,
) -> Vec<Equation> {
    let spares = |equation: &Equation| {
        plan.steps.iter().any(|(check, decision)| {
            // For a check that is to be asked as well, the sums alone are not worth collecting.
            *decision == Decision::Evaluate
                && check.contract.question.is_none()
                && equation.checks().contains(&check.contract.id.as_str())
        })
    };
    let chosen: Vec<Equation> = Equation::ALL
        .into_iter()
        .filter(|e| e.applies(plan.version, &plan.relations) && spares(e))
        .collect();
    for equation in &chosen {
        for table in equation.tables() {
            if let Some(relation) = plan.relations.get(table) {
                let scan = scans.entry(table).or_insert_with(|| begin(table, relation));
                equation.add_sums(key, scan, &|id| plan.is_proven(id));
            }
        }
    }
    chosen
}

/// Pages of all tables that a check names; one at least, so that every check counts.
fn pages(check: &Check, plan: &Plan<'_>) -> u64 {
    let names = relations::named_by(&check.contract);
    let known = names.iter().filter_map(|name| plan.relations.get(name));
    known.filter_map(|r| r.pages).sum::<u64>().max(1)
}
