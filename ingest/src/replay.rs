//! `replay`: from the stream into the tables once more. What the stream still holds and the tables have lost (a database that
//! was restored from an older copy, rows that somebody deleted) is stored as it was; what is there is left alone.
//!
//! What is not settled yet is left to whoever stores: it comes from the durable. What is restored is history, and no viewer
//! who has passed its place is shown it.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use deadpool_postgres::Pool;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::args::client::Format;
use crate::args::replay::{From, ReplayArgs};
use crate::batch::{Batch, Delivery};
use crate::client::backoff::Backoff;
use crate::consume::STREAM;
use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::past::{Begin, Past};
use crate::store::clock::DatabaseClock;
use crate::store::error::Remedy;
use crate::store::insert::again::{Again, Manner, write_again};
use crate::store::partitions::{make, oldest_day};
use crate::store::summary::recount::recount;
use crate::store::{StoreError, epochs};
use crate::terminal::output::{Output, notice};

/// How long the server may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);
/// How long PostgreSQL may be away, or be in the way of itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a person is told how far it is.
const TELL: Duration = Duration::from_millis(500);

/// What became of what the stream holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages that were read.
    pub read: usize,
    /// Those that are rows again.
    pub restored: usize,
    /// Those that were there.
    pub there: usize,
    /// Those that are dead letters again.
    pub dead: usize,
    /// Those that are older than what is kept.
    pub expired: usize,
    /// Those that the tables refuse.
    pub refused: usize,
    /// Those that are not settled yet: they come from the durable.
    pub open: usize,
    /// Runs that were counted anew.
    pub recounted: usize,
}

/// Restores what is missing, and tells it.
///
/// # Errors
/// When a setting cannot be used, or stream or tables do not answer.
pub async fn run(args: &ReplayArgs) -> anyhow::Result<()> {
    service::logs::start(&args.logs);
    let stop = service::signals::stop_token()?;
    let output = Output::standard();
    let report = tokio::select! {
        done = replay(args) => done?,
        () = stop.cancelled() => anyhow::bail!("stopped; run it again: what is there is left alone"),
    };
    let Report { read, restored, there, dead, expired, refused, open, recounted } = report;
    let text = match args.output {
        Format::Json => {
            let value = json!({
                "dry_run": args.dry_run, "read": read, "restored": restored, "there": there, "dead_letters": dead,
                "expired": expired, "refused": refused, "not_settled": open, "runs_recounted": recounted,
            });
            format!("{value}\n")
        }
        Format::Text => {
            let is = if args.dry_run { "would be " } else { "" };
            format!(
                "{read} messages read, {there} of them there\n{restored} messages {is}restored, {dead} dead letters {is}restored\n\
                 {expired} older than what is kept, {refused} refused by PostgreSQL, {open} not settled yet (they are stored by \
                 `serve`)\n"
            )
        }
    };
    // A reader that has gone wants to know no more.
    drop(output.write(text).await);
    output.finish().await.context("cannot write to standard output")?;
    if args.dry_run && args.output == Format::Text {
        notice("-- nothing was stored: --dry-run");
    }
    Ok(())
}

/// Restores what is missing.
///
/// # Errors
/// When a setting cannot be used, or stream or tables do not answer.
pub async fn replay(args: &ReplayArgs) -> anyhow::Result<Report> {
    let scratch = tempfile::tempdir().context("cannot make a temporary directory; set TMPDIR to one that may be written to")?;
    let pool = crate::store::pool::open(&args.database)?;
    let connecting = args.nats.options_to_try("agent-comms-ingest replay", scratch.path())?.connect(args.nats.servers()?);
    let url = args.nats.told_url();
    let client = tokio::time::timeout(CONNECT, connecting)
        .await
        .with_context(|| format!("nats at `{url}` does not answer within {} s", CONNECT.as_secs()))?
        .with_context(|| format!("cannot connect to nats at `{url}`; check the address and the certificates"))?;
    let jetstream = jetstream::new(client);
    let known = epochs::read(&pool).await.context("the lives of the stream cannot be read")?;
    let stream = jetstream.get_stream(STREAM).await.context("the stream cannot be read")?;
    let begin = begin(args.from, &known, message::Timestamp::new(stream.cached_info().created))?;
    let mut past = Past::begin(&jetstream, stream, "replay", begin, Vec::new()).await.context("the stream cannot be read")?;
    let mut replay = Replay {
        oldest: oldest_day(args.retention_days, DatabaseClock::default().now(&pool).await?),
        pool,
        epochs: known,
        manner: if args.dry_run { Manner::DryReplay } else { Manner::Replay },
        report: Report::default(),
        runs: BTreeSet::new(),
    };
    let all = past.left();
    let is_shown = std::io::stderr().is_terminal() && args.output == Format::Text;
    let mut told_at: Option<Instant> = None;
    while let Some(deliveries) = past.next().await.context("the stream cannot be read")? {
        replay.store(&deliveries).await?;
        if is_shown && told_at.is_none_or(|at| at.elapsed() >= TELL) {
            told_at = Some(Instant::now());
            let Report { read, restored, .. } = replay.report;
            // Nobody is left to tell when standard error is closed.
            drop(write!(std::io::stderr(), "\r\x1b[K-- {read} of {all} messages read, {restored} missing"));
        }
    }
    if told_at.is_some() {
        drop(write!(std::io::stderr(), "\r\x1b[K"));
    }
    past.end().await;
    for (namespace, key) in &replay.runs {
        let recounted = recount(&replay.pool, namespace, key).await.context("a run cannot be counted anew")?;
        replay.report.recounted += usize::from(recounted);
    }
    Ok(replay.report)
}

