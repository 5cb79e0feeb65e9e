//! Where ingest is measured: its neighbours, the stream and the durable consumer as its own `setup` makes them, and its
//! shipped program.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::jetstream::consumer::{FromConsumer as _, pull};
use async_nats::jetstream::{self, stream::Stream};
use neighbours::nats::Credentials;
use neighbours::process::{Launch, Signal};
use neighbours::{Nats, Postgres, Process};
use serde_json::Value;
use tempfile::TempDir;

use super::ground::NAMESPACE;
use super::proc;
use crate::release;

/// The program that is measured.
pub const PROGRAM: &str = "agent-comms-ingest";
const STREAM: &str = "agent-comms";
const DURABLE: &str = "jangar-agent-comms";
const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(10);
const STOP_GRACE: Duration = Duration::from_secs(30);
/// Rows and what is known from them; the partitions stay.
const EMPTY: &str = "TRUNCATE workflow_comms.agent_messages, workflow_comms.runs, workflow_comms.run_steps, \
    workflow_comms.run_sources, workflow_comms.dead_letters, workflow_comms.passed";
const FORGET_LIVES: &str = "DELETE FROM workflow_comms.stream_epochs; \
    INSERT INTO workflow_comms.stream_epochs (epoch, starts_at, reason) VALUES (1, '-infinity', 'first')";

/// Neighbours and program.
pub struct Place {
    nats: Nats,
    postgres: Postgres,
    /// The URL of the database.
    pub database: String,
    /// A connection to it.
    pub sql: tokio_postgres::Client,
    jetstream: jetstream::Context,
    durable: jetstream::consumer::Config,
    /// For files of this measurement.
    pub directory: TempDir,
}

/// A running ingest.
pub struct Replica {
    process: Process,
    /// Where it serves.
    pub api: String,
}

impl Place {
    /// Starts the neighbours. Commits of the database reach the disk.
    pub async fn start() -> Result<Self> {
        let directory = TempDir::new()?;
        let nats =
            Nats::start(neighbours::nats::Options { namespaces: vec![NAMESPACE.to_owned()], ..Default::default() }).await?;
        let postgres = Postgres::start(neighbours::postgres::Options { fsync: true, ..Default::default() }).await?;
        let database = postgres.create_database("bench").await?;
        let sql = postgres.connect("bench").await?;
        let mut setup = Command::new(release::server(PROGRAM)?);
        setup.arg("setup").args(words(&nats.admin()));
        let output = setup.output().context("cannot run `setup`")?;
        ensure!(output.status.success(), "`setup` failed: {}", String::from_utf8_lossy(&output.stderr));
        let jetstream = jetstream::new(nats.admin().connect().await?);
        let durable: jetstream::consumer::PullConsumer =
            jetstream.get_consumer_from_stream(DURABLE, STREAM).await.context("there is no durable consumer")?;
        let durable = durable.cached_info().config.clone();
        Ok(Self { nats, postgres, database, sql, jetstream, durable, directory })
    }

    /// Time of the processor that the broker and the database have had.
    pub fn cpu_times(&mut self) -> [Duration; 2] {
        let database = proc::cpu_time_of_all(self.postgres.process().id());
        [proc::cpu_time_of_all(self.nats.process().id()), database]
    }

    /// What publishers connect with.
    pub fn publisher(&self) -> Credentials {
        self.nats.publisher(NAMESPACE)
    }

    /// What ingest connects with.
    pub fn consumer(&self) -> Credentials {
        self.nats.ingest()
    }

