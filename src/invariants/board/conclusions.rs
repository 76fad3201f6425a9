//! What follows when all ranges are finished: which checks hold, and which have to be looked at.

use super::{Board, Done, Job, State};
use crate::error::{Error, Result};
use crate::invariants::catalogue::Check;
use crate::invariants::contract::Kind;
use crate::invariants::equations::{self, ENTRIES, Equation, Sums};
use crate::invariants::evidence::Violations;
use crate::invariants::outcome::{judged, unread, words};
use crate::invariants::plan::Decision;
use crate::invariants::row;
use crate::invariants::scan::{Scan, Tally};
use crate::invariants::state::{CYCLES_CHECK, Cycles};
use crate::report::CheckStatus;

impl Board<'_> {
    /// All ranges are finished: what do they say, and what has to be looked at?
    pub(super) fn conclude(&self, state: &mut State) -> Vec<Job> {
        let mut jobs = Vec::new();
        let chain = self.equations.contains(&Equation::Chain);
        let is_broken = chain && self.verdict(Equation::Chain, state) == Some(false);
        if is_broken && self.sealed.since.is_some() {
            state.gave_up = true;
            return jobs;
        }
        for (place, (check, _)) in self.plan.steps.iter().enumerate() {
            if state.results[place].is_some() {
                let is_guarded = self.is_guarded(place);
                if is_broken && is_guarded && Equation::Chain.doubts(&check.contract.id) {
                    jobs.push(Job::Check(place));
                }
                continue;
            }
            let of_it = |(_, scan): &(usize, &Scan)| scan.judges(place);
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
            } else if let (true, Some(_), Some(question)) =
                (silent, equation, &check.contract.question)
            {
                // The equation spares it in part only; without suspects it would hold.
                let question = question.clone();
                jobs.push(Job::Suspects { place, question });
            } else if silent {
                state.results[place] = Some(judged(check, Violations::default()));
            } else if check.contract.kind == Kind::Row {
                jobs.push(Job::Evidence(place));
            } else {
                jobs.push(self.job_of(place));
            }
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(self.pages_of(job)));
        jobs
    }

    /// What the billing cycles say: the check of the counters holds, or has to be evaluated.
    pub(super) fn conclude_cycles(
        &self,
        state: &mut State,
        done: Result<Done>,
    ) -> (Vec<Job>, Option<Error>) {
        let mut jobs = Vec::new();
        let (used, error) = match done {
            Ok(done) => (Ok(done.used.unwrap_or_default()), None),
            Err(error) => (Err(words(&error)), Some(error)),
        };
        for (place, (check, decision)) in self.plan.steps.iter().enumerate() {
            if *decision != Decision::Evaluate || !self.is_spared_by_cycles(check) {
                continue;
            }
            state.results[place] = match &used {
                Ok(used) if used.agrees => Some(judged(check, Violations::default())),
                Ok(_) => {
                    jobs.push(Job::Check(place));
                    None
                }
                Err(reason) => Some(unread(check, CheckStatus::Error(reason.clone()))),
            };
        }
        state.used = Some(used);
        (jobs, error)
    }

    /// Whether a check need not be evaluated when the sums over billing cycles agree.
    pub(super) fn is_spared_by_cycles(&self, check: &Check) -> bool {
        self.sealed.cycles.is_some() && check.contract.id == CYCLES_CHECK
    }

    /// Pages that the sums over billing cycles read: those of the entries, or next to none.
    pub(super) fn pages_of_cycles(&self) -> u64 {
        let cycles = self.sealed.cycles.as_ref();
        let entries = self.plan.relations.get(ENTRIES);
        match cycles.is_some_and(Cycles::reads_everything) {
            true => entries.and_then(|entries| entries.pages).unwrap_or(1),
            false => 1,
        }
    }

    /// The equation that a check need not be evaluated for.
    pub(super) fn equation_of(&self, check: &Check) -> Option<Equation> {
        if self.sealed.since.is_some() && check.contract.question.is_some() {
            // About new rows it has a question of its own.
            return None;
        }
        let apart = self.sealed.since.is_some_and(|since| !since.covers(check));
        if apart && check.contract.suspects.is_some() {
            // It says something only as long as nobody is suspect, and nobody was looked for.
            return None;
        }
        let id = check.contract.id.as_str();
        let mut equations = self.equations.iter().copied();
        let equation = equations.find(|equation| equation.checks().contains(&id));
        // Of chains that were sealed with a break, it says only that there is no other one.
        equation.filter(|equation| match self.sealed.since {
            Some(since) if *equation == Equation::Chain => since.was_silent(&check.contract),
            _ => true,
        })
    }

    /// What the chains are off by, beside what they were known to be; none where that is not known.
    pub(super) fn chains_off(&self, state: &State) -> Option<i128> {
        if !self.equations.contains(&Equation::Chain) {
            return Some(0);
        }
        equations::chains_off(&self.read_scans(state), self.base())?
    }

    fn holds(&self, equation: Equation, state: &State) -> bool {
        let leans_well = equation
            .leans_on()
            .is_none_or(|id| self.is_known_silent(id, state));
        leans_well && self.verdict(equation, state) == Some(true)
    }

    /// Whether the scans were read to their end for a check, and have found nothing.
    fn is_known_silent(&self, id: &str, state: &State) -> bool {
        let mut steps = self.plan.steps.iter();
        let Some(place) = steps.position(|(check, _)| check.contract.id == id) else {
            return false;
        };
        let mut of_it = (self.read_scans(state).into_iter())
            .filter(|(scan, _)| scan.judges(place))
            .peekable();
        of_it.peek().is_some()
            && of_it.all(|(_, tally)| tally.is_some())
            && !self.counts_in(place, state).iter().any(row::Count::is_loud)
    }

    /// Whether an equation holds, with what sealed rows add to it; none when that is not known.
    fn verdict(&self, equation: Equation, state: &State) -> Option<bool> {
        equation.holds(&self.read_scans(state), self.base())
    }

    fn base(&self) -> &Sums {
        static NOTHING: Sums = Sums::new();
        self.sealed.since.map_or(&NOTHING, |since| &since.base)
    }

    pub(super) fn pending(&self, check: &Check, state: &State) -> u64 {
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

    pub(super) fn counts(&self, place: usize) -> Vec<row::Count> {
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
}
