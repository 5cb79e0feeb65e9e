//! The server that people and programs reach: HTTP/1.1 and HTTP/2 without upgrade, limits, routes, and an end that waits for
//! nobody: every open stream ends with the token.
//!
//! Invariants kept here:
//! - a server without access control listens on loopback alone ([`check_open`]), and answers only to names that nobody can
//!   point at it from outside;
//! - every answer carries the content security policy, also those that report a problem;
//! - nothing is changed by a request: it is `GET` or `HEAD`, and a body is never read.

pub mod answer;
mod host;
pub mod problem;
pub mod query;
mod router;
pub mod routes;
pub mod sse;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use service::accept;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use crate::cursor::Cursor;
use crate::live::Hub;
use crate::settled::Settled;

pub use host::check_open;
use problem::Problem;

/// How long a client may take to send the head of a request, and a connection may stay idle between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request: a link with 20 runs and every filter fits many times.
const HEAD_BYTES: usize = 32 * 1024;
/// Streams of one HTTP/2 connection at once: a browser with many tabs open.
const STREAMS_A_CONNECTION: u32 = 200;
/// Connections at once. Each idle stream costs about 15 KiB: this many stay below 200 MiB.
const CONNECTIONS: usize = 12_000;
/// How long the other end of a connection may take nothing of what is sent: a viewer that is merely slow takes a little now
/// and then, one that is gone or stopped holds memory of ours, and comes back by itself.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long open requests may take to end after the token. Streams end at once.
const DRAIN: Duration = Duration::from_secs(5);

/// What answers are made from. Clones share it.
#[derive(Debug, Clone)]
pub struct State {
    /// History.
    pub pool: Pool,
    /// What is said now.
    pub live: Hub,
    /// How far the stream is stored.
    pub settled: watch::Receiver<Settled>,
}

/// How long a request waits for the watermark: longer than it takes to be read after a start, and to reach a message that
/// a viewer was shown before it was stored.
const SETTLING: Duration = Duration::from_secs(2);

impl State {
    /// Where history ends for sure, and a live stream goes on. Above it rows may still appear below others, and change.
    ///
    /// # Errors
    /// When that is not known, for two seconds.
    pub async fn settled(&self) -> Result<Cursor, Problem> {
        let known = self.reaching(Cursor::default()).await;
        known.ok_or_else(|| Problem::unavailable("how far history goes is not known yet, because the stream was not reached"))
    }

    /// Where history ends for sure, once that is at or beyond this position.
    ///
    /// # Errors
    /// When it is not, though the position may hold a message that was said already.
    pub async fn settled_at(&self, position: Cursor) -> Result<Cursor, Problem> {
        let settled = self.settled().await?;
        if settled >= position || !self.live.may_hold(position) {
            return Ok(settled);
        }
        let reached = self.reaching(position).await;
        reached.ok_or_else(|| Problem::unavailable(format!("message `{position}` is not stored yet")))
    }

    async fn reaching(&self, position: Cursor) -> Option<Cursor> {
        let mut settled = self.settled.clone();
        let reached = settled.wait_for(|settled| settled.known().is_some_and(|watermark| watermark >= position));
        tokio::time::timeout(SETTLING, reached).await.ok()?.ok()?.known()
    }
}

/// Serves until the token is cancelled and open requests have ended.
pub async fn serve(listener: TcpListener, state: State, stop: CancellationToken) {
    serve_within(listener, state, stop, WRITE_TIMEOUT).await;
}

async fn serve_within(listener: TcpListener, state: State, stop: CancellationToken, write_timeout: Duration) {
    let loopback = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let state = Arc::new(state);
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = admit(&listener, &connections) => accepted,
            () = stop.cancelled() => break,
        };
        let Some((stream, permit)) = accepted else { break };
        let state = state.clone();
        let answer = service_fn(move |request| {
            let state = state.clone();
            async move { Ok::<_, Infallible>(router::answer(&state, loopback, request).await) }
        });
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(write_timeout));
        let connection = builder().serve_connection(TokioIo::new(Box::pin(stream)), answer).into_owned();
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(error, "connection ended");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::info!(drain.seconds = DRAIN.as_secs(), "requests were still open when the server stopped");
    }
}

/// A connection, once there is room for one more; none when the server stops.
async fn admit(listener: &TcpListener, connections: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = connections.clone().acquire_owned().await.ok()?;
    Some((accept::next(listener).await, permit))
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_A_CONNECTION)
        .max_header_list_size(32 * 1024)
        .keep_alive_interval(HEAD_TIMEOUT);
    builder
}

#[cfg(test)]
mod tests;
