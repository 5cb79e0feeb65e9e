//! A NATS server with `JetStream`, TLS and the users of agent-comms.

mod binary;
mod cluster;
mod config;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

use crate::certificates::{Authority, IdentityFiles};
use crate::directory::Directory;
use crate::port;
use crate::process::{Launch, Process, Signal};
use crate::proxy::Proxy;
use config::Member;

pub use binary::program;
pub use cluster::Cluster;

const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_GRACE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// How a NATS server is set up; the default is what most tests want.
#[derive(Clone, Debug)]
pub struct Options {
    /// Each namespace gets a user `NAMESPACE.publisher`.
    pub namespaces: Vec<String>,
    /// The port on 127.0.0.1, or any free one.
    pub port: Option<u16>,
    /// Where configuration, certificates and store stay after the server's end; none: a temporary directory.
    pub directory: Option<PathBuf>,
    /// The server's `max_payload` in bytes, or its own default of 1 MiB.
    pub max_payload: Option<u32>,
    /// What lets everybody in, to do everything, in place of certificates and users.
    pub token: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { namespaces: vec!["demo".to_owned()], port: None, directory: None, max_payload: None, token: None }
    }
}

/// What a client needs to connect as one user.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `tls://127.0.0.1:PORT`; of a cluster one for each server, with commas between them.
    pub url: String,
    /// The authority's certificate, a PEM file.
    pub ca: PathBuf,
    /// The client's certificate and key, PEM files.
    pub files: IdentityFiles,
    /// A file with a token, which then stands for certificate and key.
    pub token_file: Option<PathBuf>,
    /// The only inbox prefix on which this user may listen.
    pub inbox_prefix: String,
}

/// A running NATS server. It ends with this value.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    program: PathBuf,
    port: u16,
    directory: Directory,
    options: Options,
    member: Option<Member>,
}

impl Nats {
    /// Starts a server and waits until it takes clients.
    pub async fn start(options: Options) -> Result<Self> {
        Self::start_as(options, None).await
    }

    async fn start_as(options: Options, member: Option<Member>) -> Result<Self> {
        let program = tokio::task::spawn_blocking(program).await??;
        let directory = Directory::open(options.directory.as_deref(), "nats")?;
        write_certificates(directory.path(), &options.namespaces)?;
        let port = match options.port {
            Some(port) if !port::is_free(port) => {
                bail!("port {port} of 127.0.0.1 is in use: stop what listens there, or choose another port for NATS")
            }
            Some(port) => port,
            None => port::free()?,
        };
        config::write(directory.path(), port, &options, member.as_ref())?;
        let process = launch(&program, directory.path())?;
        let mut nats = Self { process, program, port, directory, options, member };
        nats.wait_until_ready().await?;
        Ok(nats)
    }

    /// `tls://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("tls://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority's certificate, a PEM file.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// Certificate and key of the authority, to make further users with.
    #[must_use]
    pub fn authority(&self) -> IdentityFiles {
        IdentityFiles::named(self.directory.path(), "ca")
    }

    /// What the server's settings say of the sidecars of a namespace.
    #[must_use]
    pub fn permissions(&self, namespace: &str) -> serde_json::Value {
        config::publisher_permissions(namespace)
    }

    /// What the user `admin` connects with, who may do everything.
    #[must_use]
    pub fn admin(&self) -> Credentials {
        self.credentials("admin", "_INBOX_admin")
    }

    /// What ingest connects with.
    #[must_use]
    pub fn ingest(&self) -> Credentials {
        self.credentials("ingest", "_INBOX_ingest")
    }

    /// What the sidecars of a namespace connect with; it must be one of the options' namespaces.
    #[must_use]
    pub fn publisher(&self, namespace: &str) -> Credentials {
        self.credentials(&config::publisher(namespace), &format!("_INBOX_{namespace}"))
    }

    /// A network that fails, between the sidecars of a namespace and this server.
    pub async fn proxy(&self, namespace: &str) -> Result<Proxy> {
        self.proxy_of(&self.publisher(namespace)).await
    }

    /// A network that fails, between whoever has these credentials and this server.
    pub async fn proxy_of(&self, credentials: &Credentials) -> Result<Proxy> {
        let server = IdentityFiles::named(self.directory.path(), "server");
        Proxy::start(self.port, &server, credentials).await
    }

