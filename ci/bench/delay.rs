//! A TCP port that forwards to another one and delays what passes, each way: the network between a
//! gateway and its database. `delay TO_PORT MICROSECONDS` prints the port that it listens on, and
//! ends with its stdin. Built by rustc alone.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use std::{env, io, process, thread};

fn forward(mut from: TcpStream, mut to: TcpStream, delay: Duration) -> io::Result<()> {
    let mut buffer = [0; 65536];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return to.shutdown(std::net::Shutdown::Both);
        }
        // Client and server take turns, so nothing else arrives meanwhile.
        thread::sleep(delay);
        to.write_all(&buffer[..length])?;
    }
}

fn main() -> io::Result<()> {
    let mut numbers = env::args().skip(1).filter_map(|a| a.parse::<u64>().ok());
    let (Some(port), Some(delay_us)) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: delay TO_PORT MICROSECONDS");
        process::exit(2);
    };
    let delay = Duration::from_micros(delay_us);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    for client in listener.incoming() {
        let client = client?;
        let server = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (back_from, back_to) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || forward(client, server, delay));
        thread::spawn(move || forward(back_from, back_to, delay));
    }
    Ok(())
}
