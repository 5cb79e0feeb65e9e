//! The line protocol: each line is a JSON object or plain text, and nothing is answered. What was read is accepted; a line
//! without an end is accepted when the writer closes, or when reading ends for good.

use std::time::Duration;

use records::Cutter;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::intake::Intake;
use crate::spool::Peer;

/// Bytes of one read.
const READ: usize = 16 * 1024;
/// Once stopping, how long to wait for bytes that were written before and not yet read.
const LAST_BYTES: Duration = Duration::from_millis(20);

/// Reads lines until the writer closes, or reading ends.
pub async fn serve(mut stream: UnixStream, intake: &Intake, container: &str, peer: Peer, stop: &CancellationToken) {
    let mut cutter = Cutter::new(0);
    let mut buffer = vec![0; READ];
    let mut lines = Lines::default();
    loop {
        let read = tokio::select! {
            biased;
            read = stream.read(&mut buffer) => read,
            () = stop.cancelled() => match tokio::time::timeout(LAST_BYTES, stream.read(&mut buffer)).await {
                Ok(read) => read,
                Err(_) => break,
            },
        };
        match read {
            // A writer that dies resets its connection: what came before is as good as after a close.
            Ok(0) | Err(_) => break,
            Ok(length) => cutter.push(&buffer[..length]),
        }
        lines.take_from(&mut cutter);
        lines.accept(intake, container, peer).await;
    }
    while let Some(line) = cutter.finish() {
        lines.push(line.bytes);
    }
    lines.accept(intake, container, peer).await;
}

/// The lines of one read, which are accepted together.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
}

impl Lines {
    fn take_from(&mut self, cutter: &mut Cutter) {
        while let Some(line) = cutter.next_line() {
            self.push(line.bytes);
        }
    }

    fn push(&mut self, line: &[u8]) {
        if !line.trim_ascii().is_empty() {
            self.bytes.extend_from_slice(line);
            self.ends.push(self.bytes.len());
        }
    }

    async fn accept(&mut self, intake: &Intake, container: &str, peer: Peer) {
        if self.ends.is_empty() {
            return;
        }
        let mut start = 0;
        let mut raws = Vec::with_capacity(self.ends.len());
        for end in self.ends.drain(..) {
            raws.push(&self.bytes[start..end]);
            start = end;
        }
        intake.accept(container, peer, &raws).await;
        self.bytes.clear();
        // One long line should not keep its memory for the life of the connection.
        self.bytes.shrink_to(2 * READ);
    }
}
