//! The rounds. In each, everything is measured once for the sidecar and once for the bare publisher, in turns, and who
//! begins changes from round to round.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use tempfile::TempDir;

use super::ground::Ground;
use super::lines::{self, Format};
use super::proc;
use super::report::{Bar, Row, percentile};
use super::yardstick::{Bare, Sidecar, capture_path};
use crate::stage;

/// Sizes of lines, bytes, and how many of them are one measurement.
const SIZES: [(usize, usize); 3] = [(100, 150_000), (256, 120_000), (1024, 60_000)];
/// Messages that one measurement of latency takes, and the pause between them: the system is idle.
const MESSAGES: usize = 300;
const PAUSE: Duration = Duration::from_millis(3);
/// How long a process rests before its memory is taken.
const REST: Duration = Duration::from_millis(1_500);
const PENDING: usize = 1_000;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    rounds: u32,
    /// Divides the numbers of lines.
    divisor: usize,
}

impl Scale {
    /// Everything, so many times.
    pub fn whole(rounds: u32) -> Self {
        Self { rounds, divisor: 1 }
    }

    /// One round of a tenth.
    pub fn quick() -> Self {
        Self { rounds: 1, divisor: 10 }
    }
}

/// One size and format.
struct Case {
    format: Format,
    length: usize,
    count: usize,
    text: String,
    captured: PathBuf,
}

/// Measures everything.
pub async fn run(scale: Scale) -> Result<Vec<Row>> {
    let directory = TempDir::new()?;
    let mut ground = Ground::start().await?;
    let mut rows = Rows::default();
    let mut cases = Vec::new();
    for (length, count) in SIZES {
        for format in [Format::Text, Format::Json] {
            let count = count / scale.divisor;
            let captured = capture_path(&directory, &format!("{length}-{}", format.name()));
            let case = Case { format, length, count, text: lines::make(format, length, count), captured };
            // What the bare publisher is to send is what the sidecar sent. This also warms everything up.
            ground.new_stream().await?;
            let sidecar = Sidecar::start(&ground.publisher())?;
            sidecar.put(&case.text)?;
            ground.stored(count).await?;
            ground.capture(count, &case.captured).await?;
            sidecar.end()?;
            cases.push(case);
        }
    }
    for round in 0..scale.rounds {
        stage::note(&format!("round {} of {}", round + 1, scale.rounds));
        let sidecar_begins = round % 2 == 0;
        for case in &cases {
            for turn in [sidecar_begins, !sidecar_begins] {
                ground.new_stream().await?;
                if turn {
                    sidecar_throughput(&ground, case, &mut rows).await?;
                } else {
                    bare_throughput(&ground, case, &mut rows).await?;
                }
            }
        }
        for turn in [sidecar_begins, !sidecar_begins] {
            ground.new_stream().await?;
            let captured = &cases[0].captured;
            if turn {
                sidecar_latency(&mut ground, &mut rows).await?;
            } else {
                bare_latency(&mut ground, captured, &mut rows).await?;
            }
            ground.new_stream().await?;
            if turn { sidecar_end(&ground, &mut rows).await? } else { bare_end(&ground, captured, &mut rows).await? }
        }
    }
    Ok(rows.in_order())
}

async fn sidecar_throughput(ground: &Ground, case: &Case, rows: &mut Rows) -> Result<()> {
    let sidecar = Sidecar::start(&ground.publisher())?;
    tokio::time::sleep(REST).await;
    if case.is_reference() {
        rows.of("rss-idle").value(proc::memory(sidecar.id())?.now);
    }
    let before = proc::cpu_time(sidecar.id())?;
    sidecar.put(&case.text)?;
    let rate = ground.stored(case.count).await?;
    let cpu = proc::cpu_time(sidecar.id())?.saturating_sub(before);
    rows.of(&case.row("throughput")).value(rate);
    rows.of(&case.row("cpu-per-line")).value(per_line(cpu, case.count));
    if case.is_reference() {
        rows.of("rss-loaded").value(proc::memory(sidecar.id())?.peak);
    }
    sidecar.end()?;
    Ok(())
}

async fn bare_throughput(ground: &Ground, case: &Case, rows: &mut Rows) -> Result<()> {
    let mut bare = Bare::start(&ground.publisher())?;
    tokio::time::sleep(REST).await;
    let idle = proc::memory(bare.id())?;
    bare.load(&case.captured)?;
    let loaded = proc::memory(bare.id())?;
    let before = proc::cpu_time(bare.id())?;
    bare.begin(case.count)?;
    let rate = ground.stored(case.count).await?;
    bare.finish()?;
    let cpu = proc::cpu_time(bare.id())?.saturating_sub(before);
    rows.of(&case.row("throughput")).bare(rate);
    rows.of(&case.row("cpu-per-line")).bare(per_line(cpu, case.count));
    if case.is_reference() {
        rows.of("rss-idle").bare(idle.now);
        // The messages that it was given are not what it needs to send them.
        rows.of("rss-loaded").bare(idle.now + (proc::memory(bare.id())?.peak - loaded.peak));
    }
    bare.end()?;
    Ok(())
}

