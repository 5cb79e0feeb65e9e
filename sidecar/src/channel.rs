//! The shared channel, read back: a step learns what other runs say without a credential of its own.
//!
//! What is said live comes from a subscription; what was said before, from ingest, by a request that any of its replicas
//! answers. The subscription is made first, so that nothing is missed between the two, and what both have is told once.
//! While ingest is away there is only what is said live, and whoever reads is told so.
//!
//! There is a connection only while somebody reads, and it is another than the one that messages leave by: nothing that
//! others say may hold up what this pod says, or cost memory where nobody listens.

pub mod backlog;
pub mod history;
pub mod line;
pub mod listening;
pub mod reader;
pub mod seen;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use service::nats::NatsArgs;
use tokio::sync::{Mutex, Semaphore};

use crate::metrics::Metrics;
use listening::Listening;
use reader::{Reader, Reading};

/// Readers at once: each holds at most two MiB, and hardly anything as a rule.
const READERS: usize = 4;
/// How long a reader waits for a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// Why nobody can read now.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The pod's annotation says so.
    #[error(
        "reading the channel back is turned off for this pod: the annotation `agent-comms.dev/read` (`AGENT_COMMS_READ`) says `off`"
    )]
    Off,
    /// As many read already as may.
    #[error("{READERS} readers are there already; try again when one of them has ended")]
    Crowded,
    /// There is no connection.
    #[error("the channel cannot be reached now: {0}")]
    Unreachable(String),
}

/// The way to the channel.
#[derive(Debug)]
pub struct Channel {
    /// None where reading is turned off.
    settings: Option<Settings>,
    places: Arc<Semaphore>,
    /// Shared by all who read, gone with the last of them.
    listening: Mutex<Weak<Listening>>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Settings {
    nats: NatsArgs,
    scratch: PathBuf,
}

impl Channel {
    /// Connects with these settings once somebody reads; `scratch` is a directory of its own, which is made then.
    #[must_use]
    pub fn new(nats: NatsArgs, scratch: PathBuf, metrics: Metrics) -> Self {
        Self { settings: Some(Settings { nats, scratch }), ..Self::off(metrics) }
    }

    /// One that nobody reads.
    #[must_use]
    pub fn off(metrics: Metrics) -> Self {
        Self { settings: None, places: Arc::new(Semaphore::new(READERS)), listening: Mutex::default(), metrics }
    }

    /// Begins to read.
    ///
    /// # Errors
    /// When that is not allowed, or not possible now.
    pub async fn read(&self, reading: Reading) -> Result<Reader, Unreadable> {
        let settings = self.settings.as_ref().ok_or(Unreadable::Off)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Unreadable::Crowded)?;
        let listening = tokio::time::timeout(CONNECT, self.listening(settings));
        let listening = listening.await.unwrap_or_else(|_| Err("no server answers in time".to_owned()));
        let listening = listening.map_err(Unreadable::Unreachable)?;
        Ok(Reader::begin(listening, reading, place, &self.metrics).await)
    }

    async fn listening(&self, settings: &Settings) -> Result<Arc<Listening>, String> {
        let mut shared = self.listening.lock().await;
        if let Some(listening) = shared.upgrade() {
            return Ok(listening);
        }
        let listening = Arc::new(Listening::begin(&settings.nats, &settings.scratch).await?);
        *shared = Arc::downgrade(&listening);
        Ok(listening)
    }
}
