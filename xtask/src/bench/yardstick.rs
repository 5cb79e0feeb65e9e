//! The two programs that are compared: the sidecar, and the bare publisher.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use neighbours::Process;
use neighbours::nats::Credentials;
use neighbours::process::{Launch, Signal};
use tempfile::TempDir;

use super::commanded::Commanded;
use super::ground::NAMESPACE;
use super::program;
use crate::release;

const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_micros(200);

/// A sidecar with directories of its own.
pub struct Sidecar {
    process: Process,
    directory: TempDir,
}

impl Sidecar {
    /// Starts one and waits until it is connected.
    pub fn start(credentials: &Credentials) -> Result<Self> {
        let directory = TempDir::new()?;
        let path = |name: &str| directory.path().join(name);
        let mut command = Command::new(release::sidecar()?);
        command.arg("run").arg("--run-dir").arg(path("run")).arg("--state-dir").arg(path("state"));
        command.args(["--containers", "main", "--namespace", NAMESPACE, "--workflow-name", "build", "--workflow-uid"]);
        command.args(["8f14e45f-ceea-467f-9575-1fbd0f1a2b3c", "--step-id", "compile", "--pod", "build-compile-x7k2p"]);
        command.args(["--pod-uid", "45c48cce-2e2d-4fbd-8a1c-3f0a9b1c2d3e"]);
        command.args(["--nats-url", &credentials.url, "--nats-inbox-prefix", &credentials.inbox_prefix]);
        command.arg("--nats-ca").arg(&credentials.ca);
        command.arg("--nats-cert").arg(&credentials.files.certificate).arg("--nats-key").arg(&credentials.files.key);
        for (setting, value) in [("GRACE_SECONDS", "30"), ("RATE_MESSAGES", "0"), ("RATE_BYTES", "0")] {
            command.env(format!("AGENT_COMMS_{setting}"), value);
        }
        let process = Process::start(Launch::new("agent-comms", command, path("sidecar.log")))?;
        let mut sidecar = Self { process, directory };
        let start = Instant::now();
        while !sidecar.is_connected() {
            sidecar.process.check_running()?;
            if start.elapsed() > PATIENCE {
                bail!("the sidecar does not connect: {}", sidecar.process.log_tail());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(sidecar)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A connection to its socket.
    pub fn connect(&self) -> Result<UnixStream> {
        let path = self.directory.path().join("run/main/agent.sock");
        UnixStream::connect(&path).with_context(|| format!("cannot connect to {}", path.display()))
    }

    /// Puts a file that is complete into the step's directory of logs.
    pub fn put(&self, text: &str) -> Result<()> {
        let written = self.directory.path().join("written");
        std::fs::write(&written, text)?;
        Ok(std::fs::rename(written, self.directory.path().join("run/main/logs/step.log"))?)
    }

    /// Ends it as Kubernetes does; gives how long it took.
    pub fn end(mut self) -> Result<Duration> {
        let start = Instant::now();
        self.process.signal(Signal::TERM)?;
        loop {
            if let Some(status) = self.process.exit()? {
                let took = start.elapsed();
                if !status.success() {
                    bail!("the sidecar ended with {status}: {}", self.process.log_tail());
                }
                return Ok(took);
            }
            if start.elapsed() > PATIENCE {
                bail!("the sidecar does not end: {}", self.process.log_tail());
            }
            std::thread::sleep(POLL);
        }
    }

    fn is_connected(&self) -> bool {
        let Ok(mut stream) = self.connect() else { return false };
        if stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").is_err() {
            return false;
        }
        let lines = BufReader::new(stream).lines();
        lines.map_while(Result::ok).any(|line| line == "agentcomms_sidecar_connected 1")
    }
}

/// The bare publisher.
pub struct Bare(Commanded);

impl Bare {
    /// Starts one and waits until it is connected.
    pub fn start(credentials: &Credentials) -> Result<Self> {
        let mut command = Command::new(program("bare-publisher")?);
        command.args(["--nats-url", &credentials.url, "--nats-inbox-prefix", &credentials.inbox_prefix]);
        command.arg("--nats-ca").arg(&credentials.ca);
        command.arg("--nats-cert").arg(&credentials.files.certificate).arg("--nats-key").arg(&credentials.files.key);
        let mut bare = Commanded::start(command)?;
        bare.expect("connected")?;
        Ok(Self(bare))
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Reads messages to send.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        self.0.ask(&format!("load {}", path.display()), "loaded").map(drop)
    }

    /// Begins to send so many of them.
    pub fn begin(&mut self, count: usize) -> Result<()> {
        self.0.say(&format!("publish {count}"))
    }

    /// Waits until the stream has them.
    pub fn finish(&mut self) -> Result<()> {
        self.0.expect("published").map(drop)
    }

    /// Ends it; gives how long that took.
    pub fn end(self) -> Result<Duration> {
        self.0.end()
    }
}

/// Files of messages for the bare publisher, by what they were made of.
pub fn capture_path(directory: &TempDir, name: &str) -> PathBuf {
    directory.path().join(format!("{name}.messages"))
}
