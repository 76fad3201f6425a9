//! What an audit has to do and what it has found so far: the plan as jobs, results as they come.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use postgres::Transaction;

use super::catalogue::Check;
use super::contract::Kind;
use super::equations::Equation;
use super::evidence::Violations;
use super::outcome::{judged, unread, words};
use super::plan::{Decision, Plan};
use super::relations;
use super::scan::{Range, Scan, Tally};
use super::{evaluate, row};
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
    /// Evidence of a row check that the scans have counted.
    Evidence(usize),
}

/// What a job has yielded.
#[derive(Default)]
pub(super) struct Done {
    /// Rows that were read, as far as that is known.
    pub rows: u64,
    tally: Option<Tally>,
    violations: Option<Violations>,
}

/// The plan of an audit and its results.
pub(super) struct Board<'a> {
    plan: &'a Plan<'a>,
    limit: u32,
    scans: Vec<Scan>,
    /// Equations whose sums the scans collect.
    equations: Vec<Equation>,
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
}

impl<'a> Board<'a> {
    /// Lays out the work. `key` is of [`super::equations::key`], where the equations may be used.
    pub fn new(plan: &'a Plan<'a>, limit: u32, key: Option<i64>) -> Self {
        let mut scans: BTreeMap<&str, Scan> = BTreeMap::new();
        let mut scan_of = |table: &'a str| -> Option<()> {
            let relation = plan.relations.get(table)?;
            scans
                .entry(table)
                .or_insert_with(|| Scan::new(table, relation));
            Some(())
        };
        let mut fused = Vec::new();
        for (place, (check, decision)) in plan.steps.iter().enumerate() {
            let contract = &check.contract;
            if *decision == Decision::Evaluate && contract.expression().is_some() {
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
        let equations = key.map_or_else(Vec::new, |key| equations(plan, key, &mut scans));
        let scans: Vec<Scan> = scans.into_values().filter(|s| !s.is_empty()).collect();
        let state = State {
            results: vec![None; plan.steps.len()],
            tallies: vec![Tally::default(); scans.len()],
            broken: vec![false; scans.len()],
            unread: vec![None; scans.len()],
            ranges: 0,
        };
        let pages = plan.steps.iter().map(|(check, _)| pages(check, plan));
        Self {
            plan,
            limit,
            equations,
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
                Decision::Guarded(names) => CheckStatus::Guarded(names.clone()),
                Decision::Skip(reason) => CheckStatus::Skipped(reason.clone()),
                Decision::Fail(reason) => CheckStatus::Error(reason.clone()),
                Decision::Evaluate => {
                    let waits = self.scans.iter().any(|s| s.places().any(|p| p == place))
                        || self.equation_of(check).is_some();
                    if !waits {
                        jobs.push(Job::Check(place));
                    }
                    continue;
                }
            };
            state.results[place] = Some(unread(check, status));
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(self.pages_of(job)));
        for (scan, pass) in self.scans.iter().enumerate() {
            let ranges = pass.ranges(hands, rows_per_second).into_iter();
            jobs.extend(ranges.map(|range| Job::Range { scan, range }));
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
            Job::Range { scan, range } => self.scans[*scan].pages_of(*range),
            Job::Check(place) | Job::Evidence(place) => self.pages[*place],
        }
    }

