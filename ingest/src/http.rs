//! The server that people and programs reach: HTTP/1.1 and HTTP/2, with TLS where a certificate is given, limits, who asks,
//! routes, and an end that is spread over some seconds.
//!
//! Invariants kept here:
//! - a server without access control listens on loopback alone ([`check_reach`]), and answers only to names that nobody can
//!   point at it from outside; one with it sends nothing readable over a network;
//! - who asks is known before anything is answered, in one place, and every answer is made for them;
//! - every answer carries the content security policy, also those that report a problem;
//! - nothing is changed by a request: it is `GET` or `HEAD`, and no body is read, but to sign in and out.

pub mod answer;
mod connection;
mod host;
pub mod limits;
mod login;
mod metrics;
pub mod problem;
pub mod query;
mod router;
pub mod routes;
mod sent;
pub mod session;
pub mod sse;
pub mod tls;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use prometheus_client::registry::Registry;
use service::accept;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::access::{Access, Viewer};
use crate::cursor::Cursor;
use crate::live::Hub;
use crate::settled::Settled;
use connection::Patience;
use limits::Limits;
use metrics::Requests;
use session::{Drain, Session};
use tls::Tls;

pub use host::check_reach;
use problem::Problem;

/// How long open requests may take to end when the streams have.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// What answers are made from, and for whom. Clones share it.
#[derive(Debug, Clone)]
pub struct State {
    /// History.
    pub pool: Pool,
    /// What is said now.
    pub live: Hub,
    /// How far the stream is stored.
    pub settled: watch::Receiver<Settled>,
    /// Who asks.
    pub viewer: Viewer,
    pub(crate) limits: Limits,
    drain: Drain,
    /// The connection on which it is answered is in use while this is held.
    busy: Arc<()>,
}

/// A server that is not serving yet.
pub struct Server {
    state: State,
    access: Access,
    patience: Patience,
    requests: Requests,
    /// Nothing that a name server says leads here.
    only_loopback: bool,
}

/// How long a request waits for the watermark: longer than it takes to be read after a start, and to reach a message that
/// a viewer was shown before it was stored.
const SETTLING: Duration = Duration::from_secs(2);

impl State {
    /// For anybody, within these limits.
    #[must_use]
    pub fn new(pool: Pool, live: Hub, settled: watch::Receiver<Settled>, limits: Limits, drain: Drain) -> Self {
        Self { pool, live, settled, viewer: Viewer::open(), limits, drain, busy: Arc::default() }
    }

    fn for_viewer(&self, viewer: Viewer, busy: Arc<()>) -> Self {
        Self { viewer, busy, ..self.clone() }
    }

    /// A place for a stream, and how long it may go on. Every answer that is no single piece has one.
    ///
    /// # Errors
    /// When too many are open, or the server stops.
    pub fn session(&self) -> Result<Session, Problem> {
        if self.drain.stop.is_cancelled() {
            return Err(Problem::unavailable("this server is stopping"));
        }
        let place = self.limits.stream(self.viewer.id())?;
        Ok(Session { place, viewer: self.viewer.clone(), drain: self.drain.clone(), busy: self.busy.clone() })
    }

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

impl Server {
    /// A server that makes answers from this, for whom it lets in.
    #[must_use]
    pub fn new(state: State, access: Access) -> Self {
        Self { state, access, patience: Patience::default(), requests: Requests::default(), only_loopback: false }
    }

    /// Adds its metrics.
    pub fn register(&self, registry: &mut Registry) {
        self.requests.register(registry);
    }

    /// Serves until `stop` of the state's drain is cancelled and streams and open requests have ended.
    pub async fn serve(mut self, listener: TcpListener, tls: Option<Tls>) {
        let is_loopback = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
        self.only_loopback = is_loopback && matches!(self.access, Access::Open);
        let server = Arc::new(self);
        let acceptor = tls.as_ref().map(Tls::acceptor);
        let (limits, drain) = (server.state.limits.clone(), server.state.drain.clone());
        let closing = CancellationToken::new();
        let accepting = async {
            loop {
                let stream = accept::next(&listener).await;
                let (server, acceptor, closing) = (server.clone(), acceptor.clone(), closing.clone());
                let place = server.state.limits.connection();
                tokio::spawn(async move {
                    if place.is_some() {
                        connection::serve(server, stream, acceptor, closing).await;
                    } else {
                        connection::refuse(stream, acceptor.is_some()).await;
                    }
                    drop(place);
                });
            }
        };
        let following = async {
            match tls {
                Some(tls) => tls.follow().await,
                None => std::future::pending().await,
            }
        };
        // Whoever comes while streams end is answered: it takes a while until nobody is sent here any more.
        let draining = async {
            drain.stop.cancelled().await;
            drop(tokio::time::timeout(drain.time, limits.no_streams()).await);
        };
        tokio::select! {
            () = accepting => {}
            () = following => {}
            () = server.access.follow_files() => {}
            () = draining => {}
        }
        drop(listener);
        closing.cancel();
        if tokio::time::timeout(LAST_REQUESTS, limits.no_connections()).await.is_err() {
            tracing::info!(drain.seconds = LAST_REQUESTS.as_secs(), "requests were still open when the server stopped");
        }
    }
}

#[cfg(test)]
mod tests;
