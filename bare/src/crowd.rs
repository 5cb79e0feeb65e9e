//! Many event streams, read by one thread.

use std::io::{ErrorKind, Read as _};

use anyhow::{Context as _, bail};
use memchr::memmem::Finder;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::events::{Messages, is_live};
use super::request::{self, Answer, Version};

/// What is read at once.
const READ: usize = 256 * 1024;

/// Open streams.
pub struct Crowd {
    poll: Poll,
    viewers: Vec<Viewer>,
}

struct Viewer {
    stream: TcpStream,
    /// The end of what came: a mark may be cut.
    tail: Vec<u8>,
    has_seen: bool,
}

impl Crowd {
    /// None yet.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { poll: Poll::new()?, viewers: Vec::new() })
    }

    /// Opens streams and waits until each says that it is live.
    pub fn connect(&mut self, count: usize, address: &str, path: &str) -> anyhow::Result<()> {
        for _ in 0..count {
            let Answer { mut stream, mut begun, .. } = request::ask(address, path, Version::Chunked, None)?;
            let mut buffer = [0; 4096];
            while !is_live(&begun) {
                let length = stream.read(&mut buffer)?;
                if length == 0 {
                    bail!("a stream ended before it was live");
                }
                begun.extend_from_slice(&buffer[..length]);
            }
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            self.poll.registry().register(&mut stream, Token(self.viewers.len()), Interest::READABLE)?;
            self.viewers.push(Viewer { stream, tail: Vec::new(), has_seen: false });
        }
        Ok(())
    }

    /// Reads until each stream had the mark.
    pub fn watch(&mut self, count: usize, mark: &str) -> anyhow::Result<()> {
        let finder = Finder::new(mark.as_bytes());
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; READ];
        let mut messages = Messages::default();
        for viewer in &mut self.viewers {
            viewer.has_seen = false;
            viewer.tail.clear();
        }
        let mut waiting = self.viewers.len();
        while waiting > 0 {
            if let Err(error) = self.poll.poll(&mut events, None) {
                if error.kind() == ErrorKind::Interrupted {
                    continue;
                }
                return Err(error.into());
            }
            for event in &events {
                let Token(number) = event.token();
                let viewer = self.viewers.get_mut(number).context("a stream that is none of ours")?;
                loop {
                    let length = match viewer.stream.read(&mut buffer) {
                        Ok(0) => bail!("a stream ended"),
                        Ok(length) => length,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error.into()),
                    };
                    let piece = &buffer[..length];
                    if number == 0 {
                        messages.count(piece);
                    }
                    if viewer.sees(piece, &finder) {
                        waiting -= 1;
                    }
                    // Less than what fits was all there is.
                    if length < READ {
                        break;
                    }
                }
            }
        }
        if messages.counted() != count {
            bail!("a stream had {} messages, not {count}", messages.counted());
        }
        Ok(())
    }
}

/// A mark is in the last message, so it is looked for in the end of each piece alone.
const END: usize = 4 * 1024;

impl Viewer {
    /// Whether it now has seen the mark and had not before.
    fn sees(&mut self, piece: &[u8], mark: &Finder<'_>) -> bool {
        if self.has_seen {
            return false;
        }
        let end = &piece[piece.len().saturating_sub(END)..];
        let length = mark.needle().len();
        let meeting = end.len().min(length);
        self.tail.extend_from_slice(&end[..meeting]);
        self.has_seen = mark.find(end).is_some() || mark.find(&self.tail).is_some();
        self.tail.clear();
        self.tail.extend_from_slice(&piece[piece.len().saturating_sub(length)..]);
        self.has_seen
    }
}
