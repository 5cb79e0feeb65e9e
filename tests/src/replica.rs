//! A replica of ingest, in this process or as one of its own, between real neighbours.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser as _;
use ingest::args::{Args, Command};
use ingest::serve::Running;
use neighbours::nats::Credentials;
use neighbours::process::{Launch, Signal};
use neighbours::{Process, port};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Makes the stream and the durable consumer as `agent-comms-ingest setup` does.
pub async fn set_up(admin: &Credentials) -> Result<()> {
    set_up_with(admin, &[]).await
}

/// The same with these flags too.
pub async fn set_up_with(admin: &Credentials, more: &[&str]) -> Result<()> {
    let more: Vec<&str> = ["--log", "warn"].iter().chain(more).copied().collect();
    let Command::Setup(args) = Args::try_parse_from(words("setup", admin, &more))?.command else {
        bail!("`setup` was read as another command")
    };
    ingest::setup::run(&args).await
}

/// Starts a replica on free ports; it ends with the token.
pub async fn serve(credentials: &Credentials, database: &str, stop: &CancellationToken) -> Result<Running> {
    serve_with(credentials, database, &[], stop).await
}

/// The same with further arguments.
pub async fn serve_with(
    credentials: &Credentials,
    database: &str,
    arguments: &[&str],
    stop: &CancellationToken,
) -> Result<Running> {
    let more = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--database-url", database, "--drain-seconds", "0"];
    let more = [&more[..], arguments].concat();
    let Command::Serve(args) = Args::try_parse_from(words("serve", credentials, &more))?.command else {
        bail!("`serve` was read as another command")
    };
    ingest::serve::start(&args, stop.clone()).await
}

/// What a replica that is a process of its own is started with, each time.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its name, which its log has too.
    pub name: String,
    /// Ingest.
    pub program: &'static str,
    /// How it reaches NATS.
    pub credentials: Credentials,
    /// The URL of the database.
    pub database: String,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Where the log is.
    pub directory: PathBuf,
}

/// A replica that is a process of its own, always at the same address. It ends with this value.
#[derive(Debug)]
pub struct Replica {
    /// It, for whoever has it fail.
    pub process: Process,
    /// Where it serves.
    pub api: SocketAddr,
    admin: SocketAddr,
    setting: Setting,
}

impl Replica {
    /// Starts it at addresses that are free.
    pub fn start(setting: Setting) -> Result<Self> {
        let address = || anyhow::Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()?)));
        let (api, admin) = (address()?, address()?);
        Ok(Self { process: setting.launch(api, admin)?, api, admin, setting })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.setting.name
    }

    /// Starts it once more, after it has ended.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = self.setting.launch(self.api, self.admin)?;
        Ok(())
    }

    /// Whether it takes connections.
    pub async fn serves(&self) -> bool {
        TcpStream::connect(self.api).await.is_ok()
    }

    /// Ends it in order: it hands its streams over to others.
    pub async fn stop(&mut self, patience: Duration) -> Result<()> {
        let status = self.process.stop(Signal::TERM, patience).await?;
        ensure!(status.success(), "{} ended with {status}: {}", self.name(), self.process.log_tail());
        Ok(())
    }

    /// Checks that nothing broke in it, as far as it says.
    pub fn check_log(&self) -> Result<()> {
        let log = std::fs::read_to_string(self.process.log()).context("a replica has no log")?;
        let broken = log.lines().find(|line| line.contains("panicked") || line.contains("this is a bug"));
        ensure!(broken.is_none(), "{}: {}", self.name(), broken.unwrap_or_default());
        Ok(())
    }
}

impl Setting {
    fn launch(&self, api: SocketAddr, admin: SocketAddr) -> Result<Process> {
        let (api, admin) = (api.to_string(), admin.to_string());
        let more = ["--listen", &api, "--admin-listen", &admin, "--database-url", &self.database];
        let mut command = Program::new(self.program);
        command.args(&words("serve", &self.credentials, &more)[1..]).args(&self.arguments).env_clear();
        Process::start(Launch::new(&self.name, command, self.directory.join(format!("{}.log", self.name))))
    }
}

fn words(command: &str, credentials: &Credentials, more: &[&str]) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let flags = [
        ("--nats-url", credentials.url.clone()),
        ("--nats-ca", path(&credentials.ca)),
        ("--nats-cert", path(&credentials.files.certificate)),
        ("--nats-key", path(&credentials.files.key)),
        ("--nats-inbox-prefix", credentials.inbox_prefix.clone()),
    ];
    let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
    let first = ["agent-comms-ingest", command].into_iter().chain(more.iter().copied()).map(ToOwned::to_owned);
    first.chain(flags).collect()
}
