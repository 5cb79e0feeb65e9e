//! `cargo xtask bench injector`: the handler alone, and whole requests over TLS beside a server that answers without looking. Both are
//! the static programs of the image.

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
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::proc;
use super::report::{Bar, Row, percentile};
use super::{built, program};
use crate::release::{self, repository};
use crate::stage;

/// What is measured: a pod of a Job, 3 KB, and one of an Argo workflow, 11 KB, as a real API server sent them, each with variables until it
/// has the size; and how many requests one measurement of latency takes, one after the other.
const SIZES: [(&str, &str, usize, usize); 3] =
    [("5k", "native-job", 5_000, 2_000), ("50k", "argo-container", 50_000, 1_000), ("500k", "argo-container", 500_000, 400)];
/// The program that is measured.
const PROGRAM: &str = "agent-comms-injector";
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
    bodies: Vec<Bytes>,
    injector: PathBuf,
}

/// Builds and measures.
pub async fn run(rounds: u32, build: bool) -> Result<Vec<Row>> {
    if build {
        stage::run("release build", || {
            release::build_server("injector", PROGRAM)?;
            built(&["--package", "bare", "--bins"])
        })?;
    }
    let ground = Ground::new()?;
    let mut handler = Vec::new();
    let mut request = Vec::new();
    for (size, ..) in SIZES {
        let bar = match size {
            "5k" => Bar::Below(0.5),
            "500k" => Bar::Below(5.0),
            _ => Bar::None,
        };
        handler.extend([
            Row::new(&format!("handler-p50-{size}"), "ms", Bar::None),
            Row::new(&format!("handler-p99-{size}"), "ms", bar),
        ]);
        request.extend(["p50", "p99"].map(|part| Row::new(&format!("request-{part}-{size}"), "ms", Bar::None)));
    }
    let mut whole = [Row::new("reviews-per-core", "1/s", Bar::AtLeast(2_000.0)), Row::new("rss", "MiB", Bar::Below(30.0))];
    for round in 0..rounds {
        stage::note(&format!("round {} of {rounds}", round + 1));
        for (row, value) in handler.iter_mut().zip(ground.handler()?) {
            row.value(value);
        }
        let injector_begins = round % 2 == 0;
        for turn in [injector_begins, !injector_begins] {
            let server = if turn { ground.injector().await? } else { ground.bare().await? };
            let figures = server.measure(&ground.bodies).await?;
            for (row, figure) in request.iter_mut().chain(&mut whole).zip(figures) {
                if turn { row.value(figure) } else { row.bare(figure) }
            }
        }
    }
    Ok(handler.into_iter().chain(request).chain(whole).collect())
}

/// The review, with variables in its first container until it has the size.
fn body(fixture: &str, size: usize) -> Result<Bytes> {
    let file = repository()?.join("injector/tests/fixtures").join(format!("{fixture}.json"));
    let mut review: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let missing = size.saturating_sub(review.to_string().len());
    let variable = |number: usize| json!({ "name": format!("VARIABLE_{number:05}"), "value": "a value of the usual length" });
    let count = missing / (variable(0).to_string().len() + 1);
    let variables = &mut review["request"]["object"]["spec"]["containers"][0]["env"];
    if !variables.is_array() {
        *variables = json!([]);
    }
    variables.as_array_mut().into_iter().for_each(|list| list.extend((0..count).map(variable)));
    Ok(Bytes::from(review.to_string()))
}

impl Ground {
    fn new() -> Result<Self> {
        let directory = TempDir::new()?;
        let authority = Authority::new()?;
        let identity = authority.server(&[])?.write(directory.path(), "server")?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes())?)?;
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let bodies = SIZES.iter().map(|(_, fixture, size, _)| body(fixture, *size)).collect::<Result<Vec<_>>>()?;
        for (body, (size, ..)) in bodies.iter().zip(SIZES) {
            std::fs::write(directory.path().join(format!("{size}.json")), body)?;
        }
        Ok(Self { directory, identity, connector, bodies, injector: release::server(PROGRAM)? })
    }

    /// Median and 99th percentile of the handler alone for each size, ms.
    fn handler(&self) -> Result<Vec<f64>> {
        let mut command = release::static_command("bench", &["--package", "injector", "--bench", "handler", "--"])?;
        command.args(SIZES.map(|(size, ..)| self.directory.path().join(format!("{size}.json"))));
        let output = command.output().context("cannot run cargo")?;
        if !output.status.success() {
            bail!("the handler's benchmark failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let told: Value = serde_json::from_slice(&output.stdout).context("the handler's benchmark printed no JSON")?;
        let sizes = told.as_array().into_iter().flatten();
        let figures: Vec<f64> = sizes
            .flat_map(|size| ["p50_us", "p99_us"].map(|key| size[key].as_f64()))
            .flatten()
            .map(|micros| micros / 1e3)
            .collect();
        ensure!(figures.len() == 2 * SIZES.len(), "the handler's benchmark printed something else");
        Ok(figures)
    }

    async fn injector(&self) -> Result<Server> {
        let mut command = Command::new(&self.injector);
        command.args(["serve", "--admin-listen", "127.0.0.1:0"]);
        let server = self.start(command, "injector").await?;
        // What it answers is what the other one will answer.
        let answer = server.connect().await?.send(&self.bodies[0]).await?;
        ensure!(String::from_utf8_lossy(&answer).contains("JSONPatch"), "the injector answered without a patch");
        std::fs::write(self.answer(), answer)?;
        Ok(server)
    }

    async fn bare(&self) -> Result<Server> {
        if !self.answer().exists() {
            drop(self.injector().await?);
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

    /// Median and 99th percentile of a request of each size, ms; small ones for a second of the processor; memory at the end, MiB.
    async fn measure(&self, bodies: &[Bytes]) -> Result<Vec<f64>> {
        let mut figures = Vec::new();
        for (body, (.., requests)) in bodies.iter().zip(SIZES) {
            let mut connection = self.connect().await?;
            let mut times = Vec::with_capacity(requests);
            for _ in 0..requests {
                let start = Instant::now();
                connection.send(body).await?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
            figures.extend([percentile(&times, 50), percentile(&times, 99)]);
        }
        let before = proc::cpu_time(self.process.id())?;
        let mut tasks = tokio::task::JoinSet::new();
        let end = Instant::now() + TIME;
        for _ in 0..CONNECTIONS {
            let (mut connection, body) = (self.connect().await?, bodies[0].clone());
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
        figures.extend([f64::from(count) / time.as_secs_f64(), memory.now]);
        Ok(figures)
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
