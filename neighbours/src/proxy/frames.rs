//! Frames of the NATS protocol, as a server sends them: a line, and after `MSG` and `HMSG` as many bytes as it says.

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// Reads one frame; false at the end.
pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin), frame: &mut Vec<u8>) -> Result<bool> {
    frame.clear();
    if from.read_until(b'\n', frame).await? == 0 {
        return Ok(false);
    }
    if let Some(length) = body_length(frame)? {
        let line = frame.len();
        // The body has a line end of its own.
        frame.resize(line + length + 2, 0);
        from.read_exact(&mut frame[line..]).await?;
    }
    Ok(true)
}

/// Whether a frame is an answer to a request: it comes to an inbox.
pub(super) fn is_answer(frame: &[u8]) -> bool {
    let words = frame.strip_prefix(b"MSG ").or_else(|| frame.strip_prefix(b"HMSG "));
    words.is_some_and(|subject| subject.starts_with(b"_INBOX"))
}

fn body_length(line: &[u8]) -> Result<Option<usize>> {
    if !line.starts_with(b"MSG ") && !line.starts_with(b"HMSG ") {
        return Ok(None);
    }
    let line = std::str::from_utf8(line)?;
    let length = line.split_whitespace().next_back().context("a frame has no length")?;
    Ok(Some(length.parse()?))
}
