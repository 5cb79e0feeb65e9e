//! One connection: who is at its other end, and how long it may do nothing.
//!
//! Nobody holds a connection for long by being slow: not in the handshake, not with the head of a request, not by asking
//! nothing, not by taking nothing of what is sent.
//!
//! When the server stops, a connection ends with what is being answered on it: whoever comes back for the rest of a stream
//! makes a new one, which leads elsewhere. On the old one they would be refused, and a browser's `EventSource` would give up.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hyper::Version;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Server;
use super::router;
use super::sent::{self, Progress};

/// How long a client may take for the handshake, and for the head of a request. An HTTP/1.1 connection is idle no longer.
const HEAD: Duration = Duration::from_secs(10);
/// How long an HTTP/2 connection may be without a request.
const IDLE: Duration = Duration::from_secs(60);
/// The longest head of a request: a link with 20 runs and every filter fits many times. It has at most 100 headers.
const HEAD_BYTES: u32 = 32 * 1024;
/// Requests of one HTTP/2 connection at once: a browser with many tabs open.
const AT_ONCE: u32 = 100;
/// How often the other end of an HTTP/2 connection has to show that it is there, and within what time.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// What is told to whom there is no room for.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long a connection may be slow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a handshake or a head.
    pub(super) head: Duration,
    /// Without a request.
    pub(super) idle: Duration,
    /// How long the other end may take nothing of what is sent: a viewer that is merely slow takes a little now and then, one
    /// that is gone or stopped holds memory of ours, and comes back by itself.
    pub(super) write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: HEAD, idle: IDLE, write: Duration::from_secs(30) }
    }
}

/// Says that there is no room, as far as that can be said without waiting.
pub(super) async fn refuse(mut stream: TcpStream, encrypted: bool) {
    if !encrypted {
        // Whoever does not take it is closed all the same.
        drop(tokio::time::timeout(Duration::from_secs(1), stream.write_all(FULL)).await);
    }
}

/// Answers until the other end leaves, is too slow, or open requests have ended after the server was told to stop; or not long
/// after `closing` is cancelled.
pub(super) async fn serve(server: Arc<Server>, stream: TcpStream, acceptor: Option<TlsAcceptor>, closing: CancellationToken) {
    // Whoever left already is nobody.
    let peer = stream.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream.as_mut().set_write_timeout_pinned(Some(server.patience.write));
    // Apart, so that a connection takes what it needs and not what one with TLS would.
    let Some(acceptor) = acceptor else { return Box::pin(talk(server, stream, peer, closing)).await };
    match Box::pin(tokio::time::timeout(server.patience.head, acceptor.accept(stream))).await {
        // Apart, so that connections in plain text keep no room for it.
        Ok(Ok(stream)) => Box::pin(talk(server, stream, peer, closing)).await,
        Ok(Err(error)) => tracing::debug!(%error, "tls handshake failed"),
        Err(_) => tracing::debug!("no tls handshake in time"),
    }
}

async fn talk<S>(server: Arc<Server>, stream: S, peer: IpAddr, closing: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (patience, stop) = (server.patience, server.state.drain.stop.clone());
    let activity = Arc::new(Activity::default());
    let answer = {
        let activity = activity.clone();
        service_fn(move |request| {
            activity.begin();
            let (server, busy) = (server.clone(), activity.busy.clone());
            let (activity, version) = (activity.clone(), request.version());
            // Apart: hyper keeps the place of this future for as long as the connection, and that of a stream is long.
            async move {
                let answer = Box::pin(router::answer(&server, peer, busy.clone(), request)).await;
                let (answer, progress) = sent::send(answer, version, busy);
                if version == Version::HTTP_2 {
                    activity.watch(&progress);
                }
                Ok::<_, Infallible>(answer)
            }
        })
    };
    let builder = builder(patience.head);
    // Who comes later is answered once.
    let comes_before_the_end = !stop.is_cancelled();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = activity.silence(patience) => None,
        () = stop.cancelled(), if comes_before_the_end => {
            connection.as_mut().graceful_shutdown();
            tokio::select! { ended = connection.as_mut() => Some(ended), () = closing.cancelled() => None }
        }
        () = closing.cancelled() => None,
        () = activity.stalled(patience.write) => {
            tracing::debug!("an answer was not taken in time");
            return;
        }
    };
    let ended = if let Some(ended) = ended {
        Ok(ended)
    } else {
        connection.as_mut().graceful_shutdown();
        tokio::time::timeout(patience.head, connection).await
    };
    if let Ok(Err(error)) = ended {
        tracing::debug!(error, "connection ended");
    }
}

/// What a connection is used for.
#[derive(Debug)]
struct Activity {
    opened: Instant,
    /// When the last request began, in milliseconds after `opened`; 0 for never.
    last: AtomicU64,
    /// Others hold it while they are answering on this connection.
    busy: Arc<()>,
    /// Answers of HTTP/2 on their way. There one answer that is not taken holds up neither the others nor the connection.
    sending: Mutex<Vec<Weak<Progress>>>,
}

impl Default for Activity {
    fn default() -> Self {
        Self { opened: Instant::now(), last: AtomicU64::new(0), busy: Arc::default(), sending: Mutex::default() }
    }
}

impl Activity {
    fn begin(&self) {
        let after = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(after.max(1), Ordering::Relaxed);
    }

    fn watch(&self, progress: &Arc<Progress>) {
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        sending.retain(|progress| progress.strong_count() > 0);
        sending.push(Arc::downgrade(progress));
    }

    /// Waits until nothing of some answer was taken for so long, while there was something to take. All answers of the
    /// connection end with it: nothing less takes back what was given to it.
    async fn stalled(&self, limit: Duration) {
        let mut seen: Vec<(Weak<Progress>, u32, Instant)> = Vec::new();
        loop {
            tokio::time::sleep(limit / 3).await;
            let now = Instant::now();
            let sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
            let untaken = sending.iter().filter_map(|progress| Some((progress, progress.upgrade()?.untaken()?)));
            let untaken = untaken.map(|(progress, count)| {
                let before = seen.iter().find(|(other, seen, _)| *seen == count && other.ptr_eq(progress));
                (progress.clone(), count, before.map_or(now, |(_, _, since)| *since))
            });
            seen = untaken.collect();
            if seen.iter().any(|(_, _, since)| now - *since >= limit) {
                return;
            }
        }
    }

    /// Waits until nothing was asked for too long, and nothing is being answered.
    async fn silence(&self, patience: Patience) {
        loop {
            let last = self.last.load(Ordering::Relaxed);
            let allowed = if last == 0 { patience.head } else { patience.idle };
            let is_busy = Arc::strong_count(&self.busy) > 1;
            let until = self.opened + Duration::from_millis(last) + allowed;
            if !is_busy && until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(if is_busy { Instant::now() + allowed } else { until }).await;
        }
    }
}

fn builder(head: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(HEAD_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(AT_ONCE)
        .max_header_list_size(HEAD_BYTES)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    builder
}
