//! The connection that messages leave by, and where the answers to them come in.
//!
//! Answers come to one subscription of our own: the client library keeps an entry for each request that is never answered,
//! which would grow through every outage. A message's reply subject holds its number and attempt.
//!
//! A connection is one connection: when it breaks it is over, and the next one is a new value. The library would connect
//! again and first send what it still held, after messages before it were lost on the way; their order would be lost too.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::client::PublishError;
use async_nats::connection::State;
use async_nats::{
    Client, ConnectError, ConnectErrorKind, Event, HeaderMap, HeaderName, Message, ServerError, Subscriber, header,
};
use futures_util::{FutureExt as _, StreamExt as _};
use service::nats::{NatsArgs, NatsSettingsError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::retry::{self, Answer};
use crate::reader::Outgoing;

/// Commands that wait for the client. More than the window holds, so that sending never waits for a connection that was
/// just lost: the window's messages twice over, and a few others.
const CLIENT_CAPACITY: usize = 600;
/// Answers that wait to be read: as many as the window has messages, some of them answered twice.
const ANSWER_CAPACITY: usize = 1_024;
/// How often the files of certificates and token are looked at.
const CREDENTIALS_LOOK: Duration = Duration::from_secs(5);
/// Within this time after a loss the next connection is begun.
const RETURN_WITHIN: Duration = Duration::from_millis(100);
/// Where the library may connect again by itself: nothing ever listens on port 0.
const NOWHERE: &str = "tls://127.0.0.1:0";

/// Marks a message that may have been sent before.
const RESEND: HeaderName = HeaderName::from_static(message::RESEND_HEADER);

/// What the client tells beside answers. A hint: events can be missed, the connection's state cannot.
#[derive(Debug, Default)]
pub struct Hints {
    /// Told of every event.
    pub changed: Arc<Notify>,
    error: Mutex<Option<String>>,
}

impl Hints {
    /// The last thing the server complained about, once.
    pub fn take_error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn event(&self, event: &Event) {
        match event {
            Event::Disconnected => tracing::info!("the connection to nats is lost, making another"),
            // Whether that is for good, the next connect tells.
            Event::ServerError(error @ ServerError::AuthorizationViolation) => Self::shown_out(error),
            Event::ServerError(error @ ServerError::Other(words)) if retry::is_farewell(words) => Self::shown_out(error),
            Event::ServerError(ServerError::Other(_)) => {
                *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(event.to_string());
            }
            other => tracing::debug!(nats.event = %other, "nats"),
        }
        self.changed.notify_one();
    }

    fn shown_out(error: &ServerError) {
        tracing::info!(reason = %error, "nats ends the connection: what let us in holds no longer");
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    answers: Subscriber,
    inbox: String,
}

/// The number and attempt that an answer is for, and what it says.
#[derive(Debug)]
pub struct Answered {
    /// Number in the window.
    pub number: u64,
    /// Attempt, from 1.
    pub attempt: u32,
    /// What it says.
    pub answer: Answer,
}

/// Makes one connection after the other.
#[derive(Debug)]
pub struct Connecting {
    args: NatsArgs,
    scratch: PathBuf,
    hints: Arc<Hints>,
    /// The one that is being made.
    making: Option<JoinHandle<Connection>>,
    /// How many were made.
    made: u64,
    /// What the last one was made with, and when it was looked whether that is still so.
    credentials: Vec<Option<FileState>>,
    looked_at: Option<Instant>,
    renewed: bool,
}

/// What tells that a file was written anew or replaced.
type FileState = (u64, u64, i64, i64);

impl Connecting {
    /// With these settings; `scratch` is a directory for authorities that were given as text.
    #[must_use]
    pub fn new(args: NatsArgs, scratch: PathBuf, hints: Arc<Hints>) -> Self {
        Self { args, scratch, hints, making: None, made: 0, credentials: Vec::new(), looked_at: None, renewed: false }
    }

    /// Whether the files of the last connection have changed since. They are looked at now and then.
    pub fn has_new_credentials(&mut self, now: Instant) -> bool {
        if self.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= CREDENTIALS_LOOK) {
            self.looked_at = Some(now);
            self.renewed = self.credentials != self.credentials_now();
        }
        self.renewed
    }

    fn credentials_now(&self) -> Vec<Option<FileState>> {
        let NatsArgs { nats_ca, nats_cert, nats_key, nats_token_file, .. } = &self.args;
        let state = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
        };
        [nats_ca, nats_cert, nats_key, nats_token_file].into_iter().flatten().map(state).collect()
    }

    /// The next connection, once it is there. What was begun goes on when this is dropped before.
    pub async fn next(&mut self) -> Connection {
        loop {
            if self.making.is_none() {
                // Read before the client reads them: a change in between is seen as one.
                (self.credentials, self.renewed) = (self.credentials_now(), false);
                // A server that loses its clients loses all of them at once: they do not come back in the same moment.
                let pause = if self.made == 0 { Duration::ZERO } else { RETURN_WITHIN.mul_f64(service::nats::random_fraction()) };
                let connect = connect(self.args.clone(), self.scratch.clone(), Arc::clone(&self.hints), pause);
                self.making = Some(tokio::spawn(connect));
            }
            let Some(making) = &mut self.making else { continue };
            let made = making.await;
            self.making = None;
            match made {
                Ok(connection) => {
                    self.made += 1;
                    return connection;
                }
                Err(error) => tracing::error!(error = %error, "connecting broke off, beginning again"),
            }
        }
    }
}

