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
        accept_lines(&mut cutter, intake, container, peer).await;
    }
    while let Some(line) = cutter.finish() {
        accept(line.bytes, intake, container, peer).await;
    }
}

async fn accept_lines(cutter: &mut Cutter, intake: &Intake, container: &str, peer: Peer) {
    while let Some(line) = cutter.next_line() {
        accept(line.bytes, intake, container, peer).await;
    }
}

async fn accept(raw: &[u8], intake: &Intake, container: &str, peer: Peer) {
    if !raw.trim_ascii().is_empty() {
        intake.accept(container, peer, &[raw]).await;
    }
}
