//! Doing a job: what is asked of the server for it.

use postgres::Transaction;

use super::{Board, Done, Job};
use crate::error::Result;
use crate::invariants::evidence::Violations;
use crate::invariants::pieces::Pace;
use crate::invariants::{evaluate, row};

impl Board<'_> {
    /// Does a job.
    pub fn perform(
        &self,
        snapshot: &mut Transaction<'_>,
        job: &Job,
        pace: Pace<'_>,
    ) -> Result<Done> {
        let violations = match job {
            Job::Range { scan, range } => {
                let (so_far, given_up) = {
                    let state = self.state();
                    (state.tallies[*scan].clone(), state.broken[*scan])
                };
                if given_up {
                    return Ok(Done::default());
                }
                let tally = self.scans[*scan].read(snapshot, *range, &so_far, pace)?;
                return Ok(Done {
                    rows: tally.rows,
                    tally: Some(tally),
                    ..Done::default()
                });
            }
            Job::Content { pass, range } => {
                let (rows, contents) = self.sealed.passes[*pass].read(snapshot, *range, pace)?;
                return Ok(Done {
                    rows,
                    contents: Some(contents),
                    ..Done::default()
                });
            }
            Job::Cycles => {
                let cycles = self.sealed.cycles.as_ref();
                let used = cycles.map(|cycles| cycles.read(snapshot)).transpose()?;
                return Ok(Done {
                    used,
                    ..Done::default()
                });
            }
            Job::Suspects { place, question } => {
                let row = snapshot
                    .query_one(&format!("SELECT count(*) > 0 FROM ({question}) AS q"), &[])?;
                if row.get(0) {
                    self.evaluate(snapshot, *place)
                } else {
                    Ok(Violations::default())
                }
            }
            Job::Check(place) => self.evaluate(snapshot, *place),
            Job::Evidence(place) => {
                let (relations, limit) = (&self.plan.relations, self.limit);
                let contract = &self.plan.steps[*place].0.contract;
                row::judge(snapshot, contract, relations, limit, &self.counts(*place))
            }
        };
        Ok(Done {
            violations: Some(violations?),
            ..Done::default()
        })
    }
    /// Evaluates a check by itself. Where no index finds the entries of a reference, a planner that
    /// goes from one entry to the next reads all entries of its user for each, believes that these
    /// are as few as an average user's, and does not come to an end when one user has most of them.
    /// Tables that are read once and joined by hashes or sorts always do.
    fn evaluate(&self, snapshot: &mut Transaction<'_>, place: usize) -> Result<Violations> {
        let (check, relations) = (self.plan.steps[place].0, &self.plan.relations);
        if self.plan.finds_references {
            return evaluate::alone(snapshot, check, relations, self.limit);
        }
        let mut savepoint = snapshot.transaction()?;
        savepoint.batch_execute("SET LOCAL enable_nestloop = off")?;
        let violations = evaluate::alone(&mut savepoint, check, relations, self.limit)?;
        // With it, the setting ends.
        savepoint.rollback()?;
        Ok(violations)
    }
}
