//! A second connection that looks at the first one while it waits or works: who blocks it, how far
//! an index build is, and, when the run is to end, a cancellation.
//!
//! It connects only when a statement takes longer than a moment, so that quick runs pay nothing.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use postgres::Client;

use super::blocker::Blocker;
use super::options::Stop;
use crate::db::Target;
use crate::report::Progress;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long a build may wait for somebody before that is worth a line.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the watched connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// May be cancelled, and is undone then.
    Transaction,
    /// A concurrent build: may be cancelled; has progress, and waits for others without a limit.
    Build,
    /// Short, and left alone: the run ends between two of them.
    Batch,
}

/// The watcher of one connection.
pub(super) struct Watch<'scope> {
    shared: Arc<Shared>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    task: Option<(Task, Instant)>,
    blocker: Option<Blocker>,
    ended: bool,
}

impl Shared {
    /// A panic elsewhere is no reason to stop watching.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'scope> Watch<'scope> {
    /// Watches the session with this process id of the server.
    pub fn start<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        target: &'env Target,
        pid: i32,
        stop: Stop,
        progress: &'env dyn Progress,
    ) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let watcher = Watcher {
            shared: Arc::clone(&shared),
            target,
            pid,
            stop,
            progress,
            client: None,
            told: None,
            cancelled: None,
        };
        Self {
            shared,
            thread: Some(scope.spawn(move || watcher.run())),
        }
    }

    /// Does a piece of work while somebody looks.
    pub fn during<T>(&self, task: Task, work: impl FnOnce() -> T) -> T {
        {
            let mut state = self.shared.lock();
            state.task = Some((task, Instant::now()));
            state.blocker = None;
        }
        self.shared.changed.notify_all();
        let result = work();
        // Waits for a cancellation that is on its way: it must not hit what comes next.
        self.shared.lock().task = None;
        result
    }

    /// Who stood in the way last, during the last piece of work.
    pub fn blocker(&self) -> Option<Blocker> {
        self.shared.lock().blocker.clone()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watcher<'a> {
    shared: Arc<Shared>,
    target: &'a Target,
    pid: i32,
    stop: Stop,
    progress: &'a dyn Progress,
    client: Option<Client>,
    /// The blocker that was told about.
    told: Option<i32>,
    cancelled: Option<Instant>,
}

impl Watcher<'_> {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        loop {
            if state.ended {
                return;
            }
            let Some((task, since)) = state.task else {
                self.told = None;
                self.cancelled = None;
                state = wait(&shared.changed, state, Duration::MAX);
                continue;
            };
            if since.elapsed() < INTERVAL {
                state = wait(&shared.changed, state, INTERVAL - since.elapsed());
                continue;
            }
            drop(state);
            let blocker = self.look(task, since);
            state = shared.lock();
            // The statement may have ended meanwhile, and another one begun.
            if state.task == Some((task, since)) && !state.ended {
                if blocker.is_some() {
                    state.blocker = blocker;
                }
                if task != Task::Batch && self.stop.is_set() {
                    self.cancel();
                }
                state = wait(&shared.changed, state, INTERVAL);
            }
        }
    }

    fn look(&mut self, task: Task, since: Instant) -> Option<Blocker> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            // Without a second connection there is less to tell, and nothing else changes.
            self.client = self.target.connect().ok();
        }
        let client = self.client.as_mut()?;
        let blocker = Blocker::of(client, self.pid);
        if task == Task::Build {
            if let Some((done, total)) = build_progress(client, self.pid) {
                self.progress.at(done, total);
            }
            let pid = blocker.as_ref().map(|blocker| blocker.backend.pid);
            if let (Some(blocker), true) =
                (&blocker, since.elapsed() > PATIENCE && pid != self.told)
            {
                self.progress.remark(&format!("waiting for {blocker}"));
                self.told = pid;
            }
        }
        blocker
    }

    /// While the caller holds the state, so that the work cannot end in between.
    fn cancel(&mut self) {
        let again = Duration::from_secs(1);
        if self.cancelled.is_some_and(|at| at.elapsed() < again) {
            return;
        }
        if let Some(client) = &mut self.client {
            let _ = client.execute("SELECT pg_catalog.pg_cancel_backend($1)", &[&self.pid]);
            self.cancelled = Some(Instant::now());
        }
    }
}

fn wait<'a>(
    changed: &Condvar,
    state: MutexGuard<'a, State>,
    time: Duration,
) -> MutexGuard<'a, State> {
    match changed.wait_timeout(state, time.min(Duration::from_secs(3600))) {
        Ok((state, _)) => state,
        Err(poisoned) => poisoned.into_inner().0,
    }
}

/// Blocks done and in all, of the phase that an index build is in.
fn build_progress(client: &mut Client, pid: i32) -> Option<(u64, u64)> {
    let query = "SELECT blocks_done, blocks_total FROM pg_catalog.pg_stat_progress_create_index
                  WHERE pid = $1 AND blocks_total > 0";
    let row = client.query_opt(query, &[&pid]).ok().flatten()?;
    let number = |at: usize| {
        row.get::<_, Option<i64>>(at)
            .and_then(|n| u64::try_from(n).ok())
    };
    Some((number(0)?, number(1)?))
}
