//! Requests by hand.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// An answer that has begun.
pub struct Answer {
    /// The rest of it.
    pub stream: TcpStream,
    /// What of the body came with the head.
    pub begun: Vec<u8>,
    /// When it was asked for.
    pub asked: Instant,
}

/// The protocol's version: with 1.0 the body comes as it is, with 1.1 in chunks, as browsers get it.
#[derive(Debug, Clone, Copy)]
pub enum Version {
    /// 1.0.
    Plain,
    /// 1.1.
    Chunked,
}

/// Asks once.
pub fn ask(address: &str, path: &str, version: Version, after: Option<&str>) -> anyhow::Result<Answer> {
    let asked = Instant::now();
    let mut stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    let number = match version {
        Version::Plain => "1.0",
        Version::Chunked => "1.1",
    };
    let after = after.map(|after| format!("last-event-id: {after}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/{number}\r\nhost: localhost\r\n{after}\r\n")?;
    let mut begun = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).context("the answer broke off")?;
        if length == 0 {
            bail!("the connection was closed before it answered");
        }
        begun.extend_from_slice(&buffer[..length]);
        if let Some(end) = memchr::memmem::find(&begun, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&begun[..end]).into_owned();
            let status = head.split(' ').nth(1).unwrap_or_default();
            if status != "200" {
                bail!("{path} answers {status}");
            }
            begun.drain(..end + 4);
            return Ok(Answer { stream, begun, asked });
        }
    }
}

/// Asks until the server is ready to answer.
pub fn ask_until_ready(address: &str, path: &str) -> anyhow::Result<Answer> {
    let start = Instant::now();
    loop {
        match ask(address, path, Version::Plain, None) {
            Err(error) if start.elapsed() > PATIENCE => return Err(error),
            Err(_) => std::thread::sleep(PAUSE),
            Ok(answer) => return Ok(answer),
        }
    }
}
