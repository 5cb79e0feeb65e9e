//! The line protocol: each line is a JSON object or plain text, and nothing is answered. What was read is accepted; a line
//! without an end is accepted when the writer closes, or when reading ends for good.

use std::io;
use std::time::Duration;

use records::{Cutter, Line};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::room::FREE;
use super::{RECORD_LIMIT, Shared};
use crate::spool::Peer;

/// Bytes of one read.
const READ: usize = 16 * 1024;
/// Once stopping, how long to wait for bytes that were written before and not yet read.
pub const LAST_BYTES: Duration = Duration::from_millis(20);

/// Reads lines until the writer closes, or reading ends. `first` is what was read before. A connection that waits for more
/// of a short line holds that line alone; the rest of a long one is read when there is room.
pub async fn serve(stream: UnixStream, first: &[u8], shared: &Shared, container: &str, peer: Peer, stop: &CancellationToken) {
    let mut cutter = Cutter::new(0);
    cutter.push(first);
    let mut room = None;
    loop {
        accept(&mut cutter, shared, container, peer).await;
        if cutter.pending() == 0 {
            // What a long line needed goes with it.
            cutter = Cutter::new(0);
            room = None;
        } else if cutter.pending() > FREE && room.is_none() {
            room = shared.room.take(RECORD_LIMIT).await;
        }
        tokio::select! {
            biased;
            readable = stream.readable() => if readable.is_err() { break },
            () = stop.cancelled() => if !matches!(tokio::time::timeout(LAST_BYTES, stream.readable()).await, Ok(Ok(()))) {
                break;
            },
        }
        match read(&stream, &mut cutter) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A writer that dies resets its connection: what came before is as good as after a close.
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    while let Some(line) = cutter.finish() {
        accept_long(&line, shared, container, peer).await;
    }
}

/// Reads once. The buffer is gone before anything is waited for.
fn read(stream: &UnixStream, cutter: &mut Cutter) -> io::Result<usize> {
    let mut buffer = [0; READ];
    let length = stream.try_read(&mut buffer)?;
    cutter.push(&buffer[..length]);
    Ok(length)
}

/// Accepts the lines that are whole: those of one read together, a long one without a copy.
async fn accept(cutter: &mut Cutter, shared: &Shared, container: &str, peer: Peer) {
    let mut lines = Lines::default();
    while let Some(line) = cutter.next_line() {
        if line.cut || line.bytes.len() > READ {
            lines.accept(shared, container, peer).await;
            accept_long(&line, shared, container, peer).await;
        } else {
            lines.push(line.bytes);
        }
    }
    lines.accept(shared, container, peer).await;
}

async fn accept_long(line: &Line<'_>, shared: &Shared, container: &str, peer: Peer) {
    if line.cut {
        shared.intake.accept_piece(container, peer, line.bytes).await;
    } else if !is_blank(line.bytes) {
        shared.intake.accept(container, peer, &[line.bytes]).await;
    }
}

/// Lines that are accepted together.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
}

impl Lines {
    fn push(&mut self, line: &[u8]) {
        if !is_blank(line) {
            self.bytes.extend_from_slice(line);
            self.ends.push(self.bytes.len());
        }
    }

    async fn accept(&mut self, shared: &Shared, container: &str, peer: Peer) {
        if self.ends.is_empty() {
            return;
        }
        let mut start = 0;
        let mut raws = Vec::with_capacity(self.ends.len());
        for end in self.ends.drain(..) {
            raws.push(&self.bytes[start..end]);
            start = end;
        }
        shared.intake.accept(container, peer, &raws).await;
        self.bytes.clear();
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}
