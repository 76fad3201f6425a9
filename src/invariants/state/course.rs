//! Which course an audit with a state takes, full or incremental, and what it leaves behind.

use std::collections::BTreeMap;

use jiff::Timestamp;
use postgres::Transaction;

use super::content::compare;
use super::identity::probe;
use super::reason::{Request, hindrance, lasts, other_history, reason};
use super::seal::Seal;
use super::since::{digest, reads_sealed_tables};
use super::{
    Block, Contents, Cycles, Groups, Horizon, Identity, Number, Pass, Readings, SEALED_HISTORY,
    Sealed, Since, State, StateFile, TABLES,
};
use crate::error::{Error, Result};
use crate::invariants::catalogue::Check;
use crate::invariants::equations::{self, ENTRIES};
use crate::invariants::evidence::Violations;
use crate::invariants::hands;
use crate::invariants::outcome::{judged, unread};
use crate::invariants::plan::{Decision, Plan};
use crate::report::{AuditState, CheckResult, CheckStatus};

/// The course of one audit.
pub(in crate::invariants) struct Course {
    horizon: Horizon,
    identity: Identity,
    schema_version: String,
    request: Request,
    /// The secret of the sums.
    pub key: i64,
    probe: i64,
    /// What was sealed, as far as it can be compared.
    before: Option<State>,
    /// Why everything is read; none for an incremental audit.
    full: Option<String>,
    since: Option<Since>,
    /// By table, what can be sealed now.
    reach: BTreeMap<&'static str, Seal>,
    /// Why that is not known of all of them.
    unreached: Option<String>,
}

