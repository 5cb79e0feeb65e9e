//! The pod of one step: the directories that step and sidecar share, and sidecars in it, one after the other.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::directory::Directory;
use crate::nats::Credentials;
use crate::process::{Launch, Process};

/// How long a sidecar may take to make its sockets, or to answer: far beyond what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// A pod with the containers `main` and `side`; `build-x` of the run `build` in the namespace `demo` where nothing else is said.
#[derive(Debug)]
pub struct Pod {
    /// More variables for the sidecars.
    pub environment: Vec<(&'static str, PathBuf)>,
    /// A command that runs the sidecars; none: they are run as they are.
    pub wrapper: Vec<String>,
    /// Namespace of the run.
    pub namespace: String,
    /// Uid of the run.
    pub workflow_uid: String,
    /// Uid of the pod.
    pub uid: String,
    program: PathBuf,
    /// Short, because the sockets are in it.
    directory: Directory,
    sidecars: usize,
}

impl Pod {
    /// A pod without a sidecar yet; `program` is the sidecar's.
    pub fn new(program: impl Into<PathBuf>) -> Result<Self> {
        let directory = Directory::temporary("pod")?;
        Ok(Self {
            environment: Vec::new(),
            wrapper: Vec::new(),
            namespace: "demo".to_owned(),
            workflow_uid: "u1".to_owned(),
            uid: "pod-1".to_owned(),
            program: program.into(),
            directory,
            sidecars: 0,
        })
    }

    /// A path in the pod's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The directory of the sidecars' state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// A container's socket.
    #[must_use]
    pub fn socket(&self, container: &str) -> PathBuf {
        self.path("run").join(container).join("agent.sock")
    }

    /// A log file of the container `main`.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.path("run/main/logs").join(name)
    }

    /// Starts a sidecar and waits for its sockets. It connects to `url` with these credentials; `arguments` come last. It
    /// may send as fast as it can.
    pub async fn start_sidecar(&mut self, url: &str, credentials: &Credentials, arguments: &[&str]) -> Result<Process> {
        self.sidecars += 1;
        let log = self.path(&format!("sidecar-{}.log", self.sidecars));
        let command = self.command(url, credentials, arguments);
        let mut process = Process::start(Launch::new("agent-comms", command, log))?;
        let start = Instant::now();
        while UnixStream::connect(self.socket("side")).is_err() {
            process.check_running()?;
            if start.elapsed() > PATIENCE {
                bail!("the sidecar makes no sockets; the end of its log:\n{}", process.log_tail());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(process)
    }

    /// One of a sidecar's metrics, by its name without the prefix.
    pub fn metric(&self, name: &str) -> Result<u64> {
        let (_, text) = request(&self.socket("main"), "GET /metrics HTTP/1.1\r\n", "").context("no metrics")?;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("agentcomms_sidecar_{name} ")));
        line.with_context(|| format!("no metric {name}"))?.parse().with_context(|| format!("{name} is no whole number"))
    }

    fn command(&self, url: &str, credentials: &Credentials, arguments: &[&str]) -> Command {
        let mut words = self.wrapper.iter().map(Path::new).chain([self.program.as_path()]);
        let mut command = Command::new(words.next().unwrap_or(&self.program));
        command.args(words).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("run").arg("--run-dir").arg(self.path("run")).arg("--state-dir").arg(self.state());
        command.args(["--containers", "main,side", "--namespace", &self.namespace, "--workflow-name", "build"]);
        command.args(["--workflow-uid", &self.workflow_uid, "--pod", "build-x", "--pod-uid", &self.uid, "--nats-url", url]);
        command.args(["--nats-inbox-prefix", &credentials.inbox_prefix]).arg("--nats-ca").arg(&credentials.ca);
        match &credentials.token_file {
            Some(path) => command.arg("--nats-token-file").arg(path),
            None => command.arg("--nats-cert").arg(&credentials.files.certificate).arg("--nats-key").arg(&credentials.files.key),
        };
        for (setting, value) in [("GRACE_SECONDS", "20"), ("RATE_MESSAGES", "0"), ("RATE_BYTES", "0")] {
            command.env(format!("AGENT_COMMS_{setting}"), value);
        }
        command.args(arguments);
        command
    }
}

/// One HTTP request as curl makes it, over a connection of its own; gives status and body.
pub fn request(socket: &Path, head: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "{head}host: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let broken = || io::Error::other(format!("no answer: {answer:?}"));
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    Ok((status, body.to_owned()))
}
