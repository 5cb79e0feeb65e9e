//! `agent-comms run`: opens everything in the order that holds nobody up, then reads and publishes until SIGTERM.
//!
//! The sockets come first, since a step may be waiting for them; the network comes last and is waited for by nobody.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use records::Redactor;
use records::redact::Redactions;
use service::admin::Readiness;
use service::signals::Stop;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::{Problem, Reading, RunArgs};
use crate::channel::Channel;
use crate::drain::Pump;
use crate::files::pattern::Pattern;
use crate::files::{self, Files};
use crate::ledger::Ledger;
use crate::metrics::{Exposition, Metrics, Oldest, gauge};
use crate::publish::Publisher;
use crate::publish::bucket::Bucket;
use crate::publish::connection::{Connecting, Hints};
use crate::publish::saving::Saving;
use crate::reader::{Context, DELETED_IDLE, Reader};
use crate::socket::intake::Intake;
use crate::socket::place::Place;
use crate::socket::room::Room;
use crate::socket::{self, Shared};
use crate::state::{self, Gap};
use crate::steps::Steps;

/// Runs until it is told to stop, and once more to stop at once.
///
/// # Errors
/// Outside a pod, when a directory, a socket, a certificate or a token cannot be used. In a pod never.
pub async fn run(args: RunArgs, problems: Vec<Problem>, signals: Stop) -> anyhow::Result<()> {
    let stop = signals.stop.clone();
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, settings = ?Settings(&args), "agent-comms starts");
    let mut gaps: Vec<Gap> = problems.into_iter().map(|problem| ("bad_setting", without_secrets(problem.reason))).collect();
    for (_, reason) in &gaps {
        tracing::error!(reason, "a setting cannot be used, its default holds");
    }
    let places = Place::all(&args.place.run_dir, &args.place.containers);
    let mut listeners = Vec::with_capacity(places.len());
    for place in &places {
        listeners.push(socket::open(place, args.in_pod)?);
    }
    // Whoever writes before there is a place for it waits in the kernel's queue.
    let Some(mut state) = state::open(&args, &stop).await? else { return Ok(()) };
    if !args.in_pod {
        // Here somebody reads the answer; in a pod a certificate or a token may still be on its way.
        args.nats.options("agent-comms sidecar", &args.state_dir)?;
    }
    gaps.append(&mut state.gaps);

    let readable = Arc::new(Notify::new());
    let metrics = Metrics::default();
    let pod = Arc::new(args.identity.pod_identity());
    let intake = Intake::new(state.spool, &pod.pod_uid, Arc::clone(&readable));
    let exposition = metrics.register();
    if let Some(port) = args.metrics_port {
        serve_metrics(port, &exposition, &stop, args.in_pod, &mut gaps).await?;
    }
    let channel = channel(&args, &metrics);
    let shared = Arc::new(Shared { intake: intake.clone(), metrics: exposition, room: Room::default(), channel });
    let tasks = TaskTracker::new();
    for (place, listener) in places.iter().zip(listeners) {
        tokio::spawn(socket::serve(place.clone(), listener, Arc::clone(&shared), stop.clone(), tasks.clone()));
    }

    let files = Files::new(patterns(&args, &places, &mut gaps), files::limit::raise(), Some(Arc::clone(&readable)));
    metrics.spool_limit.set(gauge(args.spool_bytes));
    let mut ledger = Ledger::new(state.checkpoint);
    ledger.set_pod(&pod.pod_uid);
    let context = Context {
        pod: Arc::clone(&pod),
        redactor: Arc::new(redactor(&args, &mut gaps)?),
        rules: Arc::new(args.parsing.rules(args.format)),
        resumed: state.resumed,
        deleted_idle: DELETED_IDLE,
        repeats: metrics.possible_repeats.clone(),
    };
    let mut reader = Reader::new(context, intake.clone(), files, steps(&args, &places), &mut ledger);
    for (reason, content) in gaps {
        reader.tell_gap(reason, content);
    }
    let mut saving = Saving::new(state.store, intake.clone());
    // Before anything is sent: a process that comes after must know that something may have been.
    saving.save_now(&mut ledger, &metrics);
    let hints = Arc::new(Hints::default());
    let connecting = Connecting::new(args.nats.clone(), args.state_dir.clone(), Arc::clone(&hints));
    let publisher = Publisher::new(pod, metrics.clone(), Bucket::new(args.rate(), Instant::now()));
    let pump =
        Pump { reader, publisher, ledger, saving, intake, metrics, readable, hints, connecting, oldest: Oldest::default() };
    pump.run(&signals, tasks, args.drain_time()).await;
    Ok(())
}

/// The regular containers, whose end is the step's: init containers have ended long before.
fn steps(args: &RunArgs, places: &[Place]) -> Steps {
    let names = places.iter().map(|place| place.container().to_owned());
    let regular = names.filter(|name| name.is_empty() || !args.init_containers.contains(name));
    Steps::new(regular, &args.files, args.restarts)
}

/// The channel of all runs, which steps may read unless that is turned off.
fn channel(args: &RunArgs, metrics: &Metrics) -> Channel {
    match args.read {
        // Authorities that were given as text are written anew at each connect: not where a publisher reads them.
        Reading::On => Channel::new(args.nats.clone(), args.state_dir.join("reading"), metrics.clone()),
        Reading::Off => Channel::off(metrics.clone()),
    }
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

/// Opens the metrics' port, which was asked for. In a pod one that is taken is told, and done without.
async fn serve_metrics(
    port: u16,
    exposition: &Exposition,
    stop: &CancellationToken,
    in_pod: bool,
    gaps: &mut Vec<Gap>,
) -> anyhow::Result<()> {
    let bound = match service::admin::bind("metrics", (Ipv6Addr::UNSPECIFIED, port).into()).await {
        Ok(listener) => Ok(listener),
        // A node may know no IPv6.
        Err(_) => service::admin::bind("metrics", (Ipv4Addr::UNSPECIFIED, port).into()).await,
    };
    match bound {
        Ok(listener) => {
            let registry = exposition.registry();
            tokio::spawn(service::admin::serve(listener, Readiness::default(), registry, stop.clone()));
        }
        Err(error) if in_pod => {
            let reason = format!("{error:#}");
            tracing::error!(error = reason, "the port of the metrics cannot be opened");
            gaps.push(("bad_setting", reason));
        }
        Err(error) => return Err(error),
    }
    Ok(())
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

/// A text of our own that may repeat a setting, as it may be logged and sent.
fn without_secrets(text: String) -> String {
    Redactor::default().text(&text, &mut Redactions::new()).unwrap_or(text)
}

/// The settings as the first line shows them: nothing secret is among them; certificates and a token are paths.
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
            .field("init_containers", &args.init_containers)
            .field("files", &files)
            .field("namespace", &args.identity.namespace)
            .field("workflow_name", &args.identity.workflow_name)
            .field("pod", &args.identity.pod)
            .field("nats_url", &args.nats.told_url())
            .field("nats_cert", &args.nats.nats_cert)
            .field("nats_token_file", &args.nats.nats_token_file)
            .field("in_pod", &args.in_pod)
            .field("drain_time", &args.drain_time())
            .field("spool_bytes", &args.spool_bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests;
