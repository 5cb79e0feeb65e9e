//! `backfill`: log and event files into the stream, as the sidecar would have said them: same ids, same numbers, same ranges of
//! bytes. What of a file is there already, in the table or in the stream, is found first, and only what is missing is
//! published, merged by time over several files.
//!
//! It publishes with credentials of a publisher; ingest itself may not.

mod held;
mod merge;
mod publish;
mod source;
mod there;

use std::collections::HashSet;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::{ConnectOptions, jetstream};
use records::SourceIdentity;
use serde_json::{Value, json};
use service::nats::NatsArgs;
use tokio::time::Instant;

use crate::args::backfill::BackfillArgs;
use crate::args::client::Format;
use crate::terminal::output::{Output, notice};
use crate::terminal::visible;
use merge::Merge;
use publish::{Complaints, Published, Publisher};
use source::{Counts, Reading, SourceFile};

/// How long the server may take to be reached, and an answer of the stream.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a person is told how far it is.
const TELL: Duration = Duration::from_millis(500);

/// What became of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was found in each file, in their order.
    pub files: Vec<Counts>,
    /// What the stream was given.
    pub published: Published,
}

/// Publishes what is missing, and tells it.
///
/// # Errors
/// When a setting cannot be used, a file cannot be read, stream or table do not answer, or some bytes are there otherwise.
pub async fn run(args: &BackfillArgs) -> anyhow::Result<()> {
    service::logs::start(&args.logs);
    let stop = service::signals::stop_token()?;
    let output = Output::standard();
    let done = tokio::select! {
        done = backfill(args) => done,
        () = stop.cancelled() => Err(anyhow::anyhow!("stopped; run it again: it goes on where it ended")),
    };
    let report = done?;
    let text = match args.output {
        Format::Json => format!("{}\n", visible::json(&as_json(args, &report).to_string())),
        Format::Text => as_text(args, &report),
    };
    // A reader that has gone wants to know no more.
    drop(output.write(text).await);
    output.finish().await.context("cannot write to standard output")?;
    let otherwise: u64 = report.files.iter().map(|counts| counts.otherwise).sum();
    anyhow::ensure!(
        otherwise == 0,
        "{otherwise} messages were left out, because others were made of the same bytes: give the rules and patterns that the \
         sidecar had, and the label and generation of this very file"
    );
    Ok(())
}

/// Publishes what is missing.
///
/// # Errors
/// When a setting cannot be used, a file cannot be read, or stream or table do not answer.
pub async fn backfill(args: &BackfillArgs) -> anyhow::Result<Report> {
    let identities = identities(args)?;
    let reading = Reading {
        pod: Arc::new(args.identity.pod_identity()),
        redactor: Arc::new(args.redactor().context("a pattern of --redact or of the rules cannot be used")?),
        rules: Arc::new(args.rules()),
    };
    let scratch = tempfile::tempdir().context("cannot make a temporary directory; set TMPDIR to one that may be written to")?;
    let pool = crate::store::pool::open(&args.database)?;
    let reader = connect(&args.nats, "agent-comms-ingest backfill", scratch.path(), |options| options).await?;
    let mut there = there::read(&pool, &jetstream::new(reader), &reading.pod).await?;
    let mut files = Vec::new();
    for (path, identity) in args.files.iter().zip(identities) {
        let held = there.held(&identity.label, identity.generation);
        let file = SourceFile::open(path, identity, &reading, held);
        files.push(file.with_context(|| format!("cannot read `{}`", path.display()))?);
    }
    let mut publisher = None;
    if !args.dry_run {
        // Beside the authorities of the reader.
        let scratch = tempfile::tempdir_in(scratch.path()).context("cannot make a temporary directory")?;
        let complaints = Complaints::default();
        let listen = |options| complaints.listen(options);
        let client = connect(&args.publisher(), "agent-comms-ingest backfill publisher", scratch.path(), listen).await?;
        let mut jetstream = jetstream::new(client);
        jetstream.set_timeout(CONNECT);
        publisher = Some(Publisher::new(jetstream, complaints, args.rate));
    }
    let mut merge = Merge::new(files, std::mem::take(&mut there.ids))?;
    let mut progress = Progress::new(args);
    while let Some(message) = merge.next()? {
        if let Some(publisher) = &mut publisher {
            publisher.publish(&message).await?;
        }
        progress.tell(&merge);
    }
    if let Some(publisher) = &mut publisher {
        publisher.finish().await?;
    }
    progress.end();
    let given = publisher.as_ref().map(Publisher::published).unwrap_or_default();
    Ok(Report { files: merge.files().iter().map(SourceFile::counts).collect(), published: given })
}

