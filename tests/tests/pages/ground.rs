//! What every test here stands on: its own servers, ingest in between, a publisher and a browser.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream;
use fantoccini::{Client, ClientBuilder, Locator};
use ingest::serve::Running;
use message::{Kind, Message, Role, RunIdentity, Timestamp};
use neighbours::{Chromium, Nats, Postgres};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

/// How long a page may take to show what it was sent, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Counts what was said, so that each message is one of its own.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Everything that is between a publisher and a reader, and both of them.
pub struct Ground {
    pub browser: Client,
    pub base: String,
    publisher: jetstream::Context,
    running: Running,
    stop: CancellationToken,
    _chromium: Chromium,
    _nats: Nats,
    _postgres: Postgres,
}

impl Ground {
    /// Starts everything.
    pub async fn new() -> Result<Self> {
        service::tls::install_provider();
        let (nats, postgres, chromium) =
            tokio::try_join!(Nats::start(neighbours::nats::Options::default()), start_postgres(), Chromium::start())?;
        tests::replica::set_up(&nats.admin()).await?;
        let stop = CancellationToken::new();
        let database = postgres.create_database("pages").await?;
        let running = tests::replica::serve(&nats.ingest(), &database, &stop).await?;
        let publisher = jetstream::new(nats.publisher("demo").connect().await?);
        let browser = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(chromium.capabilities())
            .connect(&chromium.url())
            .await
            .context("no browser session")?;
        let base = format!("http://{}", running.api);
        Ok(Self { browser, base, publisher, running, stop, _chromium: chromium, _nats: nats, _postgres: postgres })
    }

    /// Publishes a message as a sidecar would, and waits until the stream has it.
    pub async fn publish(&self, message: &Message) -> Result<()> {
        let payload = message::wire::to_json(message);
        self.publisher.publish(message::wire::subject(message), payload.into()).await?.await?;
        Ok(())
    }

    /// Opens a page.
    pub async fn open(&self, path: &str) -> Result<()> {
        self.browser.goto(&format!("{}{path}", self.base)).await?;
        Ok(())
    }

    /// Opens a page and waits until it is live.
    pub async fn open_live(&self, path: &str) -> Result<()> {
        self.open(path).await?;
        self.wait_for("the page is live", "return document.getElementById('connection').dataset.state === 'live'").await
    }

    /// What a script says of the page.
    pub async fn ask(&self, script: &str) -> Result<Value> {
        Ok(self.browser.execute(script, Vec::new()).await?)
    }

    /// Waits until a script says true.
    pub async fn wait_for(&self, what: &str, script: &str) -> Result<()> {
        let start = Instant::now();
        while self.ask(script).await? != Value::Bool(true) {
            if start.elapsed() > PATIENCE {
                let page = self.browser.find(Locator::Css("body")).await?.text().await?;
                bail!("waited {PATIENCE:?} until {what}; the page says:\n{page}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Waits until the list shows so many messages.
    pub async fn wait_for_rows(&self, count: usize) -> Result<()> {
        let script = format!("return document.querySelectorAll('#rows .row').length === {count}");
        self.wait_for(&format!("{count} rows are shown"), &script).await
    }

    /// Ends everything, and says when ingest did not end well.
    pub async fn end(self) -> Result<()> {
        self.browser.close().await?;
        self.stop.cancel();
        self.running.wait().await
    }
}

/// Something said in a run of its own namespace.
pub fn said(run: &str, agent: &str, content: &str) -> Message {
    Message {
        id: message::id::of_foreign("pages", &NUMBER.fetch_add(1, Ordering::Relaxed).to_string()),
        run: RunIdentity { namespace: "demo".to_owned(), name: run.to_owned(), uid: format!("{run}-uid") },
        run_id: None,
        step_id: Some("build".to_owned()),
        pod: Some(format!("{run}-pod")),
        container: Some("main".to_owned()),
        attempt: Some(1),
        source: None,
        agent_id: agent.to_owned(),
        role: Role::Assistant,
        stage: None,
        kind: Kind::message(),
        timestamp: Timestamp::new(std::time::SystemTime::now().into()),
        seq: None,
        channel: None,
        content: Some(content.to_owned()),
        tool: None,
        attrs: Map::new(),
        runtime: Some("native".to_owned()),
    }
}

/// The same, for all to hear.
pub fn to_all(run: &str, agent: &str, content: &str) -> Message {
    Message { channel: Some(message::GENERAL_CHANNEL.to_owned()), ..said(run, agent, content) }
}

async fn start_postgres() -> Result<Postgres> {
    Postgres::start(neighbours::postgres::Options::default()).await
}
