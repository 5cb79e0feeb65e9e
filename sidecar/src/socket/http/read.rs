//! `GET /messages?channel=general&last=50[&follow=1]`: the channel of all runs, a JSON object a line.
//!
//! The header `Agent-Comms-History` says how much of history there is: `complete`, `partial` or `none`; the first line says
//! why. An object without `kind` is no message but tells of the reading itself: `history`, `live` or `dropped`.

use std::convert::Infallible;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::{Answer, ending, problem};
use crate::channel::Unreadable;
use crate::channel::reader::{Reader, Reading};
use crate::socket::Shared;

/// Says how much of history there is.
const HISTORY: HeaderName = HeaderName::from_static("agent-comms-history");
/// Messages of history where nothing is said of their number.
const DEFAULT_LAST: u32 = 50;
/// Messages of history, at most.
const MOST: u32 = 1_000;
/// How often it is looked whether a reader that nothing is told is still there.
const LOOK: Duration = Duration::from_secs(1);

/// The connection that a reader is on, to see that it is gone while nothing is written to it. Clients may end their own side
/// and listen on, so that the end of what they say is no sign.
#[derive(Debug, Clone)]
pub struct Line(Option<Arc<OwnedFd>>);

impl Line {
    /// Of a connection that begins like this. Only those that begin with reading are looked at: what reads after other requests
    /// is noticed to be gone with the next message.
    pub fn of(stream: &UnixStream, first: &[u8]) -> Self {
        let reads = first.starts_with(b"GET /messages");
        Self(reads.then(|| stream.as_fd().try_clone_to_owned().ok()).flatten().map(Arc::new))
    }

    fn is_gone(&self) -> bool {
        let Some(socket) = &self.0 else { return false };
        let mut sockets = [PollFd::new(&**socket, PollFlags::empty())];
        let looked = poll(&mut sockets, Some(&Timespec::default()));
        looked.is_ok() && sockets[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }
}

/// Answers with the channel.
pub async fn get(request: &Request<Incoming>, shared: &Shared, line: Line, stop: CancellationToken) -> Answer {
    let reading = match reading(request.uri().query().unwrap_or_default()) {
        Ok(reading) => reading,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error),
    };
    let reader = tokio::select! {
        reader = shared.channel.read(reading) => reader,
        () = stop.cancelled() => return ending(),
    };
    match reader {
        Ok(reader) => {
            let history = HeaderValue::from_static(reader.extent().as_str());
            let mut answer = Response::new(body(reader, line, stop));
            let headers = answer.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(HISTORY, history);
            answer
        }
        Err(error @ Unreadable::Off) => problem(StatusCode::FORBIDDEN, &error.to_string()),
        Err(error @ (Unreadable::Crowded | Unreadable::Unreachable(_))) => {
            let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            answer
        }
    }
}

fn body(reader: Reader, line: Line, stop: CancellationToken) -> UnsyncBoxBody<Bytes, Infallible> {
    let lines = stream::unfold((reader, line, stop), |(mut reader, line, stop)| async move {
        let text = tokio::select! {
            biased;
            text = reader.next() => text,
            () = stop.cancelled() => None,
            () = gone(&line) => None,
        }?;
        Some((Ok(Frame::data(text)), (reader, line, stop)))
    });
    StreamBody::new(lines).boxed_unsync()
}

async fn gone(line: &Line) {
    while !line.is_gone() {
        tokio::time::sleep(LOOK).await;
    }
}

/// What the query asks for.
fn reading(query: &str) -> Result<Reading, String> {
    let mut reading = Reading { last: DEFAULT_LAST, follow: false };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (name, value) {
            ("channel", "general") => {}
            ("channel", other) => return Err(format!("there is no channel `{other}`; the one of all runs is `general`")),
            ("last", number) => {
                let number: u32 = number.parse().map_err(|_| format!("`last` is `{number}`; it is a number up to {MOST}"))?;
                reading.last = number.min(MOST);
            }
            ("follow", "" | "1" | "true") => reading.follow = true,
            ("follow", "0" | "false") => reading.follow = false,
            ("follow", other) => return Err(format!("`follow` is `{other}`; it is 1 or 0")),
            (other, _) => return Err(format!("`{other}` means nothing here; what does is channel, last and follow")),
        }
    }
    Ok(reading)
}

#[cfg(test)]
mod tests;
