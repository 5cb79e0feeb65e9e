//! A `PostgreSQL` server.

mod account;
mod binaries;
mod cluster;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::sync::Mutex;
use tokio_postgres::NoTls;

use crate::port;
use crate::process::{Process, Signal};
use cluster::Cluster;

pub use binaries::{Binaries, binaries};

const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_GRACE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
/// The server's superuser, and the owner of every database made here.
const USER: &str = "agent_comms";

/// How a server is set up; the default is what most tests want.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The port on 127.0.0.1, or any free one.
    pub port: Option<u16>,
    /// Where the data stays after the server's end; none: a temporary directory. As root it may be kept elsewhere, where
    /// the account that runs the server can reach it.
    pub directory: Option<PathBuf>,
    /// Whether commits reach the disk. Tests that kill processes, not machines, do without.
    pub fsync: bool,
    /// Which programs to use; none: those that [`binaries`] finds.
    pub binaries: Option<Binaries>,
}

/// A running `PostgreSQL` server. It ends with this value.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    cluster: Cluster,
    port: u16,
}

impl Postgres {
    /// Makes a data directory if there is none yet, starts a server on it and waits until it answers.
    pub async fn start(options: Options) -> Result<Self> {
        let port = match options.port {
            Some(port) if !port::is_free(port) => {
                bail!("port {port} of 127.0.0.1 is in use: stop what listens there, or choose another for PostgreSQL")
            }
            Some(port) => port,
            None => port::free()?,
        };
        let cluster = tokio::task::spawn_blocking(move || Cluster::open(&options)).await??;
        let process = cluster.launch(port)?;
        let mut postgres = Self { process, cluster, port };
        postgres.wait_until_ready().await?;
        Ok(postgres)
    }

    /// The server that the tests of one binary share; each makes a database of its own. It ends with its last user.
    pub async fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(postgres) = shared.upgrade() {
            return Ok(postgres);
        }
        let postgres = Arc::new(Self::start(Options::default()).await?);
        *shared = Arc::downgrade(&postgres);
        Ok(postgres)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of one of its databases, with user and password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}", self.cluster.password(), self.port)
    }

    /// The programs it runs with, `psql` among them.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        self.cluster.binaries()
    }

    /// Makes an empty database and gives its URL.
    pub async fn create_database(&self, name: &str) -> Result<String> {
        let admin = self.connect("postgres").await?;
        let quoted = name.replace('"', "\"\"");
        admin
            .batch_execute(&format!("CREATE DATABASE \"{quoted}\""))
            .await
            .with_context(|| format!("cannot create the database {name}"))?;
        Ok(self.url(name))
    }

    /// Whether a database is there.
    pub async fn has_database(&self, name: &str) -> Result<bool> {
        let admin = self.connect("postgres").await?;
        let row = admin.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await;
        Ok(row.with_context(|| format!("cannot look for the database {name}"))?.is_some())
    }

    /// A connection to one of its databases, driven by a task of its own.
    pub async fn connect(&self, database: &str) -> Result<tokio_postgres::Client> {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls)
            .await
            .with_context(|| format!("cannot connect to the database {database} on port {}", self.port))?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The process, to be paused, resumed or looked at.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends the server in order; open sessions are cut off.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.stop(Signal::INT, STOP_GRACE).await.map(drop)
    }

    /// Ends the server as `kill -9` does.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts the server again after [`Self::stop`] or [`Self::kill`], on the same port with the same data.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.process.exit()?.is_none() {
            bail!("the PostgreSQL server on port {} still runs: stop it first", self.port);
        }
        self.process = self.cluster.launch(self.port)?;
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if self.is_still_held()? {
                self.process = self.cluster.launch(self.port)?;
            }
            self.process.check_running()?;
            let Err(error) = self.connect("postgres").await else {
                return Ok(());
            };
            if start.elapsed() > START_DEADLINE {
                let tail = self.process.log_tail();
                bail!("the PostgreSQL server on port {} does not answer: {error:#}; its log:\n{tail}", self.port);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Postgres {
    /// Whether the start failed because sessions of the killed server have not noticed its death yet.
    fn is_still_held(&mut self) -> Result<bool> {
        Ok(self.process.exit()?.is_some() && self.process.log_tail().contains("pre-existing shared memory block"))
    }
}

impl Drop for Postgres {
    /// In order, and at once: an immediate shutdown gives back the shared memory that a kill would leave.
    fn drop(&mut self) {
        if self.process.exit().is_ok_and(|exit| exit.is_none()) {
            cluster::shut_down(&mut self.process);
        }
    }
}

/// Removes the data of a directory that a server was told to keep.
pub fn forget(directory: &Path) -> Result<()> {
    cluster::forget(directory)
}
