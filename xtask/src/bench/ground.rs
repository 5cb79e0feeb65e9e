//! What the measured programs talk to: a NATS server with TLS, and a stream that is new for each measurement, because a
//! stream remembers the ids that it had.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::{self, consumer, stream};
use futures_util::StreamExt as _;
use neighbours::Nats;
use neighbours::nats::{Credentials, Options};

/// Namespace of the run.
pub const NAMESPACE: &str = "demo";
const STREAM: &str = "agent-comms";
const PATIENCE: Duration = Duration::from_secs(120);

/// Server, stream, and the operator's eyes on both.
pub struct Ground {
    nats: Nats,
    jetstream: jetstream::Context,
    /// Answers to publishers, seen when they see them.
    answers: async_nats::Subscriber,
}

impl Ground {
    /// Starts the server.
    pub async fn start() -> Result<Self> {
        let nats = Nats::start(Options { namespaces: vec![NAMESPACE.to_owned()], ..Options::default() }).await?;
        let client = nats.admin().connect().await?;
        let answers = nats.admin().connect().await?.subscribe("nothing.yet").await?;
        Ok(Self { nats, jetstream: jetstream::new(client), answers })
    }

    /// What publishers connect with.
    pub fn publisher(&self) -> Credentials {
        self.nats.publisher(NAMESPACE)
    }

    /// What connects as the operator.
    pub fn admin(&self) -> Credentials {
        self.nats.admin()
    }

    /// An empty stream that knows no ids.
    pub async fn new_stream(&self) -> Result<()> {
        // There is none at first.
        drop(self.jetstream.delete_stream(STREAM).await);
        let config = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec!["workflow.>".to_owned()],
            duplicate_window: Duration::from_secs(600),
            allow_direct: true,
            ..stream::Config::default()
        };
        self.jetstream.create_stream(config).await?;
        Ok(())
    }

    /// Waits until the stream has so many messages; gives the messages a second between the first and the last, by the
    /// times at which the stream stored them.
    pub async fn stored(&self, count: usize) -> Result<f64> {
        let stream = self.jetstream.get_stream(STREAM).await?;
        let start = Instant::now();
        loop {
            let state = stream.get_info().await?.state;
            if state.messages >= count as u64 {
                let nanos = (state.last_timestamp - state.first_timestamp).whole_nanoseconds();
                let seconds = Duration::from_nanos(u64::try_from(nanos)?).as_secs_f64();
                let messages = u32::try_from(state.messages - 1)?;
                return Ok(f64::from(messages) / seconds);
            }
            if start.elapsed() > PATIENCE {
                bail!("the stream has {} of {count} messages after {} s", state.messages, PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Writes the first `count` messages of the stream to a file, for the bare publisher to send again.
    pub async fn capture(&self, count: usize, path: &Path) -> Result<()> {
        let stream = self.jetstream.get_stream(STREAM).await?;
        let config = consumer::pull::OrderedConfig::default();
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        for _ in 0..count {
            let message = messages.next().await.context("the stream ended")??;
            let id = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id")).context("a message has no id")?;
            for part in [message.subject.as_str().as_bytes(), id.as_str().as_bytes(), &message.payload] {
                file.write_all(&u32::try_from(part.len())?.to_be_bytes())?;
                file.write_all(part)?;
            }
        }
        file.flush()?;
        Ok(())
    }

    /// From now on sees the answers that publishers get.
    pub async fn watch_answers(&mut self) -> Result<()> {
        let client = self.nats.admin().connect().await?;
        self.answers = client.subscribe(format!("{}.>", self.publisher().inbox_prefix)).await?;
        client.flush().await?;
        Ok(())
    }

    /// Waits for the next answer that a publisher gets.
    pub async fn next_answer(&mut self) -> Result<()> {
        let answer = tokio::time::timeout(PATIENCE, self.answers.next()).await.context("no answer came")?;
        let answer = answer.context("the connection is lost")?;
        if !answer.payload.starts_with(b"{\"stream\"") {
            bail!("the stream refused a message: {}", String::from_utf8_lossy(&answer.payload));
        }
        Ok(())
    }
}
