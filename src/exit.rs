//! The exit codes of `creditdb`: the same for every command and every format.

/// How a run ended, as a process exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and everything that was asked for holds.
    Done = 0,
    /// Findings: violations, or pending migrations under `--check`.
    Findings = 1,
    /// Wrong usage: an argument, a file or a name that the caller has to correct.
    Usage = 2,
    /// Could not decide: unreachable, no permission, time-out, audit incomplete.
    Undecided = 3,
    /// Refused, nothing was changed: history diverged, database newer, lock held.
    Refused = 4,
    /// A migration failed and was rolled back; the database is whole, at the version printed.
    RolledBack = 5,
    /// A non-transactional step was cut off; `status` names what is left, `migrate` completes it.
    CutOff = 6,
}

impl Exit {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        self as u8
    }
}