/// Makes the connection, trying until it is there. Settings that cannot be used now, a certificate or a token that is still
/// to come, are tried again as well; whether that may be waited for was decided before.
async fn connect(args: NatsArgs, scratch: PathBuf, hints: Arc<Hints>, pause: Duration) -> Connection {
    tokio::time::sleep(pause).await;
    let mut told = None;
    for attempt in 1.. {
        match try_connect(&args, &scratch, &hints).await {
            Ok(connection) => return connection,
            Err(error) => {
                let reason = error.reason();
                if told.as_ref() != Some(&reason) {
                    if error.is_refusal() {
                        tracing::error!(
                            reason,
                            "nats refuses us; our certificate or token, or a setting of nats, must be changed"
                        );
                    } else {
                        tracing::info!(reason, "cannot connect to nats now, trying again");
                    }
                    told = Some(reason);
                }
            }
        }
        let chance = service::nats::random_fraction();
        tokio::time::sleep(retry::delay(retry::Class::Retry, attempt, chance)).await;
    }
    // Attempts are not counted to their end.
    std::future::pending().await
}

/// Why there is no connection now.
#[derive(Debug, thiserror::Error)]
enum NotConnected {
    /// A file is not there, or not whole.
    #[error(transparent)]
    Settings(#[from] NatsSettingsError),
    /// No server can be reached, or none lets us in.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It was lost before anything was sent.
    #[error("the connection was lost as soon as it was made")]
    Lost,
}

impl NotConnected {
    /// Whether a server heard who we are and refuses us, so that waiting alone does not help.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Connect(error) if error.kind() == ConnectErrorKind::AuthorizationViolation)
    }

    fn reason(&self) -> String {
        match self {
            // The library's errors tell their causes themselves.
            Self::Connect(error) => error.to_string(),
            error => service::causes::in_one_line(error),
        }
    }
}

async fn try_connect(args: &NatsArgs, scratch: &Path, hints: &Arc<Hints>) -> Result<Connection, NotConnected> {
    // What was complained about on the connection before is over.
    drop(hints.take_error());
    let hints = Arc::clone(hints);
    let servers = args.servers()?;
    let options = args
        .options_to_try("agent-comms sidecar", scratch)?
        .client_capacity(CLIENT_CAPACITY)
        .subscription_capacity(ANSWER_CAPACITY)
        .read_buffer_capacity(4 * 1024)
        // One try with each server.
        .max_reconnects(servers.len())
        .reconnect_delay_callback(|_| Duration::ZERO)
        .event_callback(move |event| {
            hints.event(&event);
            std::future::ready(())
        });
    let client = options.connect(servers).await?;
    let inbox = client.new_inbox();
    let answers = client.subscribe(format!("{inbox}.*")).await.map_err(|_| NotConnected::Lost)?;
    client.flush().await.map_err(|_| NotConnected::Lost)?;
    client.set_server_pool(NOWHERE).await.map_err(|_| NotConnected::Lost)?;
    tracing::info!(nats.server = client.server_info().server_name, "connected to nats");
    Ok(Connection { client, answers, inbox })
}

impl Connection {
    /// Whether a message sent now would go out.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// The largest body the server takes, its headers not counted.
    #[must_use]
    pub fn largest_body(&self) -> usize {
        // Two headers of ours, with their names and values.
        self.client.max_payload().saturating_sub(256)
    }

    /// Sends one attempt of a message; nothing when the client takes no more now.
    pub fn send(&self, outgoing: &Outgoing, number: u64, attempt: u32, with_id: bool) -> Option<Result<(), PublishError>> {
        let mut headers = HeaderMap::new();
        if with_id {
            let mut id = Uuid::encode_buffer();
            headers.insert(header::NATS_MESSAGE_ID, &*outgoing.id.hyphenated().encode_lower(&mut id));
        }
        if outgoing.resend || attempt > 1 {
            headers.insert(RESEND, "1");
        }
        let reply = format!("{}.{number}-{attempt}", self.inbox);
        let (subject, payload) = (outgoing.subject.clone(), outgoing.payload.clone());
        let publish = self.client.publish_with_reply_and_headers(subject, reply, headers, payload);
        // Without the runtime's budget, or a client with room would now and then seem to have none.
        tokio::task::unconstrained(publish).now_or_never()
    }

    /// The next answer; nothing when the connection is over.
    pub async fn answer(&mut self) -> Option<Answered> {
        loop {
            if let Some(answered) = read(&self.answers.next().await?) {
                return Some(answered);
            }
        }
    }

    /// The next answer, if one is there.
    pub fn answer_now(&mut self) -> Option<Answered> {
        loop {
            if let Some(answered) = read(&self.answers.next().now_or_never()??) {
                return Some(answered);
            }
        }
    }

    /// Sends out what the client still holds.
    pub async fn flush(&self) {
        drop(tokio::time::timeout(Duration::from_millis(200), self.client.flush()).await);
    }
}

fn read(message: &Message) -> Option<Answered> {
    let (_, token) = message.subject.rsplit_once('.')?;
    let (number, attempt) = token.split_once('-')?;
    let answer = retry::read_answer(message.status.map(|status| status.as_u16()), &message.payload);
    Some(Answered { number: number.parse().ok()?, attempt: attempt.parse().ok()?, answer })
}
