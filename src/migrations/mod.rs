//! The migrations: embedded set, history, lock, and applying what is pending.
