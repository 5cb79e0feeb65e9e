//! The sockets that steps write to: one for each container, so that the socket says whose words they are.
//!
//! A connection speaks lines or HTTP/1.1, told apart by its first bytes. Nothing is required of who writes: the pod is one
//! domain of trust; what the kernel says of the writer is recorded. Memory is bounded by the number of connections, and
//! for each of them by the longest record; a writer waits when the spool is full.

pub mod http;
pub mod intake;
mod lines;
pub mod place;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::spool::Peer;
use intake::Intake;
use place::Place;

/// Connections that are served at once on one socket; more wait in the kernel's queue. Each costs a task and at most two
/// buffers of the longest record, which few writers ever fill.
const CONNECTIONS: usize = 256;
/// Bytes of the longest record that is taken.
pub const RECORD_LIMIT: usize = records::cut::LINE_LIMIT;
/// How often it is looked whether the socket still exists.
const WATCH: Duration = Duration::from_millis(500);
/// First bytes that tell HTTP from lines.
const METHODS: [&[u8]; 7] = [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH "];

/// What connections need.
#[derive(Debug)]
pub struct Shared {
    /// Takes records.
    pub intake: Intake,
    /// Renders the metrics.
    pub metrics: crate::metrics::Exposition,
}

/// Serves one socket until the token is cancelled. A socket that vanished is made again. Connections are tracked, so that
/// the end can wait for what was already read.
pub async fn serve(place: Place, mut listener: UnixListener, shared: Arc<Shared>, stop: CancellationToken, tasks: TaskTracker) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let mut watch = tokio::time::interval(WATCH);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            _ = watch.tick() => {
                if !place.is_there() {
                    match place.bind() {
                        Ok(again) => {
                            listener = again;
                            tracing::info!(socket.path = %place.socket().display(), "the socket was gone and is made again");
                        }
                        Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot make the socket again yet"),
                    }
                }
                continue;
            }
            accepted = accept(&listener, &connections) => accepted,
        };
        let Some((stream, permit)) = accepted else { continue };
        let (shared, container, stop) = (Arc::clone(&shared), place.container().to_owned(), stop.clone());
        tasks.spawn(async move {
            let peer = peer_of(&stream);
            connection(stream, &shared, &container, peer, &stop).await;
            drop(permit);
        });
    }
}

async fn accept(
    listener: &UnixListener,
    connections: &Arc<Semaphore>,
) -> Option<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            // Out of file descriptors, as a rule: connections wait in the kernel's queue until some are back.
            tracing::debug!(error = %error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn connection(stream: UnixStream, shared: &Arc<Shared>, container: &str, peer: Peer, stop: &CancellationToken) {
    let first = tokio::select! {
        first = first_bytes(&stream) => first,
        () = stop.cancelled() => first_bytes_there(&stream),
    };
    match first {
        First::Http => http::serve(stream, Arc::clone(shared), container.to_owned(), peer, stop.clone()).await,
        First::Lines => lines::serve(stream, &shared.intake, container, peer, stop).await,
        First::Nothing => {}
    }
}

enum First {
    Http,
    Lines,
    Nothing,
}

/// Looks at the first bytes without taking them, until they tell.
async fn first_bytes(stream: &UnixStream) -> First {
    loop {
        if stream.readable().await.is_err() {
            return First::Nothing;
        }
        if let Some(first) = peek(stream) {
            return first;
        }
        // The start of a method, and no more yet: the socket stays readable, so look again when time has passed.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn first_bytes_there(stream: &UnixStream) -> First {
    peek(stream).unwrap_or(First::Lines)
}

/// What the bytes that are there tell, if they do.
fn peek(stream: &UnixStream) -> Option<First> {
    use rustix::net::{RecvFlags, recv};
    let mut bytes = [0; 8];
    match recv(stream, &mut bytes[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, 0)) => Some(First::Nothing),
        Ok((_, length)) => {
            let bytes = &bytes[..length];
            if METHODS.iter().any(|method| bytes.starts_with(method)) {
                return Some(First::Http);
            }
            let undecided = METHODS.iter().any(|method| method.starts_with(bytes));
            (!undecided).then_some(First::Lines)
        }
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => None,
        Err(_) => Some(First::Nothing),
    }
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
