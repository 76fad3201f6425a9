//! The checks that SQL alone cannot say: one module each, named like its check file.
//!
//! The build script declares the modules; rustfmt does not see them that way, so the gate formats
//! every tracked file by name.

include!(concat!(env!("OUT_DIR"), "/native.rs"));