impl Course {
    /// Decides.
    ///
    /// # Errors
    /// A state of another database; what the server says.
    pub fn set(
        hands: &mut [Transaction<'_>],
        file: &StateFile,
        mut horizon: Horizon,
        schema_version: &str,
        request: Request,
    ) -> Result<Self> {
        let snapshot = &mut hands[0];
        let identity = Identity::read(snapshot)?;
        let mut before = file.state.clone();
        let mut full = file.nothing.clone();
        if let Some(state) = &before {
            if let Some(difference) = state.database.difference(&identity) {
                let path = file.path().display();
                let message = format!("the state in \"{path}\" is of another database");
                return Err(Error::usage(message)
                    .detail(difference)
                    .hint(file.begin_anew("name another file, or begin anew")));
            }
            if probe(snapshot, state.key)? == state.probe {
                let other = other_history(snapshot, state, &identity, request.until);
                if other.is_some() {
                    horizon.forget();
                }
                full = reason(state, &horizon, schema_version, request).or(other);
            } else {
                full = Some("this server hashes otherwise than the one before".to_owned());
                before = None;
            }
        }
        let key = match &before {
            Some(state) => state.key,
            None => equations::key(snapshot)?,
        };
        let since = match (&before, &full) {
            (Some(state), None) => {
                let last = |table: &str| horizon.tables.get(table).map(|reach| reach.last);
                Some(Since::new(state, &last))
            }
            _ => None,
        };
        let mut course = Self {
            probe: probe(snapshot, key)?,
            horizon,
            identity,
            schema_version: schema_version.to_owned(),
            request,
            key,
            before,
            full,
            since,
            reach: BTreeMap::new(),
            unreached: None,
        };
        course.find_reach(hands);
        Ok(course)
    }

    /// Finds up to where each table can be sealed now, the tables side by side.
    fn find_reach(&mut self, hands: &mut [Transaction<'_>]) {
        let reaches = hands::share(hands, &TABLES, |hand, table| {
            let before = self.sealed(table).map(Seal::of).unwrap_or_default();
            let known = self.horizon.tables.get(table);
            let Some(complete) = known.and_then(|reach| reach.complete) else {
                return (*table, before, None);
            };
            let ids = (before.upto, complete);
            let is_new = self.since.is_some();
            match Seal::find(hand, table, ids, is_new, (self.key, self.request.until)) {
                Ok(seal) => (*table, seal, None),
                Err(error) => (*table, before, Some(error)),
            }
        });
        for (table, seal, error) in reaches {
            self.reach.insert(table, seal);
            let why = |error| format!("how far \"{table}\" can be sealed is not known: {error}");
            self.unreached = self.unreached.take().or(error.map(why));
        }
    }

    /// What new rows are judged by; none in a full audit.
    pub fn since(&self) -> Option<&Since> {
        self.since.as_ref()
    }

    /// Reads everything after all.
    pub fn fall_back(&mut self, reason: &str) {
        self.full = Some(reason.to_owned());
        self.since = None;
    }

    /// Takes out of the plan what is not evaluated on this course.
    pub fn decide(&self, plan: &mut Plan<'_>) {
        if let Some(since) = &self.since {
            since.decide(plan);
        }
        let skip = match (&self.before, &self.since) {
            (None, _) => "nothing is sealed yet".to_owned(),
            (Some(_), None) => return,
            (Some(state), Some(_)) => {
                let last = seconds(state.full_at);
                format!("left to full audits; the last one was as of {last}")
            }
        };
        skip_sealed_history(plan, &skip);
    }

    /// The passes over what is sealed, to compare it, and over what is to be.
    pub fn passes(&self, plan: &Plan<'_>) -> Vec<Pass> {
        let compares = |(check, decision): &(&Check, Decision)| {
            check.contract.id == SEALED_HISTORY && *decision == Decision::Evaluate
        };
        if !self.request.whole && !plan.steps.iter().any(compares) {
            return Vec::new();
        }
        let pass = |table: &&str| {
            let before = self.sealed(table).map(|sealed| sealed.id);
            let upto = self.reach[table].upto.max(before.unwrap_or_default());
            let nothing_new = self.since.is_some() && before == Some(upto);
            if upto == 0 || nothing_new {
                return None;
            }
            let ids = (before, upto);
            let only_new = self.since.is_some();
            Pass::new(table, plan, self.key, ids, only_new)
        };
        TABLES.iter().filter_map(pass).collect()
    }

    /// The sums over billing cycles, of what is sealed and of what is to be; none where no state is
    /// kept or gone on from, or where the tables are others.
    pub fn cycles(&self, plan: &Plan<'_>) -> Option<Cycles> {
        if !self.request.whole || !Cycles::apply(&plan.relations) {
            return None;
        }
        let before = self.before.as_ref().filter(|_| self.since.is_some());
        let known = before.zip(self.sealed(ENTRIES));
        let known = known.map(|(state, sealed)| (state.cycles.clone(), sealed.id));
        let upto = self.reach[ENTRIES]
            .upto
            .max(known.as_ref().map_or(0, |(_, before)| *before));
        Some(Cycles::new(self.key, known, upto))
    }

    fn sealed(&self, table: &str) -> Option<&Sealed> {
        self.before.as_ref()?.tables.get(table)
    }

    /// Judges what was sealed, says how the audit went, and gives the file what it is to say.
    pub fn conclude(
        mut self,
        file: &mut StateFile,
        plan: &Plan<'_>,
        readings: Readings,
        checks: &mut [CheckResult],
        (taken_at, limit): (Timestamp, u32),
    ) -> AuditState {
        let mut read = BTreeMap::new();
        let mut failed = None;
        for (pass, contents) in readings.passes {
            match contents {
                Ok(contents) => {
                    read.insert(pass.table().to_owned(), contents);
                }
                Err(reason) => failed = Some(reason),
            }
        }
        self.judge(plan, &read, failed.as_ref(), checks, limit);
        let used = readings.cycles.transpose().unwrap_or_else(|reason| {
            failed = Some(reason);
            None
        });
        let cycles = used.unwrap_or_default().groups;
        let kept = self.why_kept(plan, checks, failed, readings.chains_off);
        if kept.is_none() {
            let mut next = self.next(plan, (&read, cycles), checks, taken_at);
            if let Some(off) = readings.chains_off.filter(|_| checks.iter().any(lasts)) {
                let starts = next.sums.entry(equations::STARTS.to_owned()).or_default();
                *starts = Number(starts.0.wrapping_add(off));
            }
            file.next = Some(next);
        }
        let shown = file.next.as_ref().or(self.before.as_ref());
        let sealed = shown.map(|state| {
            let tables = state.tables.iter();
            tables
                .map(|(table, sealed)| (table.clone(), sealed.id))
                .collect()
        });
        let held: Vec<&str> = self
            .horizon
            .tables
            .iter()
            .filter(|(_, reach)| reach.candidate.is_some())
            .map(|(table, _)| *table)
            .collect();
        let before = self.before.as_ref();
        AuditState {
            file: file.path().display().to_string(),
            mode: if self.since.is_some() {
                "incremental"
            } else {
                "full"
            },
            since: before
                .filter(|_| self.since.is_some())
                .map(|state| state.taken_at),
            full_at: shown.map(|state| state.full_at),
            sealed: sealed.unwrap_or_default(),
            held_up: held.into_iter().map(str::to_owned).collect(),
            reason: self.full.take(),
            kept,
        }
    }

    /// The result of the check of sealed rows, where it was asked for and is decided here.
    fn judge(
        &self,
        plan: &Plan<'_>,
        read: &BTreeMap<String, Contents>,
        failed: Option<&String>,
        checks: &mut [CheckResult],
        limit: u32,
    ) {
        let (Some(before), None) = (&self.before, &self.since) else {
            return;
        };
        for ((check, decision), result) in plan.steps.iter().zip(checks) {
            if check.contract.id != SEALED_HISTORY || *decision != Decision::Evaluate {
                continue;
            }
            if let Some(reason) = failed {
                *result = unread(check, CheckStatus::Error(reason.clone()));
                continue;
            }
            let nothing = BTreeMap::new();
            let mut all = Violations::default();
            for (table, sealed) in &before.tables {
                let now = read.get(table).map_or(&nothing, |contents| &contents.old);
                let room = limit.saturating_sub(u32::try_from(all.evidence.len()).unwrap_or(limit));
                let found = compare(table, (&sealed.blocks, sealed.id), now, room);
                all.count += found.count;
                all.evidence.extend(found.evidence);
            }
            *result = judged(check, all);
        }
    }

    /// Why the state stays as it was: only what was looked at, and found to be right, is sealed.
    fn why_kept(
        &self,
        plan: &Plan<'_>,
        checks: &[CheckResult],
        failed: Option<String>,
        chains_off: Option<i128>,
    ) -> Option<String> {
        if !self.request.whole {
            return Some("only some checks were asked for".to_owned());
        }
        if let Some(unknown) = self.horizon.blind.as_ref().or(self.unreached.as_ref()) {
            return Some(unknown.clone());
        }
        if let Some(reason) = failed {
            return Some(format!("the rows to be sealed were not read: {reason}"));
        }
        hindrance(plan, checks, chains_off)
    }

    fn next(
        &self,
        plan: &Plan<'_>,
        (read, cycles): (&BTreeMap<String, Contents>, Groups),
        checks: &[CheckResult],
        taken_at: Timestamp,
    ) -> State {
        let before = self.before.as_ref();
        let incremental = before.filter(|_| self.since.is_some());
        let mut sums = incremental.map_or_else(BTreeMap::new, |state| state.sums.clone());
        let mut tables = BTreeMap::new();
        for table in TABLES {
            let mut blocks: BTreeMap<i64, Block> = incremental
                .and_then(|state| state.tables.get(table))
                .map_or_else(BTreeMap::new, |sealed| sealed.blocks.clone());
            if let Some(contents) = read.get(table) {
                for (number, block) in contents.old.iter().chain(&contents.new) {
                    blocks.entry(*number).or_default().add(block);
                }
                for (name, more) in &contents.sums {
                    let sum = sums.entry(name.clone()).or_default();
                    *sum = Number(sum.0.wrapping_add(*more));
                }
            }
            let reach = self.horizon.tables.get(table);
            let seal = self.reach[table];
            let sealed = Sealed {
                id: seal.upto,
                newest: seal.newest,
                blocks,
                candidate: reach.and_then(|reach| reach.candidate.clone()),
            };
            tables.insert(table.to_owned(), sealed);
        }
        let silent = plan
            .steps
            .iter()
            .zip(checks)
            .filter(|((check, _), result)| {
                let holds = matches!(result.status, CheckStatus::Holds | CheckStatus::Guarded(_));
                holds && reads_sealed_tables(&check.contract)
            });
        let silent = silent
            .map(|((check, _), _)| (check.contract.id.clone(), digest(&check.contract)))
            .collect();
        State {
            database: self.identity.clone(),
            schema_version: self.schema_version.clone(),
            key: self.key,
            probe: self.probe,
            taken_at,
            full_at: incremental.map_or(taken_at, |state| state.full_at),
            tables,
            sums,
            cycles,
            silent,
        }
    }
}

/// Leaves the check of sealed rows out, for a reason.
pub(in crate::invariants) fn skip_sealed_history(plan: &mut Plan<'_>, reason: &str) {
    for (check, decision) in &mut plan.steps {
        if check.contract.id == SEALED_HISTORY && *decision == Decision::Evaluate {
            *decision = Decision::Skip(reason.to_owned());
        }
    }
}

fn seconds(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