    /// Starts ingest and waits until it serves.
    pub async fn ingest(&self) -> Result<Replica> {
        let ready = self.directory.path().join("ready.json");
        drop(std::fs::remove_file(&ready));
        let mut command = Command::new(release::server(PROGRAM)?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--ready-file"]).arg(&ready);
        // Viewers of one measurement may still be leaving when those of the next come.
        command.args(["--max-streams", "20000", "--drain-seconds", "0"]);
        command.args(words(&self.consumer())).env("AGENT_COMMS_DATABASE_URL", &self.database);
        let log = self.directory.path().join("ingest.log");
        let mut process = Process::start(Launch::new(PROGRAM, command, log))?;
        let start = Instant::now();
        loop {
            process.check_running()?;
            if let Some(api) = address(&ready) {
                return Ok(Replica { process, api });
            }
            if start.elapsed() > PATIENCE {
                bail!("ingest does not serve: {}", process.log_tail());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Nothing is stored, and nothing is known of the stream.
    pub async fn empty_tables(&self) -> Result<()> {
        self.sql.batch_execute(EMPTY).await?;
        self.forget_lives().await
    }

    /// Nothing is known of the stream, not even how far it is stored.
    pub async fn forget_lives(&self) -> Result<()> {
        Ok(self.sql.batch_execute(FORGET_LIVES).await?)
    }

    /// What was written before is out of the way.
    pub async fn checkpoint(&self) -> Result<()> {
        Ok(self.sql.batch_execute("CHECKPOINT").await?)
    }

    /// The durable delivers everything again.
    pub async fn deliver_again(&self) -> Result<()> {
        let stream = self.stream().await?;
        stream.delete_consumer(DURABLE).await?;
        stream
            .create_consumer(pull::Config::try_from_consumer_config(self.durable.clone()).map_err(anyhow::Error::from_boxed)?)
            .await?;
        Ok(())
    }

    /// The sequence of the last message.
    pub async fn last_sequence(&self) -> Result<u64> {
        Ok(self.stream().await?.cached_info().state.last_sequence)
    }

    /// Waits until everything is acknowledged; gives the messages a second since the first were: after each connection ingest
    /// stores nothing for a second, until all replicas have told what they saw before.
    pub async fn acknowledged(&self, replica: &mut Replica) -> Result<f64> {
        let last = self.last_sequence().await?;
        let mut durable: jetstream::consumer::PullConsumer = self.jetstream.get_consumer_from_stream(DURABLE, STREAM).await?;
        let start = Instant::now();
        let mut first = None;
        loop {
            let info = durable.info().await?;
            let floor = info.ack_floor.stream_sequence;
            let (since, from) = match first {
                Some(first) => first,
                None if floor > 0 => *first.insert((Instant::now(), floor)),
                None => (Instant::now(), floor),
            };
            if floor >= last {
                let messages = u32::try_from(last - from)?;
                let rate = f64::from(messages) / since.elapsed().as_secs_f64();
                self.settled(last).await?;
                return Ok(rate);
            }
            replica.process.check_running()?;
            if start.elapsed() > PATIENCE {
                bail!("{floor} of {last} messages are stored: {}", replica.process.log_tail());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until it is known that everything up to a message is stored.
    async fn settled(&self, last: u64) -> Result<()> {
        let last = i64::try_from(last)?;
        let start = Instant::now();
        let read = "SELECT max(watermark) FROM workflow_comms.stream_epochs";
        // At first there is no table.
        loop {
            // At first there is no table.
            let known = self.sql.query_one(read, &[]).await.and_then(|row| row.try_get::<_, Option<i64>>(0));
            if known.is_ok_and(|known| known >= Some(last)) {
                return Ok(());
            }
            ensure!(start.elapsed() < PATIENCE, "the watermark does not reach {last}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// How many messages are stored.
    pub async fn rows(&self) -> Result<i64> {
        Ok(self.sql.query_one("SELECT count(*) FROM workflow_comms.agent_messages", &[]).await?.try_get(0)?)
    }

    async fn stream(&self) -> Result<Stream> {
        Ok(self.jetstream.get_stream(STREAM).await?)
    }
}

impl Replica {
    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as Kubernetes does.
    pub async fn stop(mut self) -> Result<()> {
        let status = self.process.stop(Signal::TERM, STOP_GRACE).await?;
        ensure!(status.success(), "ingest ended with {status}: {}", self.process.log_tail());
        Ok(())
    }
}

/// Where it serves, once the file says so.
fn address(ready: &PathBuf) -> Option<String> {
    let ready: Value = serde_json::from_str(&std::fs::read_to_string(ready).ok()?).ok()?;
    ready["api"].as_str().map(str::to_owned)
}

/// The arguments that connect to NATS.
pub fn words(credentials: &Credentials) -> Vec<String> {
    let path = |path: &PathBuf| path.display().to_string();
    [
        ("--nats-url", credentials.url.clone()),
        ("--nats-ca", path(&credentials.ca)),
        ("--nats-cert", path(&credentials.files.certificate)),
        ("--nats-key", path(&credentials.files.key)),
        ("--nats-inbox-prefix", credentials.inbox_prefix.clone()),
    ]
    .into_iter()
    .flat_map(|(flag, value)| [flag.to_owned(), value])
    .collect()
}