    /// Does a job.
    pub fn perform(&self, snapshot: &mut Transaction<'_>, job: &Job) -> Result<Done> {
        let (relations, limit) = (&self.plan.relations, self.limit);
        let violations = match job {
            Job::Range { scan, range } => {
                let (so_far, given_up) = {
                    let state = self.state();
                    (state.tallies[*scan].clone(), state.broken[*scan])
                };
                if given_up {
                    return Ok(Done::default());
                }
                let tally = self.scans[*scan].read(snapshot, *range, &so_far)?;
                return Ok(Done {
                    rows: tally.rows,
                    tally: Some(tally),
                    violations: None,
                });
            }
            Job::Check(place) => {
                let check = self.plan.steps[*place].0;
                evaluate::alone(snapshot, check, relations, limit)
            }
            Job::Evidence(place) => {
                let contract = &self.plan.steps[*place].0.contract;
                row::judge(snapshot, contract, relations, limit, &self.counts(*place))
            }
        };
        Ok(Done {
            violations: Some(violations?),
            ..Done::default()
        })
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
        let Job::Range { scan, .. } = job else {
            let (Job::Check(place) | Job::Evidence(place)) = job else {
                return (Vec::new(), None);
            };
            let check = self.plan.steps[*place].0;
            let (result, error) = match done {
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

    /// All ranges are finished: what do they say, and what has to be looked at?
    fn conclude(&self, state: &mut State) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (place, (check, _)) in self.plan.steps.iter().enumerate() {
            if state.results[place].is_some() {
                continue;
            }
            let of_it = |(_, scan): &(usize, &Scan)| scan.places().any(|p| p == place);
            let scans: Vec<usize> = self
                .scans
                .iter()
                .enumerate()
                .filter(of_it)
                .map(|(at, _)| at)
                .collect();
            let equation = self.equation_of(check);
            if scans.is_empty() && equation.is_none() {
                continue;
            }
            let cut_off = scans.iter().find_map(|at| state.unread[*at].clone());
            // Suspects that count on an equation are not all of them where it does not apply.
            let proven = match equation {
                Some(equation) => self.holds(equation, state),
                None => !Equation::spares(&check.contract.id),
            };
            let silent = proven && !self.counts_in(place, state).iter().any(row::Count::is_loud);
            if let Some(reason) = cut_off {
                state.results[place] = Some(unread(check, CheckStatus::Error(reason)));
            } else if scans.iter().any(|at| state.broken[*at]) {
                jobs.push(Job::Check(place));
            } else if silent {
                state.results[place] = Some(judged(check, Violations::default()));
            } else if check.contract.kind == Kind::Row {
                jobs.push(Job::Evidence(place));
            } else {
                jobs.push(Job::Check(place));
            }
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(self.pages_of(job)));
        jobs
    }

    /// The equation that a check need not be evaluated for.
    fn equation_of(&self, check: &Check) -> Option<Equation> {
        let id = check.contract.id.as_str();
        let mut equations = self.equations.iter().copied();
        equations.find(|equation| equation.checks().contains(&id))
    }

    fn holds(&self, equation: Equation, state: &State) -> bool {
        let leans_well = equation
            .leans_on()
            .is_none_or(|id| self.is_known_silent(id, state));
        leans_well && equation.holds(&self.read_scans(state)) == Some(true)
    }

    /// Whether the scans were read to their end for a check, and have found nothing.
    fn is_known_silent(&self, id: &str, state: &State) -> bool {
        let mut steps = self.plan.steps.iter();
        let Some(place) = steps.position(|(check, _)| check.contract.id == id) else {
            return false;
        };
        let mut of_it = (self.read_scans(state).into_iter())
            .filter(|(scan, _)| scan.places().any(|p| p == place))
            .peekable();
        of_it.peek().is_some()
            && of_it.all(|(_, tally)| tally.is_some())
            && !self.counts_in(place, state).iter().any(row::Count::is_loud)
    }

    fn pending(&self, check: &Check, state: &State) -> u64 {
        self.equation_of(check).map_or(0, |equation| {
            equation.pending(&check.contract.id, &self.read_scans(state))
        })
    }

    /// The scans, with what they yielded when they were read to their end.
    fn read_scans<'s>(&'s self, state: &'s State) -> Vec<(&'s Scan, Option<&'s Tally>)> {
        let scans = self.scans.iter().enumerate();
        scans
            .map(|(at, scan)| {
                let whole = !state.broken[at] && state.unread[at].is_none() && state.ranges == 0;
                (scan, whole.then_some(&state.tallies[at]))
            })
            .collect()
    }

    fn counts(&self, place: usize) -> Vec<row::Count> {
        self.counts_in(place, &self.state())
    }

    /// What the scans have counted for a row check, table by table in its order.
    fn counts_in(&self, place: usize, state: &State) -> Vec<row::Count> {
        let tables = &self.plan.steps[place].0.contract.tables;
        let count_in = |table: &String| {
            let at = self.scans.iter().position(|scan| scan.table == *table)?;
            let index = self.scans[at].places().position(|p| p == place)?;
            state.tallies[at].counts.get(index).copied()
        };
        tables
            .iter()
            .map(|t| count_in(t).unwrap_or_default())
            .collect()
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

/// Lets the scans collect what the equations need that would spare a check.
fn equations<'a>(plan: &Plan<'a>, key: i64, scans: &mut BTreeMap<&'a str, Scan>) -> Vec<Equation> {
    let spares = |equation: &Equation| {
        plan.steps.iter().any(|(check, decision)| {
            *decision == Decision::Evaluate
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
                let scan = scans
                    .entry(table)
                    .or_insert_with(|| Scan::new(table, relation));
                equation.add_sums(key, scan);
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
