//! A NATS server, a database and ingest, private to one test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::{FromConsumer as _, pull};
use clap::Parser as _;
use ingest::args::{Args, Command};
use ingest::serve::Running;
use neighbours::nats::{Credentials, Options};
use neighbours::{Nats, Postgres};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// How long a condition may take to hold, on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The neighbours of one test.
pub struct World {
    pub nats: Nats,
    pub database: String,
    /// The URL of the database.
    pub url: String,
    _shared: Option<Arc<Postgres>>,
    /// As the operator, who may publish anything.
    pub jetstream: jetstream::Context,
    pub sql: tokio_postgres::Client,
    directory: tempfile::TempDir,
}

/// A replica that is a process of its own.
pub struct Replica {
    pub child: tokio::process::Child,
    ready_file: PathBuf,
}

impl World {
    /// Starts the neighbours and creates stream and consumer with `setup`.
    pub async fn start() -> Self {
        let postgres = Postgres::shared().await.expect("postgresql");
        let world = Self::with_postgres(&postgres).await;
        Self { _shared: Some(postgres), ..world }
    }

    /// The same with a NATS server that is set up like this.
    pub async fn with_nats(options: Options) -> Self {
        let postgres = Postgres::shared().await.expect("postgresql");
        let world = Self::with(options, &postgres).await;
        Self { _shared: Some(postgres), ..world }
    }

    pub async fn with_postgres(postgres: &Postgres) -> Self {
        Self::with(Options::default(), postgres).await
    }

    pub async fn with(options: Options, postgres: &Postgres) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        service::tls::install_provider();
        let nats = Nats::start(options).await.expect("nats");
        let database = format!("ingest_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        postgres.create_database(&database).await.expect("a database");
        let sql = postgres.connect(&database).await.expect("a connection");
        let client = nats.admin().connect().await.expect("a client");
        let world = Self {
            jetstream: jetstream::new(client),
            directory: tempfile::tempdir().expect("a directory"),
            nats,
            url: postgres.url(&database),
            _shared: None,
            database,
            sql,
        };
        world.set_up().await;
        world
    }

    /// Makes stream and consumer.
    pub async fn set_up(&self) {
        let Command::Setup(args) = Self::args(&self.nats.admin(), &["setup"]).command else { panic!("no setup") };
        ingest::setup::run(&args).await.expect("set up");
    }

    /// Makes what is not acknowledged come again sooner than after the minute of the definition.
    pub async fn set_ack_wait(&self, ack_wait: Duration) {
        let stream = self.jetstream.get_stream("agent-comms").await.expect("the stream");
        let durable = stream.get_consumer::<pull::Config>(ingest::consume::DURABLE).await.expect("the durable");
        let config = jetstream::consumer::Config { ack_wait, ..durable.cached_info().config.clone() };
        let config = pull::Config::try_from_consumer_config(config).expect("a pull consumer");
        stream.update_consumer(config).await.expect("updated");
    }

    /// Lets the stream keep so many messages only.
    pub async fn keep_messages(&self, max_messages: i64) {
        let stream = self.jetstream.get_stream("agent-comms").await.expect("the stream");
        let config = jetstream::stream::Config { max_messages, ..stream.cached_info().config.clone() };
        self.jetstream.update_stream(config).await.expect("updated");
    }

