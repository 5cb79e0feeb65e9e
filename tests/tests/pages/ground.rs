//! What every test here stands on: its own stream and database, ingest in between, a publisher and a browser.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::jetstream;
use bytes::Bytes;
use fantoccini::{Client, Locator};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use ingest::serve::Running;
use message::{Kind, Message, Role, RunIdentity, Timestamp};
use neighbours::{Chromium, Nats, Postgres};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::road::Road;

/// How long a page may take to show what it was sent, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Counts what was said, so that each message is one of its own.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Everything that is between a publisher and a reader, and both of them.
pub struct Ground {
    pub browser: Client,
    pub base: String,
    /// What lies between the browser and ingest.
    pub road: Road,
    publisher: jetstream::Context,
    replica: Replica,
    /// What each replica is started with, beside what all have.
    arguments: Vec<&'static str>,
    pub chromium: Chromium,
    pub nats: Nats,
    pub database: Database,
}

/// A database of its own on the server that all tests share, for all replicas of one.
pub struct Database {
    server: Arc<Postgres>,
    name: String,
}

/// A replica of ingest.
pub struct Replica {
    pub running: Running,
    stop: CancellationToken,
}

impl Ground {
    /// Starts everything.
    pub async fn new() -> Result<Self> {
        Self::with(&[]).await
    }

