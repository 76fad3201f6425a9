//! The sample ledger: consistent, seeded, made by SQL.