    /// The process, to be paused, resumed or looked at.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends the server in order.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.stop(Signal::TERM, STOP_GRACE).await.map(drop)
    }

    /// Ends the server as `kill -9` does.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts the server again after [`Self::stop`] or [`Self::kill`], on the same port with the same store.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.process.exit()?.is_none() {
            bail!("the NATS server on port {} still runs: stop it first", self.port);
        }
        self.process = launch(&self.program, self.directory.path())?;
        self.wait_until_ready().await
    }

    /// Writes another token into the server's settings, for [`Self::start_again`] or [`Self::reload`].
    pub fn set_token(&mut self, token: &str) -> Result<()> {
        self.options.token = Some(token.to_owned());
        config::write(self.directory.path(), self.port, &self.options, self.member.as_ref())
    }

    /// Lets the running server read its settings again, and waits until their token lets in. It shows out whoever came with
    /// another.
    pub async fn reload(&self) -> Result<()> {
        self.process.signal(Signal::HUP)?;
        let start = Instant::now();
        while let Err(error) = self.admin().connect().await {
            if start.elapsed() > START_DEADLINE {
                bail!("the NATS server on port {} does not take its new token: {error:#}", self.port);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn credentials(&self, user: &str, inbox_prefix: &str) -> Credentials {
        Credentials {
            url: self.url(),
            ca: self.ca(),
            files: IdentityFiles::named(self.directory.path(), user),
            token_file: self.options.token.is_some().then(|| self.directory.path().join(config::TOKEN)),
            inbox_prefix: inbox_prefix.to_owned(),
        }
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            self.process.check_running()?;
            let Err(error) = greeting(self.port).await else {
                return Ok(());
            };
            if start.elapsed() > START_DEADLINE {
                let tail = self.process.log_tail();
                bail!("the NATS server on port {} takes no clients: {error:#}; the end of its log:\n{tail}", self.port);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Credentials {
    /// Options for [`async_nats`] that connect as this user.
    #[must_use]
    pub fn connect_options(&self) -> async_nats::ConnectOptions {
        let options = async_nats::ConnectOptions::new()
            .require_tls(true)
            .add_root_certificates(self.ca.clone())
            .custom_inbox_prefix(&self.inbox_prefix);
        match &self.token_file {
            // One that cannot be read lets nobody in.
            Some(path) => options.token(std::fs::read_to_string(path).unwrap_or_default()),
            None => options.add_client_certificate(self.files.certificate.clone(), self.files.key.clone()),
        }
    }

    /// A client that is connected as this user.
    pub async fn connect(&self) -> Result<async_nats::Client> {
        let urls: Vec<&str> = self.url.split(',').collect();
        self.connect_options()
            .connect(&urls[..])
            .await
            .with_context(|| format!("cannot connect to {} with {}", self.url, self.files.certificate.display()))
    }
}

/// The server greets with its information, before TLS begins, once `JetStream` has recovered its store.
async fn greeting(port: u16) -> Result<()> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let mut line = String::new();
    tokio::time::timeout(START_DEADLINE, BufReader::new(stream).read_line(&mut line)).await??;
    if !line.starts_with("INFO ") || !line.contains("\"jetstream\":true") {
        bail!("what listens there greets with {line:?}");
    }
    Ok(())
}

fn launch(program: &Path, directory: &Path) -> Result<Process> {
    let mut command = Command::new(program);
    command.arg("--config").arg(directory.join("nats.conf"));
    Process::start(Launch::new("nats-server", command, directory.join("nats.log")))
}

/// A kept directory keeps its certificates, so that clients which were given them go on.
fn write_certificates(directory: &Path, namespaces: &[String]) -> Result<()> {
    let users: Vec<String> = config::users(namespaces);
    let complete = users.iter().all(|user| IdentityFiles::named(directory, user).key.exists());
    if complete && IdentityFiles::named(directory, "ca").key.exists() {
        return Ok(());
    }
    let authority = Authority::new()?;
    authority.server(&[])?.write(directory, "server")?;
    for user in users {
        authority.client(&user)?.write(directory, &user)?;
    }
    authority.identity().write(directory, "ca")?;
    Ok(())
}
