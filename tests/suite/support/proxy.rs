//! A network that fails at a chosen moment: a TCP port in front of the server's socket that
//! swallows the answer to COMMIT.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// Forwards connections until the COMMIT of a given number passes; that one reaches the server,
/// its answer reaches nobody. It arrives when its sender is gone already, and may be asking what
/// has become of it. Later connections are left alone.
pub struct LosesAnswerToCommit {
    port: u16,
}

impl LosesAnswerToCommit {
    /// In front of the server whose socket is in `folder`; the `nth` COMMIT (from 1) is the one.
    pub fn start(folder: &Path, nth: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket = folder.join(".s.PGSQL.5432");
        let seen = Arc::new(AtomicU32::new(0));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (socket, seen) = (socket.clone(), Arc::clone(&seen));
                thread::spawn(move || forward(client, socket, &seen, nth));
            }
        });
        Self { port }
    }

    /// A URL through this proxy.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable",
            self.port
        )
    }
}

fn forward(mut client: TcpStream, socket: PathBuf, seen: &AtomicU32, nth: u32) {
    let mut server = UnixStream::connect(socket).unwrap();
    let (mut back_from, mut back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
    let mut buffer = [0; 65536];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let sent = &buffer[..length];
        let commits = sent.windows(6).any(|window| window == b"COMMIT");
        if commits && seen.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            client.shutdown(Shutdown::Both).unwrap();
            thread::sleep(Duration::from_millis(500));
            server.write_all(sent).unwrap();
            // The server must have the time to commit before its client seems to be gone.
            thread::sleep(Duration::from_millis(300));
            return;
        }
        server.write_all(sent).unwrap();
    }
}