/// Where the stream is read from.
fn begin(from: From, known: &Epochs, created: message::Timestamp) -> anyhow::Result<Begin> {
    match from {
        From::Start => Ok(Begin::Sequence(1)),
        From::Time(at) => Ok(Begin::Time(at)),
        From::Cursor(cursor) => {
            let Some(epoch) = known.get(cursor.epoch) else {
                anyhow::bail!("{cursor} is of no life of the stream that is known");
            };
            anyhow::ensure!(
                epoch.stream_created.is_none_or(|known| known == created),
                "{cursor} is of a stream that is gone; `--from start` reads the one that is there"
            );
            Ok(Begin::Sequence(u64::try_from(cursor.sequence).unwrap_or(1)))
        }
    }
}

struct Replay {
    pool: Pool,
    epochs: Epochs,
    oldest: time::Date,
    manner: Manner,
    report: Report,
    /// Runs of which something was restored.
    runs: BTreeSet<(String, String)>,
}

impl Replay {
    /// Stores what is missing of these, halving them around what the tables refuse.
    async fn store(&mut self, deliveries: &[Delivery]) -> anyhow::Result<()> {
        let mut open = vec![deliveries];
        let (mut backoff, mut since) = (Backoff::default(), Instant::now());
        while let Some(part) = open.last().copied() {
            let error = match self.try_once(part).await {
                Ok(()) => {
                    open.pop();
                    (backoff, since) = (Backoff::default(), Instant::now());
                    continue;
                }
                Err(error) => error,
            };
            match error.remedy() {
                Remedy::Bisect if part.len() > 1 => {
                    open.pop();
                    let (first, second) = part.split_at(part.len() / 2);
                    open.extend([second, first]);
                }
                // Whoever stores has made it a dead letter, with its bytes.
                Remedy::Bisect => {
                    open.pop();
                    (self.report.read, self.report.refused) = (self.report.read + 1, self.report.refused + 1);
                }
                Remedy::Retry | Remedy::ReadEpochs => {
                    if since.elapsed() > PATIENCE {
                        return Err(error).context("the tables do not take what was read; run it again when they do");
                    }
                    if error.remedy() == Remedy::Retry {
                        sleep(backoff.next(service::nats::random_fraction())).await;
                    }
                    self.epochs = epochs::read(&self.pool).await.unwrap_or_else(|_| self.epochs.clone());
                }
            }
        }
        Ok(())
    }

    async fn try_once(&mut self, deliveries: &[Delivery]) -> Result<(), StoreError> {
        let settled = |delivery: &&Delivery| is_settled(&self.epochs, delivery.cursor(&self.epochs));
        let (settled, open): (Vec<&Delivery>, Vec<_>) = deliveries.iter().partition(settled);
        let batch = Batch::read(settled, &self.epochs, self.oldest);
        if self.manner == Manner::Replay {
            make(&self.pool, &batch.days()).await?;
        }
        let mut client = self.pool.get().await?;
        let transaction = client.transaction().await.map_err(StoreError::of("begin"))?;
        let Again { rows, runs, there, dead, conflicts } = write_again(&transaction, &batch, &self.epochs, self.manner).await?;
        transaction.commit().await.map_err(StoreError::of("commit"))?;
        let report = &mut self.report;
        report.read += deliveries.len();
        report.restored += rows;
        report.dead += dead;
        report.expired += batch.expired.len();
        report.open += open.len();
        report.there += there + (batch.dead.len() + conflicts.len()).saturating_sub(dead);
        if self.manner == Manner::Replay {
            self.runs.extend(runs);
        }
        Ok(())
    }
}

/// Whether nobody stores it any more: what is not settled comes from the durable.
fn is_settled(epochs: &Epochs, cursor: Cursor) -> bool {
    epochs.get(cursor.epoch).is_some_and(|epoch| epoch.settled || cursor.sequence <= epoch.watermark)
}
