//! `agent-comms run`: opens everything in the order that holds nobody up, then reads and publishes until SIGTERM.
//!
//! The sockets come first, since a step may be waiting for them; the network comes last and is waited for by nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::Context as _;
use records::Redactor;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::SPOOL_LABEL;
use crate::args::{Problem, RunArgs};
use crate::checkpoint::{self, Checkpoint, Store};
use crate::drain::Pump;
use crate::files::Files;
use crate::files::pattern::Pattern;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::publish::Publisher;
use crate::publish::bucket::Bucket;
use crate::publish::connection::{Connecting, Hints};
use crate::publish::saving::Saving;
use crate::reader::{Context, Reader};
use crate::socket::intake::Intake;
use crate::socket::place::Place;
use crate::socket::{self, Shared};
use crate::spool::{self, Mark, Spool};

/// What an earlier process left, and what is wrong with it.
struct State {
    store: Store,
    checkpoint: Checkpoint,
    spool: Spool,
    /// Whether an earlier process may have sent something.
    resumed: bool,
    gaps: Vec<Gap>,
}

/// Something that may be missing: reason and words.
type Gap = (&'static str, String);

/// Runs until the token is cancelled.
///
/// # Errors
/// Outside a pod, when a directory, a socket or a certificate cannot be used. In a pod never.
pub async fn run(args: RunArgs, problems: Vec<Problem>, stop: CancellationToken) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, settings = ?Settings(&args), "agent-comms starts");
    let mut gaps: Vec<Gap> = problems.into_iter().map(|problem| ("bad_setting", problem.reason)).collect();
    for (_, reason) in &gaps {
        tracing::error!(reason, "a setting cannot be used, its default holds");
    }
    let mut places = Place::all(&args.place.run_dir, &args.place.containers);
    let mut state = open_state(&args)?;
    if !args.in_pod {
        // Here somebody reads the answer; in a pod a certificate may still be on its way.
        args.nats.options("agent-comms sidecar", &args.state_dir)?;
    }
    gaps.append(&mut state.gaps);

    let readable = Arc::new(Notify::new());
    let metrics = Metrics::default();
    let pod = Arc::new(args.identity.pod_identity());
    let intake = Intake::new(state.spool, &pod.pod_uid, Arc::clone(&readable));
    let shared = Arc::new(Shared { intake: intake.clone(), metrics: metrics.register() });
    let tasks = TaskTracker::new();
    for place in &mut places {
        open_socket(place.clone(), &shared, &stop, &tasks, args.in_pod)?;
    }

    let files = Files::new(patterns(&args, &places, &mut gaps), Arc::clone(&readable));
    metrics.watching.set(i64::from(files.is_watching()));
    let mut ledger = Ledger::new(state.checkpoint);
    let context = Context {
        pod: Arc::clone(&pod),
        redactor: Arc::new(redactor(&args, &mut gaps)?),
        rules: Arc::new(args.parsing.rules(args.format)),
        resumed: state.resumed,
    };
    let containers = places.iter().map(|place| place.container().to_owned()).collect();
    let mut reader = Reader::new(context, intake.clone(), files, containers, &mut ledger);
    for (reason, content) in gaps {
        metrics.gaps.inc();
        reader.tell_gap(reason, content);
    }
    let mut saving = Saving::new(state.store, intake.clone());
    // Before anything is sent: a process that comes after must know that something may have been.
    saving.save_now(&mut ledger, &metrics);
    let hints = Arc::new(Hints::default());
    let connecting = Connecting::new(args.nats.clone(), args.state_dir.clone(), Arc::clone(&hints));
    let publisher = Publisher::new(pod, metrics.clone(), Bucket::new(args.rate(), Instant::now()));
    let pump = Pump { reader, publisher, ledger, saving, intake, metrics, readable, hints, connecting };
    pump.run(&stop, tasks, args.drain_time()).await;
    for place in &places {
        // The socket of a process that is gone would only make writers wait.
        drop(std::fs::remove_file(place.socket()));
    }
    Ok(())
}

