//! `cargo xtask bench ingest`: from the stream to the tables, beside a program that inserts the very same rows, read from
//! the tables beforehand, and does nothing else: same tables with all their indexes, same batches, as many connections.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::commanded::Commanded;
use super::messages::{self, Shape};
use super::place::{Place, words};
use super::report::{Bar, Row};
use super::yardstick::Bare;
use super::{proc, program};
use crate::stage;

/// Bytes of a body.
const BYTES: usize = 1024;
/// How many runs talk at once.
const RUNS: usize = 20;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Rounds.
    pub rounds: u32,
    /// Messages in the stream.
    pub messages: usize,
    /// Rows of the run that is exported.
    pub export: usize,
}

/// More rows for one run, of lives of the stream before its first: nothing but an export sees them.
const MULTIPLY: &str = "INSERT INTO workflow_comms.agent_messages \
    (stream_ts, epoch, stream_seq, subject, verified, id, workflow_namespace, workflow_name, workflow_uid, run_id, step_id, pod, \
     container, attempt, source, agent_id, role, stage, kind, \"timestamp\", seq, channel, content, tool, attrs, runtime) \
    SELECT stream_ts, -copy, stream_seq, subject, verified, gen_random_uuid(), workflow_namespace, 'build-0000', $1, run_id, \
     step_id, pod, container, attempt, source, agent_id, role, stage, kind, \"timestamp\", seq, channel, content, tool, attrs, \
     runtime \
    FROM workflow_comms.agent_messages, generate_series(0, $2::bigint) AS copy WHERE epoch = 1 \
    ORDER BY copy, stream_seq LIMIT $3";

struct Rows {
    insert: Row,
    from_stream: Row,
    redelivered: Row,
    unacknowledged: Row,
    cpu: [Row; 3],
    export: Row,
    export_memory: Row,
}

/// Measures everything.
pub async fn run(scale: Scale) -> Result<Vec<Row>> {
    let mut place = Place::start().await?;
    let mut rows = Rows {
        insert: Row::new("insert", "rows/s", Bar::Ratio(0.7)),
        from_stream: Row::new("insert-from-stream", "rows/s", Bar::Ratio(0.7)),
        redelivered: Row::new("insert-redelivered", "rows/s", Bar::None),
        unacknowledged: Row::new("insert-unacknowledged", "rows/s", Bar::None),
        cpu: ["insert-cpu", "insert-cpu-nats", "insert-cpu-postgres"].map(|name| Row::new(name, "us/row", Bar::None)),
        export: Row::new("export", "rows/s", Bar::None),
        export_memory: Row::new("export-memory", "MiB", Bar::None),
    };
    let file = place.directory.path().join("stream.messages");
    fill(&place, &file, scale.messages)?;
    let mut replica = place.ingest().await?;
    place.acknowledged(&mut replica).await?;
    replica.stop().await?;
    let mut bare = bare(&place)?;
    bare.ask("load", "loaded")?;
    for round in 0..scale.rounds {
        stage::note(&format!("round {} of {}", round + 1, scale.rounds));
        let ingest_begins = round % 2 == 0;
        for turn in [ingest_begins, !ingest_begins] {
            place.empty_tables().await?;
            if turn {
                ingest_insert(&mut place, scale, &mut rows).await?;
            } else {
                bare_insert(&mut place, scale, &mut bare, &mut rows).await?;
            }
        }
    }
    bare.end()?;
    export(&place, scale, &mut rows).await?;
    let Rows { insert, from_stream, redelivered, unacknowledged, cpu, export, export_memory } = rows;
    Ok([insert, from_stream, redelivered, unacknowledged].into_iter().chain(cpu).chain([export, export_memory]).collect())
}

fn fill(place: &Place, file: &Path, count: usize) -> Result<()> {
    messages::write(file, Shape { count, runs: RUNS, bytes: BYTES, salt: 1 })?;
    let mut publisher = Bare::start(&place.publisher())?;
    publisher.load(file)?;
    publisher.begin(count)?;
    publisher.finish()?;
    publisher.end().map(drop)
}

fn bare(place: &Place) -> Result<Commanded> {
    let mut command = Command::new(program("bare-insert")?);
    command.args(words(&place.consumer())).env("AGENT_COMMS_DATABASE_URL", &place.database);
    let mut bare = Commanded::start(command)?;
    bare.expect("connected")?;
    Ok(bare)
}