    /// Waits until the operator's connection is there again, after the server was away.
    pub async fn reconnected(&self) {
        let start = Instant::now();
        while self.jetstream.get_stream("agent-comms").await.is_err() {
            assert!(start.elapsed() < DEADLINE, "the server does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn words(credentials: &Credentials, words: &[&str]) -> Vec<String> {
        let path = |path: &PathBuf| path.to_str().expect("text").to_owned();
        let mut all = vec!["agent-comms-ingest".to_owned()];
        all.extend(words.iter().map(ToString::to_string));
        all.extend(["--nats-url".to_owned(), credentials.url.clone(), "--nats-ca".to_owned(), path(&credentials.ca)]);
        all.extend(["--nats-cert".to_owned(), path(&credentials.files.certificate)]);
        all.extend(["--nats-key".to_owned(), path(&credentials.files.key)]);
        all.extend(["--nats-inbox-prefix".to_owned(), credentials.inbox_prefix.clone()]);
        all
    }

    pub fn args(credentials: &Credentials, words: &[&str]) -> Args {
        Args::try_parse_from(Self::words(credentials, words)).expect("arguments")
    }

    /// Connections as a replica has them.
    pub fn pool(&self) -> deadpool_postgres::Pool {
        let words = ["serve", "--database-url", &self.url];
        let Command::Serve(args) = Self::args(&self.nats.ingest(), &words).command else { panic!("no serve") };
        ingest::store::pool::open(&args.database).expect("a pool")
    }

    /// A replica in this process.
    pub async fn serve(&self) -> (Running, CancellationToken) {
        let words = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--database-url", &self.url];
        let words = [&words[..], &["--drain-seconds", "0"]].concat();
        let Command::Serve(args) = Self::args(&self.nats.ingest(), &words).command else { panic!("no serve") };
        let stop = CancellationToken::new();
        (ingest::serve::start(&args, stop.clone()).await.expect("started"), stop)
    }

    /// A replica that is a process of its own.
    pub fn replica(&self, name: &str) -> Replica {
        self.replica_at(name, "127.0.0.1:0")
    }

    /// The same, serving at this address.
    pub fn replica_at(&self, name: &str, listen: &str) -> Replica {
        let ready_file = self.directory.path().join(format!("{name}.json"));
        let ready = ready_file.to_str().expect("text");
        let words =
            ["serve", "--listen", listen, "--admin-listen", "127.0.0.1:0", "--database-url", &self.url, "--ready-file", ready];
        let child = tokio::process::Command::new(env!("CARGO_BIN_EXE_agent-comms-ingest"))
            .args(&Self::words(&self.nats.ingest(), &words)[1..])
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("started");
        Replica { child, ready_file }
    }

    pub async fn publish(&self, subject: &str, body: &str) -> u64 {
        let ack = self.jetstream.publish(subject.to_owned(), body.to_owned().into()).await.expect("published");
        ack.await.expect("acknowledged").sequence
    }

    /// Publishes so many numbered messages of one run.
    pub async fn publish_numbered(&self, range: std::ops::Range<u32>) {
        let mut acks = Vec::new();
        for number in range {
            let subject = "workflow.demo.build.u-1.agent.a.message";
            let body = format!(r#"{{"content":"number {number}","step_id":"s","agent_id":"a"}}"#);
            acks.push(self.jetstream.publish(subject, body.into()).await.expect("published"));
        }
        for ack in acks {
            ack.await.expect("acknowledged");
        }
    }

    pub async fn count(&self, sql: &str) -> i64 {
        self.sql.query_one(sql, &[]).await.map_or(-1, |row| row.get(0))
    }

    /// Waits until a count is this; fails with what it is.
    #[track_caller]
    pub fn until<'a>(&'a self, sql: &'a str, expected: i64) -> impl Future<Output = ()> + 'a {
        self.until_within(sql, expected, DEADLINE)
    }

    /// The same within another time.
    #[track_caller]
    pub fn until_within<'a>(&'a self, sql: &'a str, expected: i64, deadline: Duration) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let start = Instant::now();
            loop {
                let count = self.count(sql).await;
                if count == expected {
                    return;
                }
                assert!(start.elapsed() < deadline, "{caller}: `{sql}` is {count}, not {expected}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Waits until a table is there.
    pub async fn until_exists(&self, table: &str) {
        self.until(&format!("SELECT (to_regclass('{table}') IS NOT NULL)::int::bigint"), 1).await;
    }

    /// Waits until somebody asks the durable.
    pub async fn until_bound(&self) {
        let start = Instant::now();
        loop {
            let stream = self.jetstream.get_stream("agent-comms").await.expect("the stream");
            let durable = stream.get_consumer::<pull::Config>(ingest::consume::DURABLE).await.expect("the durable");
            if durable.cached_info().num_waiting > 0 {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "no request is open");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until no request to the durable is open.
    pub async fn until_nobody_asks(&self) {
        let start = Instant::now();
        loop {
            let stream = self.jetstream.get_stream("agent-comms").await.expect("the stream");
            let durable = stream.get_consumer::<pull::Config>(ingest::consume::DURABLE).await.expect("the durable");
            let requests = durable.cached_info().num_waiting;
            if requests == 0 {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "{requests} requests are open");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until so many messages are delivered and not acknowledged.
    pub async fn until_delivered(&self, count: usize) {
        let start = Instant::now();
        loop {
            let stream = self.jetstream.get_stream("agent-comms").await.expect("the stream");
            let durable = stream.get_consumer::<pull::Config>(ingest::consume::DURABLE).await.expect("the durable");
            let delivered = durable.cached_info().num_ack_pending;
            if delivered == count {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "{delivered} messages are delivered, not {count}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until everything is acknowledged.
    pub async fn until_acknowledged(&self) {
        let start = Instant::now();
        loop {
            let consumer: jetstream::consumer::PullConsumer = self
                .jetstream
                .get_consumer_from_stream(ingest::consume::DURABLE, ingest::consume::STREAM)
                .await
                .expect("the durable");
            let info = consumer.cached_info();
            if info.num_pending == 0 && info.num_ack_pending == 0 {
                return;
            }
            assert!(start.elapsed() < DEADLINE * 2, "{} pending, {} unacknowledged", info.num_pending, info.num_ack_pending);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Replica {
    /// Sends it a signal, as `kill` takes it.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let status = std::process::Command::new("kill").args([signal, &id]).status().expect("kill runs");
        assert!(status.success(), "cannot send {signal}");
    }

    /// Where it serves, once it does. Two replicas of one name share the file that says so: not the second of them.
    pub async fn api(&mut self) -> String {
        self.until_ready().await;
        let ready = std::fs::read_to_string(&self.ready_file).expect("the ready file");
        let ready: serde_json::Value = serde_json::from_str(&ready).expect("JSON");
        ready["api"].as_str().expect("an address").to_owned()
    }

    /// Waits until it serves.
    pub async fn until_ready(&mut self) {
        let start = Instant::now();
        while !self.ready_file.exists() {
            assert!(self.child.try_wait().expect("a status").is_none(), "the replica ended");
            assert!(start.elapsed() < DEADLINE, "the replica does not serve");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The answer to a request that is the last of its connection, head and body.
pub async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer
}
