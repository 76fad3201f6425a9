//! The audit, through the real program.

mod damage;