/// Stored for the first time; delivered again though it was acknowledged, and though it was not.
async fn ingest_insert(place: &mut Place, scale: Scale, rows: &mut Rows) -> Result<()> {
    for (number, row) in [&mut rows.insert, &mut rows.redelivered, &mut rows.unacknowledged].into_iter().enumerate() {
        place.deliver_again().await?;
        if number == 2 {
            place.forget_lives().await?;
        }
        place.checkpoint().await?;
        let before = place.cpu_times();
        let mut replica = place.ingest().await?;
        let rate = place.acknowledged(&mut replica).await?;
        row.value(rate);
        if number == 0 {
            rows.from_stream.value(rate);
            let own = proc::cpu_time(replica.id())?;
            for (row, time) in rows.cpu.iter_mut().zip([own].into_iter().chain(since(before, place.cpu_times()))) {
                row.value(per_row(time, scale));
            }
        }
        replica.stop().await?;
        ensure!(place.rows().await? == i64::try_from(scale.messages)?, "not each message is a row");
    }
    Ok(())
}

async fn bare_insert(place: &mut Place, scale: Scale, bare: &mut Commanded, rows: &mut Rows) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = scale.messages as f64;
    for (number, row) in [&mut rows.insert, &mut rows.redelivered, &mut rows.unacknowledged].into_iter().enumerate() {
        place.checkpoint().await?;
        let (own, before) = (proc::cpu_time(bare.id())?, place.cpu_times());
        row.bare(count / seconds(bare)?);
        if number == 0 {
            let own = proc::cpu_time(bare.id())?.saturating_sub(own);
            for (row, time) in rows.cpu.iter_mut().zip([own].into_iter().chain(since(before, place.cpu_times()))) {
                row.bare(per_row(time, scale));
            }
        }
    }
    place.empty_tables().await?;
    place.deliver_again().await?;
    place.checkpoint().await?;
    rows.from_stream.bare(bare.ask("stream", "streamed")?.parse().context("the bare inserter tells no rate")?);
    ensure!(place.rows().await? == i64::try_from(scale.messages)?, "not each message is a row");
    Ok(())
}

fn since(before: [Duration; 2], now: [Duration; 2]) -> impl Iterator<Item = Duration> {
    now.into_iter().zip(before).map(|(now, before)| now.saturating_sub(before))
}

fn per_row(time: Duration, scale: Scale) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = scale.messages as f64;
    time.as_secs_f64() * 1e6 / count
}

fn seconds(bare: &mut Commanded) -> Result<f64> {
    bare.ask("insert", "inserted")?.parse().context("the bare inserter tells no time")
}

/// One run as a file. The most memory that it takes beside what it had is the same for any number of rows.
async fn export(place: &Place, scale: Scale, rows: &mut Rows) -> Result<()> {
    place.empty_tables().await?;
    place.deliver_again().await?;
    let mut replica = place.ingest().await?;
    place.acknowledged(&mut replica).await?;
    replica.stop().await?;
    let copies = i64::try_from(scale.export.div_ceil(scale.messages))?;
    let wanted = i64::try_from(scale.export)?;
    stage::note(&format!("a run of {wanted} rows"));
    place.sql.execute(MULTIPLY, &[&messages::uid(0), &copies, &wanted]).await?;
    place.sql.batch_execute("VACUUM ANALYZE workflow_comms.agent_messages").await?;
    place.checkpoint().await?;
    let count = "SELECT count(*) FROM workflow_comms.agent_messages WHERE workflow_uid = $1";
    let expected: i64 = place.sql.query_one(count, &[&messages::uid(0)]).await?.try_get(0)?;
    let mut reader = Commanded::start(Command::new(program("bare-viewers")?))?;
    for _ in 0..scale.rounds.min(3) {
        let replica = place.ingest().await?;
        let path = format!("/api/agents/runs/{}/export.jsonl", messages::uid(0));
        reader.ask(&format!("get {} /api/agents/runs/{}", replica.api, messages::uid(0)), "got")?;
        let before = proc::memory(replica.id())?.peak;
        let got = reader.ask(&format!("get {} {path}", replica.api), "got")?;
        let mut words = got.split(' ');
        let seconds: f64 = words.next().unwrap_or_default().parse()?;
        let lines: u32 = words.next().unwrap_or_default().parse()?;
        ensure!(i64::from(lines) == expected, "the export has {lines} lines, not {expected}");
        rows.export.value(f64::from(lines) / seconds);
        rows.export_memory.value(proc::memory(replica.id())?.peak - before);
        replica.stop().await?;
    }
    reader.end().map(drop)
}
