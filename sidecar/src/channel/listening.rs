//! The connection that the channel is heard on, for as long as somebody reads. The client library makes it again when it is
//! lost, and subscribes again; whoever reads is told of both, and asks history for what is missing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_nats::{Client, Event, Subscriber};
use futures_util::StreamExt as _;
use service::nats::NatsArgs;
use time::OffsetDateTime;
use tokio::task::JoinHandle;

use super::backlog::Backlog;
use super::line;

/// What is said to everybody.
const CHANNEL: &str = "workflow.general.>";
/// Messages that wait to be looked at. The runtime lets others run after some MiB of reading, so their bytes are bounded
/// before their number is.
const CAPACITY: usize = 4_096;

/// The connection.
#[derive(Debug)]
pub struct Listening {
    client: Client,
    readers: Arc<Readers>,
    hearing: JoinHandle<()>,
}

/// Those who read, and what became of the connection.
#[derive(Debug, Default)]
struct Readers {
    backlogs: Mutex<Vec<Weak<Backlog>>>,
    interrupted: AtomicBool,
    /// Messages that came faster than they were looked at.
    unseen: AtomicU64,
    complaint: Mutex<Option<String>>,
}

impl Listening {
    /// Connects and subscribes.
    ///
    /// # Errors
    /// Why that cannot be done now.
    pub async fn begin(nats: &NatsArgs, scratch: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(scratch).map_err(|error| format!("cannot make `{}`: {error}", scratch.display()))?;
        let readers = Arc::new(Readers::default());
        let told = Arc::clone(&readers);
        let servers = nats.servers().map_err(|error| service::causes::in_one_line(&error))?;
        let options = nats.options_to_try("agent-comms sidecar, reading", scratch);
        let options = options
            .map_err(|error| service::causes::in_one_line(&error))?
            .subscription_capacity(CAPACITY)
            .read_buffer_capacity(4 * 1024)
            .event_callback(move |event| {
                told.event(&event);
                std::future::ready(())
            });
        let client = options.connect(servers).await.map_err(|error| error.to_string())?;
        let channel = client.subscribe(CHANNEL).await.map_err(|error| error.to_string())?;
        let hearing = tokio::spawn(hear(channel, Arc::clone(&readers)));
        Ok(Self { client, readers, hearing })
    }

    /// The connection, to ask history by.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Adds a reader, who hears everything from now on for as long as it keeps its backlog.
    #[must_use]
    pub fn join(&self) -> Arc<Backlog> {
        let backlog = Arc::new(Backlog::default());
        self.readers.backlogs().push(Arc::downgrade(&backlog));
        backlog
    }

    /// The last thing that the server complained about.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        self.readers.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}

impl Readers {
    fn backlogs(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Backlog>>> {
        self.backlogs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does this for everybody who still reads.
    fn each(&self, tell: impl Fn(&Backlog)) {
        self.backlogs().retain(|backlog| {
            backlog.upgrade().is_some_and(|backlog| {
                tell(&backlog);
                true
            })
        });
    }

    fn event(&self, event: &Event) {
        match event {
            Event::Disconnected => {
                self.interrupted.store(true, Ordering::Relaxed);
                self.each(Backlog::interrupt);
            }
            Event::Connected if self.interrupted.swap(false, Ordering::Relaxed) => self.each(Backlog::resume),
            Event::SlowConsumer(_) => {
                self.unseen.fetch_add(1, Ordering::Relaxed);
            }
            Event::ServerError(error) => {
                tracing::debug!(error = %error, "nats complains about who reads the channel");
                *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
            other => tracing::debug!(nats.event = %other, "nats, where the channel is read"),
        }
    }
}

async fn hear(mut channel: Subscriber, readers: Arc<Readers>) {
    while let Some(message) = channel.next().await {
        let unseen = readers.unseen.swap(0, Ordering::Relaxed);
        if unseen > 0 {
            readers.each(|backlog| backlog.drop_unseen(unseen));
        }
        if let Some(line) = line::of(&message.subject, &message.payload, OffsetDateTime::now_utc()) {
            readers.each(|backlog| backlog.push(line.clone()));
        }
    }
}
