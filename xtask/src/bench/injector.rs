//! `cargo xtask bench injector`: the handler alone, and whole requests over TLS beside a server that answers without looking.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use neighbours::certificates::{Authority, IdentityFiles};
use neighbours::port;
use neighbours::process::{Launch, Process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::proc;
use super::report::{Bar, Row, percentile};
use super::{built, program};
use crate::release::repository;
use crate::{cargo, stage};

/// Requests of one measurement of latency, one after the other.
const REQUESTS: usize = 2_000;
/// Connections of one measurement of throughput, as an API server keeps a few, and how long it takes.
const CONNECTIONS: usize = 4;
const TIME: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that is measured.
struct Server {
    process: Process,
    port: u16,
    connector: TlsConnector,
}

/// What both servers need.
struct Ground {
    directory: TempDir,
    identity: IdentityFiles,
    connector: TlsConnector,
}

/// Builds and measures.
pub async fn run(rounds: u32, build: bool) -> Result<Vec<Row>> {
    if build {
        stage::run("release build", || built(&["--package", "injector", "--package", "bare", "--bins"]))?;
    }
    let ground = Ground::new()?;
    let body = Bytes::from(std::fs::read(fixture("native-agent-run")?)?);
    let mut rows = vec![
        Row::new("handler-p50-5k", "ms", Bar::None),
        Row::new("handler-p99-5k", "ms", Bar::Below(0.5)),
        Row::new("handler-p99-50k", "ms", Bar::None),
        Row::new("handler-p99-500k", "ms", Bar::Below(5.0)),
        Row::new("request-p50-5k", "ms", Bar::None),
        Row::new("request-p99-5k", "ms", Bar::None),
        Row::new("reviews-per-core", "1/s", Bar::AtLeast(2_000.0)),
        Row::new("rss", "MiB", Bar::Below(30.0)),
    ];
    for round in 0..rounds {
        stage::note(&format!("round {} of {rounds}", round + 1));
        let sizes = handler()?;
        let micros = |size: usize, key: &str| sizes[size][key].as_f64().map(|micros| micros / 1_000.0);
        let handled = [micros(0, "p50_us"), micros(0, "p99_us"), micros(1, "p99_us"), micros(2, "p99_us")];
        for (row, value) in rows.iter_mut().zip(handled) {
            row.value(value.context("the handler's benchmark printed something else")?);
        }
        let injector_begins = round % 2 == 0;
        for turn in [injector_begins, !injector_begins] {
            let server = if turn { ground.injector(&body).await? } else { ground.bare(&body).await? };
            for (row, figure) in rows[4..].iter_mut().zip(server.measure(&body).await?) {
                if turn { row.value(figure) } else { row.bare(figure) }
            }
        }
    }
    Ok(rows)
}

/// Runs the handler's own benchmark: for each size, what it printed.
fn handler() -> Result<Value> {
    let arguments = ["bench", "--quiet", "--package", "injector", "--bench", "handler"];
    let output = cargo::command(&arguments).current_dir(repository()?).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("`cargo {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("the handler's benchmark printed no JSON")
}

fn fixture(name: &str) -> Result<PathBuf> {
    Ok(repository()?.join("injector/tests/fixtures").join(format!("{name}.json")))
}

impl Ground {
    fn new() -> Result<Self> {
        let directory = TempDir::new()?;
        let authority = Authority::new()?;
        let identity = authority.server(&[])?.write(directory.path(), "server")?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes())?)?;
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { directory, identity, connector: TlsConnector::from(Arc::new(config)) })
    }

    async fn injector(&self, body: &Bytes) -> Result<Server> {
        let mut command = Command::new(program("agent-comms-injector")?);
        command.args(["serve", "--admin-listen", "127.0.0.1:0"]);
        let server = self.start(command, "injector").await?;
        // What it answers is what the other one will answer.
        let answer = server.connect().await?.send(body).await?;
        ensure!(String::from_utf8_lossy(&answer).contains("JSONPatch"), "the injector answered without a patch");
        std::fs::write(self.answer(), answer)?;
        Ok(server)
    }

    async fn bare(&self, body: &Bytes) -> Result<Server> {
        if !self.answer().exists() {
            drop(self.injector(body).await?);
        }
        let mut command = Command::new(program("bare-webhook")?);
        command.arg("--answer").arg(self.answer());
        self.start(command, "bare").await
    }

    fn answer(&self) -> PathBuf {
        self.directory.path().join("answer.json")
    }

    async fn start(&self, mut command: Command, name: &str) -> Result<Server> {
        let port = port::free()?;
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        command.arg("--tls-cert").arg(&self.identity.certificate).arg("--tls-key").arg(&self.identity.key);
        let log: &Path = &self.directory.path().join(format!("{name}.log"));
        let process = Process::start(Launch::new(name, command, log))?;
        let mut server = Server { process, port, connector: self.connector.clone() };
        let start = Instant::now();
        while server.connect().await.is_err() {
            server.process.check_running()?;
            ensure!(start.elapsed() < PATIENCE, "{name} takes no connection: {}", server.process.log_tail());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(server)
    }
}

impl Server {
    async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let stream = self.connector.connect(ServerName::try_from("localhost")?, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection { sender })
    }

    /// Median and 99th percentile of a request, ms; requests for a second of the processor; memory at the end, MiB.
    async fn measure(&self, body: &Bytes) -> Result<[f64; 4]> {
        let mut connection = self.connect().await?;
        let mut times = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            let start = Instant::now();
            connection.send(body).await?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let before = proc::cpu_time(self.process.id())?;
        let mut tasks = tokio::task::JoinSet::new();
        let end = Instant::now() + TIME;
        for _ in 0..CONNECTIONS {
            let (mut connection, body) = (self.connect().await?, body.clone());
            tasks.spawn(async move {
                let mut count = 0_u32;
                while Instant::now() < end {
                    connection.send(&body).await?;
                    count += 1;
                }
                anyhow::Ok(count)
            });
        }
        let mut count = 0;
        while let Some(one) = tasks.join_next().await {
            count += one??;
        }
        let time = proc::cpu_time(self.process.id())?.saturating_sub(before);
        let memory = proc::memory(self.process.id())?;
        Ok([percentile(&times, 50), percentile(&times, 99), f64::from(count) / time.as_secs_f64(), memory.now])
    }
}

/// A connection that is kept.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    async fn send(&mut self, body: &Bytes) -> Result<Bytes> {
        let request = Request::post("/mutate?timeout=3s")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(body.clone()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        ensure!(response.status().is_success(), "the answer was {}", response.status());
        Ok(response.into_body().collect().await?.to_bytes())
    }
}