    /// The same, with further arguments for ingest.
    pub async fn with(arguments: &[&'static str]) -> Result<Self> {
        Self::of(Postgres::shared(), arguments).await
    }

    /// The same, with a database server that nobody else has: it may be stopped.
    pub async fn apart() -> Result<Self> {
        let server = async { Postgres::start(neighbours::postgres::Options::default()).await.map(Arc::new) };
        Self::of(server, &[]).await
    }

    async fn of(server: impl Future<Output = Result<Arc<Postgres>>>, arguments: &[&'static str]) -> Result<Self> {
        service::tls::install_provider();
        let servers = async { tokio::try_join!(Nats::start(neighbours::nats::Options::default()), Database::make(server)) };
        let ((nats, database), (chromium, browser)) = tokio::try_join!(servers, start_browser())?;
        tests::replica::set_up(&nats.admin()).await?;
        let replica = Replica::start(&nats, &database, arguments).await?;
        let publisher = jetstream::new(nats.publisher("demo").connect().await?);
        let road = Road::to(replica.running.api).await?;
        let base = format!("http://{}", road.address);
        Ok(Self { browser, base, road, publisher, replica, arguments: arguments.to_vec(), chromium, nats, database })
    }

    /// Publishes a message as a sidecar would, and waits until the stream has it.
    pub async fn publish(&self, message: &Message) -> Result<()> {
        let payload = message::wire::to_json(message);
        self.publisher.publish(message::wire::subject(message), payload.into()).await?.await?;
        Ok(())
    }

    /// Publishes many, in their order.
    pub async fn publish_all(&self, messages: impl Iterator<Item = Message>) -> Result<()> {
        let mut acknowledged = Vec::new();
        for message in messages {
            let payload = message::wire::to_json(&message);
            acknowledged.push(self.publisher.publish(message::wire::subject(&message), payload.into()).await?);
        }
        for acknowledgement in acknowledged {
            acknowledgement.await?;
        }
        Ok(())
    }

    /// Publishes anything, as somebody who may do all.
    pub async fn publish_bytes(&self, subject: &str, payload: &str) -> Result<()> {
        let admin = jetstream::new(self.nats.admin().connect().await?);
        admin.publish(subject.to_owned(), payload.to_owned().into()).await?.await?;
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

    /// Presses keys as somebody who looks at the page would.
    pub async fn press(&self, keys: &str) -> Result<()> {
        Ok(self.browser.active_element().await?.send_keys(keys).await?)
    }

    /// Tells the browser something that is in no page: a command of its own protocol.
    pub async fn tell(&self, command: &str, parameters: Value) -> Result<Value> {
        tests::browser::tell(&self.browser, &self.chromium.url(), command, parameters).await
    }

    /// The size of the window, in CSS pixels.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        tests::browser::resize(&self.browser, &self.chromium.url(), (width, height)).await
    }

    /// Light or dark, as the reader's system is.
    pub async fn colours(&self, scheme: &str) -> Result<()> {
        tests::browser::colours(&self.browser, &self.chromium.url(), scheme).await
    }

    /// Moves the pointer over an element.
    pub async fn point_at(&self, selector: &str) -> Result<()> {
        let script = format!(
            "const box = document.querySelector('{selector}').getBoundingClientRect(); return [box.left + 20, box.top + box.height / 2]"
        );
        let at = self.ask(&script).await?;
        let event = json!({ "type": "mouseMoved", "x": at[0], "y": at[1] });
        self.tell("Input.dispatchMouseEvent", event).await.map(drop)
    }

    /// Draws the pointer over an element, from one part of its width to another, in steps as a hand does.
    pub async fn drag_over(&self, selector: &str, (from, to): (f64, f64)) -> Result<()> {
        let script = format!(
            "const box = document.querySelector('{selector}').getBoundingClientRect(); return [box.left, box.top + box.height - 2, box.width]"
        );
        let at = self.ask(&script).await?;
        let numbers = [0, 1, 2].map(|index: usize| at[index].as_f64());
        let [Some(left), Some(y), Some(width)] = numbers else { bail!("there is no `{selector}`") };
        let mut moves = vec![("mouseMoved", from, 0), ("mousePressed", from, 1)];
        if from < to {
            moves.extend([0.2, 0.6, 1.0].map(|part| ("mouseMoved", from + (to - from) * part, 1)));
        }
        moves.push(("mouseReleased", to, 0));
        for (kind, part, buttons) in moves {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event =
                json!({ "type": kind, "x": left + part * width, "y": y, "button": button, "buttons": buttons, "clickCount": 1 });
            self.tell("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// Whether the browser has a network.
    pub async fn offline(&self, offline: bool) -> Result<()> {
        self.tell("Network.enable", json!({})).await?;
        let conditions = json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.tell("Network.emulateNetworkConditions", conditions).await.map(drop)
    }

    /// Whether pages may run their scripts, from the next page on.
    pub async fn scripts(&self, run: bool) -> Result<()> {
        self.tell("Emulation.setScriptExecutionDisabled", json!({ "value": !run })).await.map(drop)
    }

    /// Waits until the history of a run holds so many messages: they are stored, and everything below them is.
    pub async fn wait_for_history(&self, run: &str, count: usize) -> Result<()> {
        // A row that is stored becomes history when the rows below it are: until then a page gets it from its stream.
        let script = format!(
            "return fetch('/api/agents/runs/{run}-uid').then((answer) => answer.json()).then((run) => run.messages === {count} && \
             fetch('/api/agents/runs/{run}-uid/export.jsonl').then((answer) => answer.text()) \
             .then((lines) => lines.split('\\n').length - 1 === {count}))"
        );
        self.wait_for(&format!("{count} messages are history"), &script).await
    }

    /// As if days had passed: once everything up to a position is stored, what is before another has left the stream and is dropped.
    pub async fn drop_before(&self, kept_from: i64, stored: i64) -> Result<()> {
        let stream = jetstream::new(self.nats.admin().connect().await?).get_stream("agent-comms").await?;
        stream.purge().sequence(u64::try_from(kept_from)?).await?;
        let database = self.database.connect().await?;
        let watermark = "SELECT coalesce(max(watermark), 0) FROM workflow_comms.stream_epochs";
        let start = Instant::now();
        while database.query_one(watermark, &[]).await?.get::<_, i64>(0) < stored {
            ensure!(start.elapsed() < PATIENCE, "it is not stored");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let dropped = format!(
            "DELETE FROM workflow_comms.agent_messages WHERE stream_seq < {kept_from}; \
             UPDATE workflow_comms.stream_epochs SET kept_from = {kept_from}"
        );
        database.batch_execute(&dropped).await.context("the day is not dropped")
    }

    /// Waits until the list shows so many messages.
    pub async fn wait_for_rows(&self, count: usize) -> Result<()> {
        let script = format!("return document.querySelectorAll('#rows .row').length === {count}");
        self.wait_for(&format!("{count} rows are shown"), &script).await
    }

    /// Ends everything, and says when ingest did not end well.
    pub async fn end(self) -> Result<()> {
        self.browser.close().await?;
        self.replica.end().await
    }

    /// Another replica, to which nobody is led yet.
    pub async fn another_replica(&self) -> Result<Replica> {
        Replica::start(&self.nats, &self.database, &self.arguments).await
    }

    /// Ends the replica as an update does, and leads to what is started in its place.
    pub async fn restart(self) -> Result<Self> {
        self.replica.end().await?;
        let replica = Replica::start(&self.nats, &self.database, &self.arguments).await?;
        self.road.leads_to(replica.running.api);
        Ok(Self { replica, ..self })
    }

    /// What the replica says of itself: a metric that has one value.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let client = legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let uri = format!("http://{}/metrics", self.replica.running.admin).parse()?;
        let text = String::from_utf8(client.get(uri).await?.into_body().collect().await?.to_bytes().to_vec())?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no metric `{name}`"))?.parse()?)
    }
}

impl Database {
    async fn make(server: impl Future<Output = Result<Arc<Postgres>>>) -> Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let server = server.await?;
        let name = format!("pages-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        server.create_database(&name).await?;
        Ok(Self { server, name })
    }

    /// Its server, where nobody else has it.
    pub fn server(&mut self) -> Result<&mut Postgres> {
        Arc::get_mut(&mut self.server).context("other tests have this server too")
    }

    /// A connection to it.
    pub async fn connect(&self) -> Result<tokio_postgres::Client> {
        self.server.connect(&self.name).await
    }
}

impl Replica {
    async fn start(nats: &Nats, database: &Database, arguments: &[&str]) -> Result<Self> {
        let stop = CancellationToken::new();
        let running = tests::replica::serve_with(&nats.ingest(), &database.server.url(&database.name), arguments, &stop).await?;
        let client = legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let ready: hyper::Uri = format!("http://{}/readyz", running.admin).parse()?;
        let start = Instant::now();
        // Nobody is led to a replica before.
        while !client.get(ready.clone()).await?.status().is_success() {
            ensure!(start.elapsed() < PATIENCE, "ingest does not get ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { running, stop })
    }

    /// Ends it, and says when it did not end well.
    pub async fn end(self) -> Result<()> {
        self.stop.cancel();
        self.running.wait().await
    }
}

async fn start_browser() -> Result<(Chromium, Client)> {
    let chromium = Chromium::start().await?;
    let browser = tests::browser::open(&chromium, &[]).await?;
    Ok((chromium, browser))
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
