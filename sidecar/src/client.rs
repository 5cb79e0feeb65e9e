//! How our own commands ask the sidecar through the socket: again and again while it is not there yet, or is going.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hyper::body::{Body, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// What came of one request.
#[derive(Debug)]
pub enum Answer<T> {
    /// What was asked for.
    Given(T),
    /// The sidecar says no, and why. Only of 503 another answer is to be expected later.
    Refused(StatusCode, anyhow::Error),
}

/// Asks until there is an answer, with a pause in between.
///
/// # Errors
/// When it is refused for good, or the time ends before there is an answer: then the last failure.
pub async fn until_answered<T>(
    timeout: Duration,
    pause: Duration,
    ask: impl AsyncFn() -> anyhow::Result<Answer<T>>,
) -> anyhow::Result<T> {
    // One that no clock has is none.
    let deadline = Instant::now().checked_add(timeout);
    loop {
        let failure = match ask().await {
            Ok(Answer::Given(given)) => return Ok(given),
            Ok(Answer::Refused(status, refusal)) if status != StatusCode::SERVICE_UNAVAILABLE => return Err(refusal),
            Ok(Answer::Refused(_, failure)) | Err(failure) => failure,
        };
        if deadline.is_some_and(|deadline| Instant::now() + pause > deadline) {
            return Err(failure);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Sends one request on a connection of its own.
///
/// # Errors
/// When nobody answers at the socket, or no answer comes; `unanswered` says what that means.
pub async fn send<B>(socket: &Path, request: Request<B>, unanswered: &'static str) -> anyhow::Result<Response<Incoming>>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let unreachable = || format!("nobody answers at the socket `{}`; give the right --socket", socket.display());
    let stream = UnixStream::connect(socket).await.with_context(unreachable)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.with_context(unreachable)?;
    // It ends with the answer, and with the process.
    tokio::spawn(connection);
    sender.send_request(request).await.context(unanswered)
}
