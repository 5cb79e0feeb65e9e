//! The viewers of the benchmarks: as many connections as wanted, read by one thread that looks at what comes as little as it
//! can, because it shares the machine with what it watches.
//!
//! It does what standard input says, one command a line, and answers each on standard output when it is done:
//! - `get ADDRESS PATH` reads an answer to its end, asking again while the server is not ready: `got SECONDS LINES`;
//! - `capture ADDRESS PATH COUNT FILE` writes so many messages of an event stream to a file as they come: `captured`;
//! - `connect COUNT ADDRESS PATH` opens so many event streams and waits until all are live: `connected`;
//! - `watch COUNT MARK` reads them until each had a text: `seen`. The first of them is looked at closely, and must have had
//!   exactly so many messages;
//! - `resume ADDRESS PATH ID COUNT` comes back with a position and waits for so many messages: `resumed SECONDS`;
//! - `close` ends all of them: `closed`.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use bare::crowd::Crowd;
use bare::events::Messages;
use bare::request::{self, Answer, Version};
use bare::say::say;

fn main() -> ExitCode {
    service::exit::report("bare-viewers", serve())
}

fn serve() -> anyhow::Result<()> {
    let mut crowd = Crowd::new()?;
    for command in std::io::stdin().lines() {
        let command = command?;
        let done = match command.split(' ').collect::<Vec<_>>()[..] {
            ["get", address, path] => {
                let (seconds, lines) = get(address, path)?;
                format!("got {seconds} {lines}")
            }
            ["capture", address, path, count, file] => {
                capture(address, path, count.parse()?, file)?;
                "captured".to_owned()
            }
            ["connect", count, address, path] => {
                crowd.connect(count.parse()?, address, path)?;
                "connected".to_owned()
            }
            ["watch", count, mark] => {
                crowd.watch(count.parse()?, mark)?;
                "seen".to_owned()
            }
            ["resume", address, path, id, count] => format!("resumed {}", resume(address, path, id, count.parse()?)?),
            ["close"] => {
                crowd = Crowd::new()?;
                "closed".to_owned()
            }
            _ => bail!("`{command}` is no command"),
        };
        say(&done)?;
    }
    Ok(())
}

/// Reads a whole answer; gives how long that took and how many lines it has.
fn get(address: &str, path: &str) -> anyhow::Result<(f64, usize)> {
    let Answer { mut stream, begun, asked } = request::ask_until_ready(address, path)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut lines = memchr::memchr_iter(b'\n', &begun).count();
    loop {
        let length = stream.read(&mut buffer).context("the answer broke off")?;
        if length == 0 {
            return Ok((asked.elapsed().as_secs_f64(), lines));
        }
        lines += memchr::memchr_iter(b'\n', &buffer[..length]).count();
    }
}

fn capture(address: &str, path: &str, count: usize, file: &str) -> anyhow::Result<()> {
    let Answer { mut stream, begun, .. } = request::ask(address, path, Version::Plain, None)?;
    let mut file = File::create(file)?;
    let mut messages = Messages::default();
    let mut buffer = vec![0; 256 * 1024];
    messages.count(&begun);
    file.write_all(&begun)?;
    // What follows the last one is a heartbeat, or comes with it.
    while messages.counted() < count || !messages.ends_whole() {
        let length = stream.read(&mut buffer).context("the answer broke off")?;
        if length == 0 {
            bail!("the stream ended after {} of {count} messages", messages.counted());
        }
        messages.count(&buffer[..length]);
        file.write_all(&buffer[..length])?;
    }
    Ok(())
}

fn resume(address: &str, path: &str, id: &str, count: usize) -> anyhow::Result<f64> {
    let Answer { mut stream, begun, asked } = request::ask(address, path, Version::Chunked, Some(id))?;
    let mut messages = Messages::default();
    let mut buffer = vec![0; 64 * 1024];
    messages.count(&begun);
    while messages.counted() < count {
        let length = stream.read(&mut buffer).context("the answer broke off")?;
        if length == 0 {
            bail!("the stream ended after {} of {count} messages", messages.counted());
        }
        messages.count(&buffer[..length]);
    }
    Ok(asked.elapsed().as_secs_f64())
}
