//! The way to a server, against real ones: addresses, passwords, TLS, and what goes wrong.

mod addresses;
mod errors;
mod passwords;
mod privileges;
mod secure_server;
mod tls;
