//! The eight levels of table locks, weakest first, and what each keeps waiting.

use squawk_syntax::ast::LockMode;

/// A level of table locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl Level {
    /// Weakest first.
    pub const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// As the manual and LOCK TABLE write it.
    pub fn words(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// As `pg_locks` writes it, such as `ShareRowExclusiveLock`.
    pub fn of_pg_locks(mode: &str) -> Option<Self> {
        let wanted = mode.strip_suffix("Lock")?;
        let squeezed = |level: &Self| level.words().replace(' ', "").eq_ignore_ascii_case(wanted);
        Self::ALL.into_iter().find(squeezed)
    }

    /// As a LOCK TABLE statement asks for it.
    pub fn of_statement(mode: &LockMode) -> Self {
        match mode {
            LockMode::AccessShare(_) => Self::AccessShare,
            LockMode::RowShare(_) => Self::RowShare,
            LockMode::RowExclusive(_) => Self::RowExclusive,
            LockMode::ShareUpdateExclusive(_) => Self::ShareUpdateExclusive,
            LockMode::Share(_) => Self::Share,
            LockMode::ShareRowExclusive(_) => Self::ShareRowExclusive,
            LockMode::Exclusive(_) => Self::Exclusive,
            LockMode::AccessExclusive(_) => Self::AccessExclusive,
        }
    }

    /// Whether a SELECT (ACCESS SHARE) waits.
    pub fn blocks_reads(self) -> bool {
        self == Self::AccessExclusive
    }

    /// Whether an INSERT, UPDATE or DELETE (ROW EXCLUSIVE) waits.
    pub fn blocks_writes(self) -> bool {
        self >= Self::Share
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn reads_the_words_of_pg_locks() {
        for level in Level::ALL {
            let mode = level.words().replace(' ', "") + "Lock";
            assert_eq!(Level::of_pg_locks(&mode), Some(level), "{mode}");
        }
        assert_eq!(Level::of_pg_locks("SIReadLock"), None);
    }

    #[test]
    fn the_order_is_that_of_the_conflicts_with_readers_and_writers() {
        let writers = Level::ALL.iter().filter(|level| level.blocks_writes());
        assert_eq!(writers.count(), 4);
        let readers = Level::ALL.iter().filter(|level| level.blocks_reads());
        assert_eq!(readers.count(), 1);
    }
}
