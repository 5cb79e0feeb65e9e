//! Everything between a step and the table, private to one test but for the database's server: a broker, ingest, a
//! database, and a pod for sidecars.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{FromConsumer as _, pull};
use async_nats::jetstream::{self, stream};
use ingest::serve::Running;
use neighbours::nats::Options;
use neighbours::{Nats, Pod, Postgres, Process, Proxy};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long anything may take: far beyond what it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

const READ: &str = "SELECT epoch, stream_seq, id, kind, coalesce(content, ''), coalesce(seq, 0), source, attrs \
    FROM workflow_comms.agent_messages WHERE workflow_uid = 'u1' ORDER BY epoch, stream_seq";
const COUNT: &str = "SELECT count(*) FROM workflow_comms.agent_messages \
    WHERE workflow_uid = 'u1' AND kind NOT IN ('source-end', 'step-end', 'gap')";

/// Everything around the sidecars of one pod.
pub struct World {
    pub nats: Nats,
    pub pod: Pod,
    pub sql: tokio_postgres::Client,
    /// Where the sidecars find the broker.
    url: String,
    database: String,
    replica: Option<(Running, CancellationToken)>,
    _postgres: Arc<Postgres>,
}

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    pub epoch: i64,
    pub sequence: i64,
    pub id: Uuid,
    pub kind: String,
    pub content: String,
    /// 0 for what no step said.
    pub seq: u64,
    pub source: Value,
    pub attrs: Value,
}

impl Row {
    /// Whether a step said it.
    pub fn is_said(&self) -> bool {
        !matches!(self.kind.as_str(), "source-end" | "step-end" | "gap")
    }

    /// Label and generation of its source.
    pub fn source(&self) -> (String, u64) {
        (self.source["label"].as_str().unwrap().to_owned(), self.source["generation"].as_u64().unwrap())
    }

    /// Where its bytes begin.
    pub fn start(&self) -> u64 {
        self.source["start"].as_u64().unwrap()
    }

    /// Where they end.
    pub fn end(&self) -> u64 {
        self.source["end"].as_u64().unwrap()
    }
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        service::tls::install_provider();
        let (nats, postgres) = tokio::try_join!(Nats::start(options), Postgres::shared()).unwrap();
        let name = format!("faults_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let database = postgres.create_database(&name).await.unwrap();
        let sql = postgres.connect(&name).await.unwrap();
        let (pod, url) = (Pod::new(env!("CARGO_BIN_EXE_sidecar-under-test")).unwrap(), nats.url());
        let mut world = Self { nats, pod, sql, url, database, replica: None, _postgres: postgres };
        world.set_up().await;
        world.start_replica().await;
        // The table is made by the replica.
        let start = Instant::now();
        while world.sql.query_one(COUNT, &[]).await.is_err() {
            assert!(start.elapsed() < PATIENCE, "there is no table");
            tokio::time::sleep(POLL).await;
        }
        world
    }

    /// Makes stream and durable consumer. What a replica held when it lost the broker comes again after a minute; here, but
    /// for full length, sooner.
    pub async fn set_up(&self) {
        tests::replica::set_up(&self.nats.admin()).await.unwrap();
        let (_, stream) = self.stream().await;
        let durable = stream.get_consumer::<pull::Config>(ingest::consume::DURABLE).await.unwrap();
        let mut config = durable.cached_info().config.clone();
        config.ack_wait = crate::length(Duration::from_secs(5), config.ack_wait);
        stream.update_consumer(pull::Config::try_from_consumer_config(config).unwrap()).await.unwrap();
    }

    /// The URL of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    pub async fn start_replica(&mut self) {
        let stop = CancellationToken::new();
        let running = tests::replica::serve(&self.nats.ingest(), &self.database, &stop).await.unwrap();
        self.replica = Some((running, stop));
    }

    pub async fn stop_replica(&mut self) {
        let (running, stop) = self.replica.take().unwrap();
        stop.cancel();
        running.wait().await.unwrap();
    }

    /// A network that fails, between the sidecars started from now on and the broker.
    pub async fn proxy(&mut self) -> Proxy {
        let proxy = self.nats.proxy("demo").await.unwrap();
        self.url = proxy.url();
        proxy
    }

    pub async fn sidecar(&mut self, arguments: &[&str]) -> Process {
        self.pod.start_sidecar(&self.url, &self.nats.publisher("demo"), arguments).await.unwrap()
    }

    pub fn metric(&self, name: &str) -> u64 {
        self.pod.metric(name).unwrap()
    }

    /// The stream, for the operator.
    pub async fn stream(&self) -> (jetstream::Context, stream::Stream) {
        let context = jetstream::new(self.nats.admin().connect().await.unwrap());
        let stream = context.get_stream("agent-comms").await.unwrap();
        (context, stream)
    }

    /// Changes the stream's settings.
    pub async fn configure(&self, change: impl FnOnce(&mut stream::Config)) {
        let (context, stream) = self.stream().await;
        let mut config = stream.cached_info().config.clone();
        change(&mut config);
        context.update_stream(config).await.unwrap();
    }

    /// The table, in the order of cursors.
    pub async fn rows(&self) -> Vec<Row> {
        let rows = self.sql.query(READ, &[]).await.unwrap();
        let row = |row: &tokio_postgres::Row| Row {
            epoch: row.get(0),
            sequence: row.get(1),
            id: row.get(2),
            kind: row.get(3),
            content: row.get(4),
            seq: row.get::<_, i64>(5).try_into().unwrap(),
            source: row.get(6),
            attrs: row.get(7),
        };
        rows.iter().map(row).collect()
    }

    /// One number that the database tells.
    pub async fn number(&self, sql: &str) -> u64 {
        self.sql.query_one(sql, &[]).await.unwrap().get::<_, i64>(0).try_into().unwrap()
    }

    /// Waits until the table has this many things that steps said.
    pub async fn until_stored(&self, count: u64) {
        let start = Instant::now();
        loop {
            let stored = self.number(COUNT).await;
            if stored >= count {
                return;
            }
            assert!(start.elapsed() < crate::length(PATIENCE, PATIENCE * 10), "{stored} of {count} messages are stored");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until ingest has nothing more to do.
    pub async fn until_quiet(&self) {
        let (_, stream) = self.stream().await;
        let start = Instant::now();
        loop {
            let mut durable = stream.get_consumer::<pull::Config>(ingest::consume::DURABLE).await.unwrap();
            let (pending, unacknowledged) = {
                let info = durable.info().await.unwrap();
                (info.num_pending, info.num_ack_pending)
            };
            if pending == 0 && unacknowledged == 0 {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{pending} are not fetched, {unacknowledged} not acknowledged");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Waits until something holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < PATIENCE, "{caller}: waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Waits until a sidecar's log says this.
#[track_caller]
pub fn logged(sidecar: &Process, expected: &str) -> impl Future<Output = ()> {
    let log = sidecar.log().to_owned();
    until(expected, move || std::fs::read_to_string(&log).unwrap().contains(expected))
}
