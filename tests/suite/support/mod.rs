//! What tests share: the server, databases of their own, and the program.

pub mod program;
pub mod server;