/// What replaces secrets. In a pod the default patterns stand for patterns that cannot be used together.
fn redactor(args: &RunArgs, gaps: &mut Vec<Gap>) -> anyhow::Result<Redactor> {
    match args.parsing.redactor() {
        Ok(redactor) => Ok(redactor),
        Err(error) if args.in_pod => {
            tracing::error!(error = %error, "a pattern cannot be used, the default patterns are");
            gaps.push(("bad_setting", error.to_string()));
            Ok(Redactor::default())
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes one socket and serves it. In a pod one that cannot be made now is tried again.
fn open_socket(
    place: Place,
    shared: &Arc<Shared>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
    in_pod: bool,
) -> anyhow::Result<()> {
    let bind = |place: &Place| place.prepare().and_then(|()| place.bind());
    let (shared, stop, connections) = (Arc::clone(shared), stop.clone(), tasks.clone());
    match bind(&place) {
        Ok(listener) => {
            tokio::spawn(socket::serve(place, listener, shared, stop, connections));
        }
        Err(error) if in_pod => {
            tracing::error!(error = format!("{error:#}"), "cannot make a socket, trying again");
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    if let Ok(listener) = bind(&place) {
                        return socket::serve(place, listener, shared, stop, connections).await;
                    }
                }
            });
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Opens checkpoint and spool. In a pod a directory that cannot be used is replaced by a temporary one.
fn open_state(args: &RunArgs) -> anyhow::Result<State> {
    match open_state_in(&args.state_dir, args.spool_bytes) {
        Ok(state) => Ok(state),
        Err(error) if args.in_pod => {
            let reason = format!("{error:#}");
            let elsewhere = std::env::temp_dir().join(format!("agent-comms-{}", std::process::id()));
            tracing::error!(error = reason, path = %elsewhere.display(), "the state directory cannot be used, another one is");
            let mut state = open_state_in(&elsewhere, args.spool_bytes)?;
            state.gaps.push(("state_unusable", reason));
            Ok(state)
        }
        Err(error) => Err(error),
    }
}

fn open_state_in(directory: &Path, spool_bytes: u64) -> anyhow::Result<State> {
    let unusable =
        || format!("cannot use the state directory `{}`; give a --state-dir that this user may write to", directory.display());
    std::fs::create_dir_all(directory).with_context(unusable)?;
    let now_millis = u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis())?;
    let store = Store::new(directory);
    let mut gaps = Vec::new();
    let (checkpoint, had_checkpoint) = match store.load(now_millis).with_context(unusable)? {
        checkpoint::Found::Nothing => (Checkpoint::default(), false),
        checkpoint::Found::Checkpoint(checkpoint) => (checkpoint, true),
        checkpoint::Found::Unusable(reason) => {
            tracing::error!(reason, "the checkpoint cannot be used; everything is read again and marked as possibly sent before");
            gaps.push(("checkpoint_unusable", format!("the checkpoint cannot be used: {reason}")));
            (Checkpoint::default(), true)
        }
    };
    let newest = checkpoint.generations.get(SPOOL_LABEL).copied();
    let record = checkpoint.sources.iter().find(|record| record.label == SPOOL_LABEL && Some(record.generation) == newest);
    let mark = record.map(|record| Mark { generation: record.generation, position: record.place.offset });
    let (spool, found) = Spool::open(&spool_directory(directory), spool_bytes, now_millis, mark)?;
    match &found {
        spool::Found::Unusable(reason) => {
            tracing::error!(reason, "the spool cannot be used, a new one begins");
            gaps.push(("spool_unusable", format!("the spool cannot be used: {reason}")));
        }
        spool::Found::Nothing if mark.is_some() => {
            gaps.push(("spool_missing", "the spool is gone; what it held and was not sent yet is lost".to_owned()));
        }
        spool::Found::Nothing | spool::Found::Spool => {}
    }
    let resumed = had_checkpoint || found != spool::Found::Nothing;
    Ok(State { store, checkpoint, spool, resumed, gaps })
}

fn spool_directory(directory: &Path) -> PathBuf {
    directory.join("spool")
}

/// The patterns of the settings, and everything in the log directories.
fn patterns(args: &RunArgs, places: &[Place], gaps: &mut Vec<Gap>) -> Vec<Pattern> {
    let mut patterns = args.files.clone();
    for place in places {
        let container = Some(place.container().to_owned()).filter(|name| !name.is_empty());
        match Pattern::everything_under(container, &place.logs()) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => gaps.push(("bad_setting", error.to_string())),
        }
    }
    patterns
}

/// The settings as the first line shows them: nothing secret is among them, and certificates are paths.
struct Settings<'a>(&'a RunArgs);

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let args = self.0;
        let files: Vec<String> = args.files.iter().map(ToString::to_string).collect();
        formatter
            .debug_struct("Settings")
            .field("run_dir", &args.place.run_dir)
            .field("containers", &args.place.containers)
            .field("state_dir", &args.state_dir)
            .field("files", &files)
            .field("namespace", &args.identity.namespace)
            .field("workflow_name", &args.identity.workflow_name)
            .field("pod", &args.identity.pod)
            .field("nats_url", &args.nats.nats_url)
            .field("nats_cert", &args.nats.nats_cert)
            .field("in_pod", &args.in_pod)
            .field("drain_time", &args.drain_time())
            .field("spool_bytes", &args.spool_bytes)
            .finish()
    }
}
