//! A pod as a cluster would run it: one sidecar beside the containers of a step.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use neighbours::Process;
use neighbours::process::{Launch, Signal};

use super::check::{Spoken, Voice};
use super::environment::random_uid;
use super::platform::{Platform, nats_arguments};
use super::story::{Container, NAMESPACE, Step};
use crate::stage;

const STEP_DEADLINE: Duration = Duration::from_secs(120);
const STOP_GRACE: Duration = Duration::from_secs(15);

/// One pod of the demo.
pub struct Pod {
    uid: String,
    workflow: &'static str,
    step: &'static Step,
    directory: PathBuf,
    demo: PathBuf,
    logs: PathBuf,
    sidecar_program: PathBuf,
    sidecar_arguments: Vec<String>,
    sidecar: Option<Process>,
    containers: Vec<Process>,
}

impl Pod {
    /// A pod that does not run yet.
    pub fn new(platform: &Platform, workflow: &'static str, uid: &str, step: &'static Step) -> Result<Self> {
        let places = platform.places();
        let directory = places.temporary.path().join(workflow).join(step.name);
        let pod_uid = random_uid()?;
        let pod = format!("{workflow}-{}-{}", step.name, pod_uid.get(..5).unwrap_or_default());
        let pairs = [
            ("--namespace", NAMESPACE.to_owned()),
            ("--workflow-name", workflow.to_owned()),
            ("--workflow-uid", uid.to_owned()),
            ("--step-id", step.name.to_owned()),
            ("--pod", pod),
            ("--pod-uid", pod_uid),
            ("--run-dir", directory.to_string_lossy().into_owned()),
            ("--containers", names(step)),
            ("--state-dir", directory.join("state").to_string_lossy().into_owned()),
        ];
        let mut sidecar_arguments: Vec<String> = pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        sidecar_arguments.extend(nats_arguments(&platform.publisher()));
        Ok(Self {
            uid: uid.to_owned(),
            workflow,
            step,
            directory,
            demo: places.demo(),
            logs: places.logs().join(workflow).join(step.name),
            sidecar_program: places.program("agent-comms"),
            sidecar_arguments,
            sidecar: None,
            containers: Vec::new(),
        })
    }

    /// Runs the step to its end and tells how much each of its containers wrote by its own count.
    pub async fn run(&mut self) -> Result<Spoken> {
        self.start().await?;
        let mut spoken = Spoken::default();
        for (process, container) in self.containers.iter_mut().zip(self.step.containers) {
            let status = process.wait(STEP_DEADLINE).await?;
            if !status.success() {
                bail!("the step {} ended with {status}; the end of its output:\n{}", process.name(), process.log_tail());
            }
            let voice = Voice { uid: self.uid.clone(), workflow: self.workflow, step: self.step.name, container: container.name };
            spoken.say(voice, records(process)?);
        }
        self.stop().await?;
        stage::note(&format!("{}/{} ended  {}", self.workflow, self.step.name, spoken.total()));
        Ok(spoken)
    }

    /// Starts the sidecar, waits for its sockets as the kubelet would, and starts the containers.
    pub async fn start(&mut self) -> Result<()> {
        let mut command = Command::new(&self.sidecar_program);
        command.arg("run").args(&self.sidecar_arguments);
        let name = format!("agent-comms of {}/{}", self.workflow, self.step.name);
        let mut sidecar = Process::start(Launch::new(&name, command, self.logs.join("agent-comms.log")))?;
        let ready = self.wait_for_sockets().await;
        sidecar.check_running()?;
        ready?;
        self.sidecar = Some(sidecar);
        for container in self.step.containers {
            let process = self.start_container(container)?;
            self.containers.push(process);
        }
        Ok(())
    }

    /// Ends the containers that still run, then the sidecar, which sends what is left first.
    pub async fn stop(&mut self) -> Result<()> {
        for mut container in self.containers.drain(..) {
            container.stop(Signal::TERM, STOP_GRACE).await?;
        }
        if let Some(mut sidecar) = self.sidecar.take() {
            let status = sidecar.stop(Signal::TERM, STOP_GRACE).await?;
            if !status.success() {
                bail!("{} ended with {status}; the end of its log:\n{}", sidecar.name(), sidecar.log_tail());
            }
        }
        Ok(())
    }

    /// An error once one of its processes has ended.
    pub fn check_running(&mut self) -> Result<()> {
        self.sidecar.iter_mut().chain(&mut self.containers).try_for_each(Process::check_running)
    }

    /// Its sockets and log directories for people's own clients.
    pub fn variables(&self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for container in self.step.containers {
            let name = format!("{}_{}_{}", self.workflow, self.step.name, container.name).replace('-', "_").to_uppercase();
            for (kind, path) in [("SOCKET", self.socket(container)), ("LOGS", self.log_directory(container))] {
                let path = path.to_string_lossy().into_owned();
                variables.push((format!("AGENT_COMMS_{kind}_{name}"), path.clone()));
                variables.push((format!("AGENT_COMMS_{kind}"), path));
            }
        }
        variables
    }

    fn start_container(&self, container: &Container) -> Result<Process> {
        let (program, arguments) = container.command.split_first().context("a container of the demo has no command")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.demo)
            .env("AGENT_COMMS_SOCKET", self.socket(container))
            .env("AGENT_COMMS_LOGS", self.log_directory(container));
        let name = format!("{}/{}/{}", self.workflow, self.step.name, container.name);
        Process::start(Launch::new(&name, command, self.logs.join(format!("{}.log", container.name))))
    }

    async fn wait_for_sockets(&self) -> Result<()> {
        let mut command = tokio::process::Command::new(&self.sidecar_program);
        command.arg("ready").arg("--run-dir").arg(&self.directory).args(["--containers", &names(self.step)]).kill_on_drop(true);
        let status = command.status().await.context("cannot run agent-comms ready")?;
        if !status.success() {
            bail!("agent-comms ready ended with {status}");
        }
        Ok(())
    }

    fn socket(&self, container: &Container) -> PathBuf {
        self.directory.join(container.name).join("agent.sock")
    }

    fn log_directory(&self, container: &Container) -> PathBuf {
        self.directory.join(container.name).join("logs")
    }
}

fn names(step: &Step) -> String {
    step.containers.iter().map(|container| container.name).collect::<Vec<_>>().join(",")
}

/// The count that a step prints as its last line.
fn records(process: &Process) -> Result<usize> {
    let tail = process.log_tail();
    let last = tail.lines().last().unwrap_or_default();
    let count = last.strip_prefix("records ").and_then(|count| count.parse().ok());
    count.with_context(|| format!("the step {} does not end with its count of records but with {last:?}", process.name()))
}
