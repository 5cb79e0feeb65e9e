//! Everything that fails: a cluster of brokers, a database, three replicas, and the networks between some of them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{FromConsumer as _, pull};
use async_nats::jetstream::{self, stream};
use neighbours::nats::{Cluster, Credentials, Options};
use neighbours::{Postgres, Proxy};
use tests::replica::{Replica, Setting};

/// How long anything may take: far beyond what it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// When what is not acknowledged comes again; in the definition it is a minute.
pub const ACK_WAIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
const DATABASE: &str = "exact";
const MANIFEST: &str = include_str!("../../../manifests/nats/agent-comms.yaml");

/// The neighbours and the replicas of one test.
pub struct World {
    pub cluster: Cluster,
    pub postgres: Postgres,
    pub replicas: Vec<Replica>,
    /// Between one publisher and one server.
    pub publishers_network: Proxy,
    /// Between the last replica and one server.
    pub replicas_network: Proxy,
    pub admin: Credentials,
    pub publisher: Credentials,
    logs: PathBuf,
}

impl World {
    pub async fn start() -> Self {
        service::tls::install_provider();
        let (cluster, postgres) =
            tokio::try_join!(Cluster::start(3, Options::default()), Postgres::start(neighbours::postgres::Options::default()))
                .unwrap();
        let database = postgres.create_database(DATABASE).await.unwrap();
        let (admin, publisher, ingest) = (cluster.admin(), cluster.publisher("demo"), cluster.ingest());
        let logs = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("exact-{}", std::process::id()));
        std::fs::create_dir_all(&logs).unwrap();
        set_up(&admin, &logs).await;
        let publishers_network = cluster.server(1).proxy("demo").await.unwrap();
        let replicas_network = cluster.server(0).proxy_of(&ingest).await.unwrap();
        let mut replicas = Vec::new();
        for index in 0..3 {
            let far = Credentials { url: replicas_network.url(), ..ingest.clone() };
            let setting = Setting {
                name: format!("ingest-{index}"),
                program: env!("CARGO_BIN_EXE_ingest-under-test"),
                credentials: if index == 2 { far } else { ingest.clone() },
                database: database.clone(),
                arguments: Vec::new(),
                directory: logs.clone(),
            };
            replicas.push(Replica::start(setting).unwrap());
        }
        let world = Self { cluster, postgres, replicas, publishers_network, replicas_network, admin, publisher, logs };
        for replica in &world.replicas {
            until(&format!("{} serves", replica.name()), async || replica.serves().await).await;
        }
        world
    }

    pub fn apis(&self) -> Vec<SocketAddr> {
        self.replicas.iter().map(|replica| replica.api).collect()
    }

    /// A connection to the database, which is there.
    pub async fn sql(&self) -> tokio_postgres::Client {
        self.postgres.connect(DATABASE).await.unwrap()
    }

    /// Where the stream ends.
    pub async fn last_sequence(&self) -> u64 {
        stream(&self.admin).await.cached_info().state.last_sequence
    }

    /// Waits until everything up to here is stored, or told as lost.
    pub async fn until_settled(&self, last: u64) {
        let sql = self.sql().await;
        let question = "SELECT min(watermark) FROM workflow_comms.stream_epochs WHERE hold_to IS NULL";
        let mut watermark = None;
        let start = Instant::now();
        while watermark.is_none_or(|watermark| watermark < i64::try_from(last).unwrap()) {
            assert!(start.elapsed() < PATIENCE, "the watermark is {watermark:?}, the stream ends at {last}");
            tokio::time::sleep(POLL).await;
            watermark = sql.query_one(question, &[]).await.unwrap().get::<_, Option<i64>>(0);
        }
    }

    /// Ends the replicas in order. Nothing broke in any of them.
    pub async fn stop(mut self) {
        for replica in &mut self.replicas {
            replica.stop(PATIENCE).await.unwrap();
            replica.check_log().unwrap();
        }
        std::fs::remove_dir_all(&self.logs).unwrap();
    }
}

/// The stream as it is defined, but on three servers, and with times that fit into a test.
async fn set_up(admin: &Credentials, directory: &std::path::Path) {
    let manifest = directory.join("agent-comms.yaml");
    let replicated = MANIFEST.replace("replicas: 1", "replicas: 3");
    assert_ne!(replicated, MANIFEST);
    std::fs::write(&manifest, replicated).unwrap();
    tests::replica::set_up_with(admin, &["--manifest", manifest.to_str().unwrap()]).await.unwrap();
    // So that what is sent again after an answer was lost is in the stream twice, now and then.
    configure_stream(admin, |config| config.duplicate_window = Duration::from_secs(1)).await;
    configure_durable(admin, |config| config.ack_wait = ACK_WAIT).await;
}

pub async fn stream(admin: &Credentials) -> stream::Stream {
    let start = Instant::now();
    loop {
        let context = jetstream::new(admin.connect().await.unwrap());
        match context.get_stream(ingest::consume::STREAM).await {
            Ok(stream) => return stream,
            Err(error) => assert!(start.elapsed() < PATIENCE, "the stream does not answer: {error}"),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Changes the stream's settings.
pub async fn configure_stream(admin: &Credentials, change: impl FnOnce(&mut stream::Config)) {
    let context = jetstream::new(admin.connect().await.unwrap());
    let mut config = stream(admin).await.cached_info().config.clone();
    change(&mut config);
    let start = Instant::now();
    while let Err(error) = context.update_stream(config.clone()).await {
        assert!(start.elapsed() < PATIENCE, "the stream cannot be changed: {error}");
        tokio::time::sleep(POLL).await;
    }
}

/// Changes the settings of the durable that replicas share.
pub async fn configure_durable(admin: &Credentials, change: impl FnOnce(&mut async_nats::jetstream::consumer::Config)) {
    let stream = stream(admin).await;
    let durable = stream.get_consumer::<pull::Config>(ingest::consume::DURABLE).await.unwrap();
    let mut config = durable.cached_info().config.clone();
    change(&mut config);
    stream.update_consumer(pull::Config::try_from_consumer_config(config).unwrap()).await.unwrap();
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(POLL).await;
    }
}
