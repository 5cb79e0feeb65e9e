//! The sockets that steps write to: one for each container, so that the socket says whose words they are.
//!
//! A connection speaks lines or HTTP/1.1, told apart by its first bytes. Nothing is required of who writes: the pod is one
//! domain of trust; what the kernel says of the writer is kept with each record. Memory is bounded by the number of
//! connections and the [`room`] that they share; a writer waits when the spool is full.

pub mod http;
pub mod intake;
mod lines;
pub mod place;
pub mod room;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BufMut;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::channel::Channel;
use crate::spool::Peer;
use intake::Intake;
use place::{Listener, Place};
use room::Room;

/// Connections that are served at once on one socket; more wait in the kernel's queue. Each costs a task, and memory while
/// it has something in hand.
const CONNECTIONS: usize = 256;
/// Bytes of the longest record that is taken.
pub const RECORD_LIMIT: usize = records::cut::LINE_LIMIT;
/// How often it is looked whether the socket still exists, and tried to make it when it does not.
const WATCH: Duration = Duration::from_millis(500);
/// A connection that has said nothing for this long makes room when others wait.
const SILENCE: Duration = Duration::from_secs(1);
/// First words of a request; a line of a log may begin with one too.
const METHODS: [&[u8]; 7] = [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH "];
/// Bytes of the longest of them.
const LONGEST_METHOD: usize = 8;
/// How the first line of a request ends, which no log does by chance.
const VERSIONS: [&[u8]; 2] = [b" HTTP/1.1", b" HTTP/1.0"];
/// Bytes of the longest first line that is waited for to see its end.
const LONGEST_REQUEST_LINE: usize = 8 * 1024;

/// What connections need.
#[derive(Debug)]
pub struct Shared {
    /// Takes records.
    pub intake: Intake,
    /// Renders the metrics.
    pub metrics: crate::metrics::Exposition,
    /// The memory for what they have in hand.
    pub room: Room,
    /// The channel of all runs.
    pub channel: Channel,
}

/// Makes a socket. In a pod one that cannot be made now is tried again by [`serve`].
///
/// # Errors
/// Outside a pod, when it cannot be made.
pub fn open(place: &Place, in_pod: bool) -> anyhow::Result<Option<Listener>> {
    match make(place) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if in_pod => {
            tracing::error!(error = format!("{error:#}"), "cannot make a socket, trying again");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Serves one socket for as long as the process lives. One that is not there, or vanished, is made again. Connections that
/// were made before the token is cancelled are tracked, so that the end can wait for what they have in hand; those that
/// come later hear that it is too late.
pub async fn serve(place: Place, listener: Option<Listener>, shared: Arc<Shared>, stop: CancellationToken, tasks: TaskTracker) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let crowd = Arc::new(Notify::new());
    let mut listener = listener;
    let mut waiting = None;
    let mut watch = tokio::time::interval(WATCH);
    // Until it is dropped the end waits for what is in the kernel's queue.
    let mut in_time = Some(tasks.token());
    loop {
        let (stream, permit) = tokio::select! {
            biased;
            Ok(permit) = Arc::clone(&permits).acquire_owned(), if waiting.is_some() => match waiting.take() {
                Some(stream) => (stream, permit),
                None => continue,
            },
            accepted = accept(listener.as_ref()), if waiting.is_none() => {
                waiting = accepted;
                continue;
            }
            () = stop.cancelled(), if in_time.is_some() => {
                in_time = None;
                continue;
            }
            _ = watch.tick() => {
                if waiting.is_some() {
                    crowd.notify_waiters();
                }
                if !listener.as_ref().is_some_and(Listener::is_there) {
                    make_again(&place, &mut listener);
                }
                continue;
            }
        };
        let (shared, container, stop) = (Arc::clone(&shared), place.container().to_owned(), stop.clone());
        let (crowd, is_late) = (Arc::clone(&crowd), in_time.is_none());
        let served = async move {
            connection(stream, shared, container, stop, crowd, is_late).await;
            drop(permit);
        };
        if is_late {
            tokio::spawn(served)
        } else {
            tasks.spawn(served)
        };
    }
}

fn make(place: &Place) -> anyhow::Result<Listener> {
    place.prepare()?;
    place.bind()
}

fn make_again(place: &Place, listener: &mut Option<Listener>) {
    match make(place) {
        Ok(again) => {
            *listener = Some(again);
            tracing::info!(socket.path = %place.socket().display(), "the socket was gone and is made again");
        }
        Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot make the socket again yet"),
    }
}

async fn accept(listener: Option<&Listener>) -> Option<UnixStream> {
    let Some(listener) = listener else { return std::future::pending().await };
    match listener.accept().await {
        Ok(stream) => Some(stream),
        Err(error) => {
            // Out of file descriptors, as a rule: connections wait in the kernel's queue until some are back.
            tracing::debug!(error = %error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Serves one connection to its end. Each protocol's state is made only once it is known which one it is.
async fn connection(
    mut stream: UnixStream,
    shared: Arc<Shared>,
    container: String,
    stop: CancellationToken,
    crowd: Arc<Notify>,
    is_late: bool,
) {
    let peer = peer_of(&stream);
    let mut bytes = [0; LONGEST_METHOD];
    let (told, length) = first_bytes(&mut stream, &mut bytes, &stop, &crowd).await;
    let mut line = Vec::new();
    let (protocol, first) = match told {
        Some(Told::Method) => {
            line.extend_from_slice(&bytes[..length]);
            let protocol = first_line(&mut stream, &mut line, &stop).await;
            (Some(protocol), &line[..])
        }
        Some(Told::Lines) => (Some(Protocol::Lines), &bytes[..length]),
        None => (None, &bytes[..0]),
    };
    match protocol {
        Some(Protocol::Http) => Box::pin(http::serve(stream, first, shared, container, peer, stop)).await,
        Some(Protocol::Lines) if !is_late => Box::pin(lines::serve(stream, first, &shared, &container, peer, &stop)).await,
        Some(Protocol::Lines) | None => {}
    }
}

/// Serves one connection, as [`serve`] does those of a socket.
pub async fn serve_one(stream: UnixStream, shared: Arc<Shared>, container: String, stop: CancellationToken) {
    connection(stream, shared, container, stop, Arc::default(), false).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    Lines,
}

/// What the first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// A request, if its first line ends as one does.
    Method,
    Lines,
}

/// Reads until the bytes tell what they are, and says how many those were. Nothing when nobody says anything.
async fn first_bytes(
    stream: &mut UnixStream,
    bytes: &mut [u8; LONGEST_METHOD],
    stop: &CancellationToken,
    crowd: &Notify,
) -> (Option<Told>, usize) {
    let since = Instant::now();
    let mut length = 0;
    loop {
        let mut rest = &mut bytes[length..];
        let read = tokio::select! {
            biased;
            read = read_on(stream, &mut rest, stop) => read,
            () = crowd.notified() => {
                if length == 0 && since.elapsed() >= SILENCE {
                    return (None, 0);
                }
                continue;
            }
        };
        length += read;
        match told(&bytes[..length]) {
            Some(told) => return (Some(told), length),
            // Nothing more will come: what looked like the start of a method is a line.
            None if read == 0 => return ((length > 0).then_some(Told::Lines), length),
            None => {}
        }
    }
}

/// What the bytes so far tell.
fn told(bytes: &[u8]) -> Option<Told> {
    if METHODS.iter().any(|method| bytes.starts_with(method)) {
        return Some(Told::Method);
    }
    let is_open = METHODS.iter().any(|method| method.starts_with(bytes));
    (!is_open).then_some(Told::Lines)
}

/// Reads on to the end of the line that begins with a method, and says whether it is a request's. What is none is a line of
/// text, of which nothing may be lost.
async fn first_line(stream: &mut UnixStream, line: &mut Vec<u8>, stop: &CancellationToken) -> Protocol {
    while !line.contains(&b'\n') && line.len() < LONGEST_REQUEST_LINE {
        line.reserve(1024);
        if read_on(stream, line, stop).await == 0 {
            break;
        }
    }
    if is_request(line) { Protocol::Http } else { Protocol::Lines }
}

/// Reads once, and says how many bytes those were: none when nothing more will come, or reading has ended and what was written
/// before has been read. Nothing is lost when the future is dropped.
async fn read_on(stream: &mut UnixStream, bytes: &mut impl BufMut, stop: &CancellationToken) -> usize {
    tokio::select! {
        biased;
        read = stream.read_buf(bytes) => read.unwrap_or(0),
        () = stop.cancelled() => {
            let read = tokio::time::timeout(lines::LAST_BYTES, stream.read_buf(bytes)).await;
            read.map_or(0, |read| read.unwrap_or(0))
        }
    }
}

fn is_request(bytes: &[u8]) -> bool {
    // Where a read happened to end means nothing.
    let seen = &bytes[..bytes.len().min(LONGEST_REQUEST_LINE)];
    let Some(end) = memchr::memchr(b'\n', seen) else { return false };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    VERSIONS.iter().any(|version| line.ends_with(version))
}

fn peer_of(stream: &UnixStream) -> Peer {
    stream.peer_cred().map_or_else(
        |_| Peer::default(),
        |credentials| Peer {
            pid: credentials.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            uid: credentials.uid(),
            gid: credentials.gid(),
        },
    )
}

#[cfg(test)]
mod tests;
