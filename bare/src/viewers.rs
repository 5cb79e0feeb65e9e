//! The viewers of the benchmarks: as many connections as wanted, read by one thread that looks at what comes as little as it
//! can, because it shares the machine with what it watches.
//!
//! It does what standard input says, one command a line, and answers each on standard output when it is done:
//! - `get ADDRESS PATH` reads an answer to its end, asking again while the server is not ready: `got SECONDS LINES`.

mod request;
mod say;

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use request::{Answer, Version};
use say::say;

fn main() -> ExitCode {
    service::exit::report("bare-viewers", serve())
}

fn serve() -> anyhow::Result<()> {
    for command in std::io::stdin().lines() {
        let command = command?;
        match command.split(' ').collect::<Vec<_>>()[..] {
            ["get", address, path] => {
                let (seconds, lines) = get(address, path)?;
                say(&format!("got {seconds} {lines}"))?;
            }
            _ => bail!("`{command}` is no command"),
        }
    }
    Ok(())
}

/// Reads a whole answer; gives how long that took and how many lines it has.
fn get(address: &str, path: &str) -> anyhow::Result<(f64, usize)> {
    let Answer { mut stream, begun, asked } = request::ask_until_ready(address, path, Version::Plain)?;
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