/// What each file is.
fn identities(args: &BackfillArgs) -> anyhow::Result<Vec<SourceIdentity>> {
    let (files, sources, generations) = (args.files.len(), args.source.len(), args.generation.len());
    anyhow::ensure!(files == sources, "{files} files and {sources} --source; give one for each file, in the same order");
    anyhow::ensure!(
        generations == 1 || generations == files,
        "{files} files and {generations} --generation; give one for each file, in the same order, or one for all"
    );
    let mut seen = HashSet::new();
    let mut identities = Vec::new();
    for (index, label) in args.source.iter().enumerate() {
        let generation = args.generation.get(index).or(args.generation.first()).copied().unwrap_or(1);
        anyhow::ensure!(seen.insert((label, generation)), "two files are generation {generation} of `{label}`");
        let of_label = label.split_once(':').map(|(container, _)| container.to_owned());
        let container = args.container.clone().or(of_label).filter(|container| !container.is_empty());
        identities.push(SourceIdentity { label: label.clone(), generation, container });
    }
    Ok(identities)
}

async fn connect(
    nats: &NatsArgs,
    name: &str,
    scratch: &Path,
    with: impl FnOnce(ConnectOptions) -> ConnectOptions,
) -> anyhow::Result<async_nats::Client> {
    let servers = nats.servers()?;
    // A person waits: it says at once what it cannot reach.
    let connecting = with(nats.options_to_try(name, scratch)?).connect(servers);
    let connected = tokio::time::timeout(CONNECT, connecting).await;
    let url = nats.told_url();
    connected
        .with_context(|| format!("nats at `{url}` does not answer within {} s", CONNECT.as_secs()))?
        .with_context(|| format!("cannot connect to nats at `{url}`; check the address and the certificates"))
}

/// How far it is, in one line of a terminal that is written again.
struct Progress {
    is_shown: bool,
    is_dry: bool,
    size: u64,
    told_at: Option<Instant>,
}

impl Progress {
    fn new(args: &BackfillArgs) -> Self {
        let size = args.files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|data| data.len()).sum();
        let is_shown = std::io::stderr().is_terminal() && args.output == Format::Text;
        Self { is_shown, is_dry: args.dry_run, size, told_at: None }
    }

    fn tell(&mut self, merge: &Merge) {
        if !self.is_shown || self.told_at.is_some_and(|at| at.elapsed() < TELL) {
            return;
        }
        self.told_at = Some(Instant::now());
        let read: u64 = merge.files().iter().map(|file| file.counts().bytes).sum();
        let missing: u64 = merge.files().iter().map(|file| file.counts().missing).sum();
        let share = read.saturating_mul(100).checked_div(self.size).unwrap_or(100).min(100);
        let what = if self.is_dry { "missing" } else { "published" };
        // Nobody is left to tell when standard error is closed.
        drop(write!(std::io::stderr(), "\r\x1b[K-- {share} % read, {missing} messages {what}"));
    }

    fn end(&self) {
        if self.told_at.is_some() {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
    }
}

fn as_json(args: &BackfillArgs, report: &Report) -> Value {
    let files = args.files.iter().zip(&args.source).zip(&report.files);
    let files: Vec<Value> = files
        .map(|((path, label), counts)| {
            json!({
                "file": path.display().to_string(),
                "source": label,
                "bytes": counts.bytes,
                "there": counts.there,
                "missing": counts.missing,
                "otherwise": counts.otherwise,
            })
        })
        .collect();
    let Published { messages, repeated } = report.published;
    json!({ "dry_run": args.dry_run, "published": messages, "published_before": repeated, "files": files })
}

fn as_text(args: &BackfillArgs, report: &Report) -> String {
    let files = args.files.iter().zip(&args.source).zip(&report.files);
    let mut lines: Vec<String> = files
        .map(|((path, label), counts)| {
            let Counts { bytes, there, missing, otherwise } = counts;
            let path = path.display().to_string();
            let (path, label) = (visible::line(&path), visible::line(label));
            let rest = if *otherwise > 0 { format!(", {otherwise} of whose bytes others were made") } else { String::new() };
            format!("{path} ({label}): {bytes} bytes, {there} messages there, {missing} missing{rest}\n")
        })
        .collect();
    let Published { messages, repeated } = report.published;
    if args.dry_run {
        notice("-- nothing was published: --dry-run");
    } else {
        let known = if repeated > 0 { format!(", {repeated} of which it had") } else { String::new() };
        lines.push(format!("{messages} messages given to the stream{known}\n"));
    }
    lines.concat()
}
