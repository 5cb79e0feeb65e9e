//! An event stream that is taken up again wherever it broke.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::backoff::Backoff;
use super::http::{AskError, Client};
use super::sse::{Event, Parser};

/// The server is heard of every 15 s. Three missed in a row and the connection is dead, whatever the system thinks.
const SILENCE: Duration = Duration::from_secs(45);
/// Events read before they are shown: what a slow terminal is behind stays with the server.
const AHEAD: usize = 256;
/// The longest that a server may ask to be left alone.
const LONGEST_AFTER: Duration = Duration::from_secs(60);

/// What to follow.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// Segments of its path.
    pub path: Vec<&'static str>,
    /// Its query.
    pub query: Vec<(&'static str, String)>,
}

/// What is told of a stream.
#[derive(Debug)]
pub enum Followed {
    /// It is open: at first, and again after each [`Followed::Lost`].
    Open,
    /// An event, whole, and in order. None comes twice that has an id.
    Event(Event),
    /// It broke, and is tried again.
    Lost {
        /// Why.
        reason: String,
        /// In how long.
        again: Duration,
    },
}

/// Follows a stream until the receiver is dropped. An error is the last that comes: before the first answer any, later one
/// that will not pass.
#[must_use]
pub fn follow(client: Client, stream: Stream) -> mpsc::Receiver<Result<Followed, AskError>> {
    let (told, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        tokio::select! {
            result = run(&client, &stream, &told) => {
                if let Err(error) = result {
                    // Nobody listens any more when it cannot be told.
                    drop(told.send(Err(error)).await);
                }
            }
            () = told.closed() => {}
        }
    });
    receiver
}

type Told = mpsc::Sender<Result<Followed, AskError>>;

async fn run(client: &Client, stream: &Stream, told: &Told) -> Result<(), AskError> {
    let mut backoff = Backoff::default();
    let mut position = String::new();
    let mut reached = false;
    loop {
        let reason = match client.events(&stream.path, &stream.query, &position).await {
            Ok(body) => {
                reached = true;
                tell(told, Followed::Open).await;
                let mut parser = Parser::after(&position);
                let ended = read(client, body, &mut parser, told, &mut backoff).await;
                parser.last_id().clone_into(&mut position);
                ended
            }
            Err(error) => error,
        };
        if !reached || !reason.is_passing() {
            return Err(reason);
        }
        let again = backoff.next(service::nats::random_fraction()).max(reason.after().unwrap_or_default()).min(LONGEST_AFTER);
        tell(told, Followed::Lost { reason: format!("{:#}", anyhow::Error::from(reason)), again }).await;
        tokio::time::sleep(again).await;
    }
}

/// Reads until the stream ends or breaks.
async fn read(client: &Client, mut body: Incoming, parser: &mut Parser, told: &Told, backoff: &mut Backoff) -> AskError {
    let mut events = Vec::new();
    loop {
        let frame = match tokio::time::timeout(SILENCE, body.frame()).await {
            Err(_) => return client.broken(format!("nothing came for {} s", SILENCE.as_secs())),
            Ok(None) => return client.broken("the server ended the stream"),
            Ok(Some(Err(error))) => return client.broken(error),
            Ok(Some(Ok(frame))) => frame,
        };
        let Some(bytes) = frame.data_ref() else { continue };
        let taken = parser.take(bytes, &mut events);
        for event in events.drain(..) {
            backoff.reset();
            tell(told, Followed::Event(event)).await;
        }
        if let Err(error) = taken {
            return client.broken(error);
        }
    }
}

/// Waits for room. Where nobody listens any more, this whole task is about to be dropped.
async fn tell(told: &Told, what: Followed) {
    drop(told.send(Ok(what)).await);
}
