//! What tests share: the server, databases, the program, migration folders, a broken network.

pub mod folder;
pub mod pgbouncer;
pub mod program;
pub mod proxy;
pub mod server;
pub mod standby;

/// Runs assertions whose snapshots lie in `snapshots/` under their own name, wherever the test is.
pub fn snapshots(assert: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(assert);
}
