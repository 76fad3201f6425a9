//! What tests share: the server, databases, the program, migration folders, a broken network.

pub mod folder;
pub mod pgbouncer;
pub mod program;
pub mod proxy;
pub mod role;
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

/// Waits for something that must come within half a minute.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !is_so() {
        let waited = started.elapsed();
        assert!(waited < std::time::Duration::from_secs(30), "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
