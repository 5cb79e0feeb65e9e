//! The ingest process, started again when it ends as a cluster would start it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use neighbours::Process;
use neighbours::nats::Credentials;
use neighbours::process::{Launch, Signal};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::environment::Places;
use super::platform::nats_arguments;
use crate::stage;

const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_GRACE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// The serving ingest.
pub struct Ingest {
    api: String,
    admin: String,
    stop: CancellationToken,
    keeper: Option<JoinHandle<Result<()>>>,
}

/// What every start of it has in common.
struct Recipe {
    program: PathBuf,
    arguments: Vec<String>,
    database_url: String,
    ready_file: PathBuf,
    log: PathBuf,
}

impl Ingest {
    /// Starts it and waits until it serves.
    pub async fn start(places: &Places, credentials: &Credentials, database_url: &str, ports: (u16, u16)) -> Result<Self> {
        let recipe = Recipe {
            program: places.program("agent-comms-ingest"),
            arguments: nats_arguments(credentials),
            database_url: database_url.to_owned(),
            ready_file: places.temporary.path().join("ingest-ready.json"),
            log: places.logs().join("ingest.log"),
        };
        let mut process = recipe.launch(&loopback(ports.0), &loopback(ports.1))?;
        let (api, admin) = wait_until_serving(&mut process, &recipe.ready_file).await?;
        let stop = CancellationToken::new();
        let keeper = keep(process, recipe, (api.clone(), admin.clone()), stop.clone());
        Ok(Self { api, admin, stop, keeper: Some(tokio::spawn(keeper)) })
    }

    /// `127.0.0.1:PORT` of pages and API.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// `127.0.0.1:PORT` of metrics and health.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Stops it in order.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        match self.keeper.take() {
            Some(keeper) => keeper.await.context("the keeper of ingest failed")?,
            None => Ok(()),
        }
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

impl Recipe {
    fn launch(&self, api: &str, admin: &str) -> Result<Process> {
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--listen", api, "--admin-listen", admin, "--ready-file"])
            .arg(&self.ready_file)
            // Nobody comes back to another server.
            .args(["--drain-seconds", "0"])
            .args(&self.arguments)
            .env("AGENT_COMMS_DATABASE_URL", &self.database_url);
        Process::start(Launch::new("agent-comms-ingest", command, &self.log))
    }
}

/// Starts it again, on the same ports, whenever it ends before it is told to.
async fn keep(mut process: Process, recipe: Recipe, bound: (String, String), stop: CancellationToken) -> Result<()> {
    while !stop.is_cancelled() {
        if let Some(status) = process.exit()? {
            stage::note(&format!("ingest ended ({status}) and is started again"));
            process = recipe.launch(&bound.0, &bound.1)?;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
    process.stop(Signal::TERM, STOP_GRACE).await.map(drop)
}

async fn wait_until_serving(process: &mut Process, ready_file: &Path) -> Result<(String, String)> {
    let start = Instant::now();
    loop {
        process.check_running()?;
        if let Ok(text) = fs::read_to_string(ready_file)
            && let Ok(addresses) = serde_json::from_str::<Value>(&text)
        {
            let address = |key: &str| {
                let address = addresses[key].as_str().map(str::to_owned);
                address.with_context(|| format!("{} names no address of {key}: {text}", ready_file.display()))
            };
            return Ok((address("api")?, address("admin")?));
        }
        if start.elapsed() > START_DEADLINE {
            bail!("ingest does not serve after {} s; the end of its log:\n{}", START_DEADLINE.as_secs(), process.log_tail());
        }
        tokio::time::sleep(POLL).await;
    }
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
