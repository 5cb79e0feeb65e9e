//! `cargo xtask demo`: the whole path on this machine, with workflows as they would run in pods.

mod check;
mod environment;
mod http;
mod ingest;
mod platform;
mod pod;
mod story;
mod viewer;

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::stage::{self, Stages};
use environment::Places;
use platform::Platform;
use pod::Pod;

/// Arguments of `cargo xtask demo`.
#[derive(clap::Args, Clone)]
pub struct Arguments {
    /// Play the two workflows, prove that every message arrived exactly once, and end
    ///
    /// Exits 0 only when every message that the steps wrote is in PostgreSQL once and was seen on an event stream.
    #[arg(long)]
    once: bool,
    /// Go on with the stream and the database of the demo before
    #[arg(long)]
    keep: bool,
    /// Port of the pages and the API; 0 for any free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    port: u16,
    /// Port of metrics and health; 0 for any free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    admin_port: u16,
    /// Port of the NATS server; 0 for any free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    nats_port: u16,
    /// Port of the PostgreSQL server; 0 for any free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    postgres_port: u16,
}

/// Runs the demo; whatever it started has ended when this returns.
pub fn run(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the asynchronous runtime")?;
    runtime.block_on(async {
        let mut stages = Stages::default();
        // An interrupt drops what is being built up, and with it every process.
        let (platform, runs) = tokio::select! {
            played = play(arguments, &mut stages) => played?,
            () = interrupted() => bail!("interrupted before the workflows had ended"),
        };
        if arguments.once {
            tell(&stages.table());
            return platform.stop().await;
        }
        live(platform, &runs).await
    })
}

/// A run that can be looked at.
struct Run {
    workflow: &'static story::Workflow,
    uid: String,
}

async fn play(arguments: &Arguments, stages: &mut Stages) -> Result<(Platform, Vec<Run>)> {
    let places = Places::prepare(arguments.keep)?;
    stages.run("programs are built", |()| None, places.build()).await?;
    let platform = Platform::start(places, arguments, stages).await?;
    let runs = runs(&story::ENDING)?;
    let pods = pods(&platform, &runs)?;
    platform.write_environment(pods.iter().flatten())?;
    tell(&addresses(&platform, runs.iter()));
    let uids: Vec<String> = runs.iter().map(|run| run.uid.clone()).collect();
    let viewer = stages.run("a viewer listens", |_| None, viewer::Viewer::start(platform.api(), &uids)).await?;
    let spoken = stages.run("steps wrote", |spoken: &check::Spoken| Some(spoken.total()), run_to_the_end(pods)).await?;
    stages.run("in PostgreSQL, each once", |count| Some(*count), check::stored(&platform, &uids, &spoken)).await?;
    stages.run("agents of two runs talked", |count| Some(*count), check::talked(&platform, &uids)).await?;
    stages.run("seen on the event stream", |count| Some(*count), check::seen(&platform, &uids, &viewer)).await?;
    Ok((platform, runs))
}

fn runs(workflows: &'static [story::Workflow]) -> Result<Vec<Run>> {
    workflows.iter().map(|workflow| Ok(Run { workflow, uid: environment::random_uid()? })).collect()
}

/// The pods of each run, in the order of its steps.
fn pods(platform: &Platform, runs: &[Run]) -> Result<Vec<Vec<Pod>>> {
    let of_run = |run: &Run| -> Result<Vec<Pod>> {
        run.workflow.steps.iter().map(|step| Pod::new(platform, run.workflow.name, &run.uid, step)).collect()
    };
    runs.iter().map(of_run).collect()
}

/// The workflows run side by side, the steps of each one after the other.
async fn run_to_the_end(workflows: Vec<Vec<Pod>>) -> Result<check::Spoken> {
    let mut running = tokio::task::JoinSet::new();
    for pods in workflows {
        running.spawn(async move {
            let mut spoken = check::Spoken::default();
            for mut pod in pods {
                spoken.add(pod.run().await?);
            }
            anyhow::Ok(spoken)
        });
    }
    let mut spoken = check::Spoken::default();
    while let Some(ended) = running.join_next().await {
        spoken.add(ended.context("a workflow's task failed")??);
    }
    Ok(spoken)
}

/// Keeps one more workflow talking until someone has seen enough.
async fn live(platform: Platform, ended: &[Run]) -> Result<()> {
    let talking = runs(&story::TALKING)?;
    let mut pods: Vec<Pod> = pods(&platform, &talking)?.into_iter().flatten().collect();
    platform.write_environment(pods.iter())?;
    for pod in &mut pods {
        pod.start().await?;
    }
    tell(&addresses(&platform, ended.iter().chain(&talking)));
    stage::note("night-watch keeps talking; Ctrl-C ends everything");
    tokio::select! {
        ended = watch(&mut pods) => ended?,
        () = interrupted() => {}
    }
    for pod in &mut pods {
        pod.stop().await?;
    }
    drop(pods);
    platform.stop().await
}

/// Where to look.
fn addresses<'a>(platform: &Platform, runs: impl Iterator<Item = &'a Run>) -> String {
    let base = platform.base();
    let mut lines = vec![format!("  all runs          {base}/agents")];
    for run in runs {
        lines.push(format!("  {:16}  {base}/agents/{}", run.workflow.name, run.uid));
    }
    lines.push(format!("  general channel   {base}/agents/general"));
    lines.push(format!("  for your clients  . {}", platform.environment_file().display()));
    lines.join("\n")
}

/// Waits for the end of any process of the pods, which is not meant to come.
async fn watch(pods: &mut [Pod]) -> Result<()> {
    loop {
        for pod in &mut *pods {
            pod.check_running()?;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

async fn interrupted() {
    let listen = |kind| signal(kind).ok();
    let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(listen);
    let [interrupt, terminate, hangup] = &mut signals;
    tokio::select! {
        () = next(interrupt) => {}
        () = next(terminate) => {}
        () = next(hangup) => {}
    }
}

async fn next(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

fn tell(text: &str) {
    // Nobody reading is no reason to fail.
    drop(writeln!(std::io::stdout().lock(), "\n{text}\n"));
}