async fn sidecar_latency(ground: &mut Ground, rows: &mut Rows) -> Result<()> {
    let sidecar = Sidecar::start(&ground.publisher())?;
    let mut stream = sidecar.connect()?;
    ground.watch_answers().await?;
    let mut latencies = Vec::new();
    for number in 0..MESSAGES {
        tokio::time::sleep(PAUSE).await;
        let line = format!("message {number} of a step that speaks now and then\n");
        let start = Instant::now();
        stream.write_all(line.as_bytes())?;
        ground.next_answer().await?;
        latencies.push(millis(start.elapsed()));
    }
    rows.of("socket-p50").value(percentile(&latencies, 50));
    rows.of("socket-p99").value(percentile(&latencies, 99));
    drop(stream);
    rows.of("exit-idle").value(millis(sidecar.end()?));
    Ok(())
}

async fn bare_latency(ground: &mut Ground, captured: &Path, rows: &mut Rows) -> Result<()> {
    let mut bare = Bare::start(&ground.publisher())?;
    bare.load(captured)?;
    ground.watch_answers().await?;
    let mut latencies = Vec::new();
    for _ in 0..MESSAGES {
        tokio::time::sleep(PAUSE).await;
        let start = Instant::now();
        bare.begin(1)?;
        ground.next_answer().await?;
        latencies.push(millis(start.elapsed()));
        bare.finish()?;
    }
    rows.of("socket-p50").bare(percentile(&latencies, 50));
    rows.of("socket-p99").bare(percentile(&latencies, 99));
    rows.of("exit-idle").bare(millis(bare.end()?));
    Ok(())
}

/// A step ends right after it wrote its last records.
async fn sidecar_end(ground: &Ground, rows: &mut Rows) -> Result<()> {
    let sidecar = Sidecar::start(&ground.publisher())?;
    sidecar.put(&lines::make(Format::Text, 256, PENDING))?;
    rows.of("exit-1000").value(millis(sidecar.end()?));
    // All of them are there.
    ground.stored(PENDING).await?;
    Ok(())
}

async fn bare_end(ground: &Ground, captured: &Path, rows: &mut Rows) -> Result<()> {
    let mut bare = Bare::start(&ground.publisher())?;
    bare.load(captured)?;
    let start = Instant::now();
    bare.begin(PENDING)?;
    bare.finish()?;
    bare.end()?;
    rows.of("exit-1000").bare(millis(start.elapsed()));
    ground.stored(PENDING).await?;
    Ok(())
}

impl Case {
    /// The one that memory is taken of.
    fn is_reference(&self) -> bool {
        self.length == 256 && self.format == Format::Text
    }

    /// The name of a row about this case: text has the plain name.
    fn row(&self, what: &str) -> String {
        let Self { format, length, .. } = self;
        if *format == Format::Text { format!("{what}-{length}") } else { format!("{what}-{length}-{}", format.name()) }
    }
}

/// The rows by name.
#[derive(Default)]
struct Rows(HashMap<String, Row>);

impl Rows {
    fn of(&mut self, name: &str) -> &mut Row {
        let (unit, bar) = match name {
            "throughput-256" | "throughput-256-json" => ("lines/s", Bar::Ratio(0.8)),
            "rss-idle" | "rss-loaded" => ("MiB", Bar::AtMost(8.0)),
            "socket-p50" => ("ms", Bar::Below(1.0)),
            "socket-p99" => ("ms", Bar::Below(5.0)),
            "exit-idle" => ("ms", Bar::Below(100.0)),
            "exit-1000" => ("ms", Bar::Below(500.0)),
            name if name.starts_with("throughput") => ("lines/s", Bar::None),
            _ => ("us", Bar::None),
        };
        self.0.entry(name.to_owned()).or_insert_with(|| Row::new(name, unit, bar))
    }

    fn in_order(mut self) -> Vec<Row> {
        let mut names = Vec::new();
        for what in ["throughput", "cpu-per-line"] {
            for (length, _) in SIZES {
                names.extend([format!("{what}-{length}"), format!("{what}-{length}-json")]);
            }
        }
        names.extend(["rss-idle", "rss-loaded", "socket-p50", "socket-p99", "exit-idle", "exit-1000"].map(str::to_owned));
        names.iter().filter_map(|name| self.0.remove(name)).collect()
    }
}

fn per_line(cpu: Duration, count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 lines")]
    let count = count as f64;
    cpu.as_secs_f64() * 1e6 / count
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
