//! `cargo xtask bench live`: from a publisher to viewers, beside hyper writing the very same frames, captured beforehand, for
//! each of the same messages. Viewers are a program of their own, the same for both, so both pay for them alike.

mod servers;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::commanded::Commanded;
use super::messages::{self, Shape};
use super::report::{Bar, Row, median};
use super::yardstick::Bare;
use super::{proc, program};
use crate::stage;
use servers::{Server, Servers};

/// Streams, and how many messages each of them is sent. The most first: its memory is taken in a fresh process.
const FANS: [(usize, usize); 3] = [(5_000, 200), (1_000, 1_000), (1, 20_000)];
/// Bytes of a body.
const BYTES: usize = 1024;
/// How many messages a viewer missed.
const MISSED: usize = 10_000;
/// How often a viewer comes back in one round.
const RESUMES: usize = 5;
/// Messages a second while the way to a viewer is measured, and for how many seconds.
const RATE: usize = 5_000;
const SECONDS: usize = 4;
/// How long a process rests before its memory is taken.
const REST: Duration = Duration::from_secs(2);
/// How many viewers come before any is measured.
const FIRST: usize = 100;
/// 5,000 idle streams in 150 MiB.
const MOST_KIB: f64 = 30.72;

struct Rows {
    fanout: [Row; 3],
    idle: Row,
    latency: [Row; 2],
    resume: [Row; 2],
}

/// How much is measured: so many rounds, of so many messages and streams divided by this.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Rounds.
    pub rounds: u32,
    /// 1 but for a quick look.
    pub divisor: usize,
}

/// Measures everything.
pub async fn run(scale: Scale) -> Result<Vec<Row>> {
    raise_limit()?;
    let mut rows = Rows {
        fanout: FANS.map(|(streams, _)| {
            // A single stream waits for the broker and for storing, not for who writes it.
            let bar = if streams > 1 { Bar::Ratio(0.8) } else { Bar::None };
            Row::new(&format!("fanout-{streams}"), "messages/s", bar)
        }),
        idle: Row::new("idle-stream", "KiB", Bar::Below(MOST_KIB)),
        latency: [Row::new("publish-to-viewer-p50", "ms", Bar::None), Row::new("publish-to-viewer-p99", "ms", Bar::Below(100.0))],
        resume: [Row::new("resume-10000", "ms", Bar::Below(500.0)), Row::new("resume-10000-ring", "ms", Bar::Below(500.0))],
    };
    let servers = Servers::start().await?;
    let mut bench = Bench { viewers: viewers()?, servers, scale, salt: 0 };
    let frames = bench.capture().await?;
    for round in 0..scale.rounds {
        stage::note(&format!("round {} of {}", round + 1, scale.rounds));
        let ingest_begins = round % 2 == 0;
        for turn in [ingest_begins, !ingest_begins] {
            let server = if turn { bench.servers.ingest().await? } else { bench.servers.bare(&frames).await? };
            bench.measure(server, &mut rows).await?;
        }
    }
    bench.viewers.end()?;
    let Rows { fanout: [most, many, one], idle, latency, resume } = rows;
    Ok([one, many, most, idle].into_iter().chain(latency).chain(resume).collect())
}

struct Bench {
    servers: Servers,
    viewers: Commanded,
    scale: Scale,
    salt: u64,
}

impl Bench {
    /// The frames that ingest makes of the messages of the longest measurement.
    async fn capture(&mut self) -> Result<PathBuf> {
        let mut server = self.servers.ingest().await?;
        let count = FANS.into_iter().map(|(_, messages)| messages).chain([RATE * SECONDS, MISSED]).max().unwrap_or(MISSED);
        let messages = self.messages(count)?;
        let mut publisher = self.publisher(&server, &messages)?;
        publisher.begin(count)?;
        publisher.finish()?;
        publisher.end()?;
        server.settle(&self.servers).await?;
        let file = self.servers.path("frames");
        let path = servers::path(1, 0);
        self.viewers.ask(&format!("capture {} {path} {count} {}", server.address(), file.display()), "captured")?;
        server.stop().await?;
        Ok(file)
    }

    async fn measure(&mut self, mut server: Server, rows: &mut Rows) -> Result<()> {
        // What a server holds when it has begun to serve is no memory of a stream.
        let path = server.live_path(&mut self.servers).await?;
        self.viewers.ask(&format!("connect {FIRST} {} {path}", server.address()), "connected")?;
        self.viewers.ask("close", "closed")?;
        tokio::time::sleep(REST).await;
        for (row, (streams, messages)) in rows.fanout.iter_mut().zip(FANS) {
            let (streams, messages) = (streams.div_ceil(self.scale.divisor), messages / self.scale.divisor);
            let before = proc::memory(server.id())?.now;
            let path = server.live_path(&mut self.servers).await?;
            self.viewers.ask(&format!("connect {streams} {} {path}", server.address()), "connected")?;
            if streams * self.scale.divisor >= FANS[0].0 {
                tokio::time::sleep(REST).await;
                let kib = (proc::memory(server.id())?.now - before) * 1024.0 / number(streams);
                server.tell(&mut rows.idle, kib);
            }
            let rate = self.fan_out(&server, messages)? * number(streams);
            server.tell(row, rate);
            self.viewers.ask("close", "closed")?;
            server.settle(&self.servers).await?;
        }
        self.latency(&mut server, &mut rows.latency).await?;
        server.settle(&self.servers).await?;
        self.resume(&mut server, &mut rows.resume).await?;
        server.stop().await
    }

    /// Publishes as fast as it can while the viewers watch; gives the messages a second until each had all of them.
    fn fan_out(&mut self, server: &Server, count: usize) -> Result<f64> {
        let messages = self.messages(count)?;
        let mut publisher = self.publisher(server, &messages)?;
        // The number of the last one, as its content begins.
        self.viewers.say(&format!("watch {count} \"{:06}", count - 1))?;
        let start = Instant::now();
        publisher.begin(count)?;
        self.viewers.expect("seen")?;
        let elapsed = start.elapsed().as_secs_f64();
        publisher.finish()?;
        publisher.end()?;
        Ok(number(count) / elapsed)
    }

    async fn latency(&mut self, server: &mut Server, rows: &mut [Row; 2]) -> Result<()> {
        let messages = self.messages(RATE * SECONDS / self.scale.divisor)?;
        let path = server.live_path(&mut self.servers).await?;
        let mut command = std::process::Command::new(program("bare-pace")?);
        command.args(["--address", server.address(), "--path", &path, "--rate", &RATE.to_string(), "--messages"]).arg(messages);
        command.args(super::place::words(&server.publisher(&self.servers)));
        let output = command.output().context("cannot run bare-pace")?;
        anyhow::ensure!(output.status.success(), "bare-pace failed: {}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        for (row, time) in rows.iter_mut().zip(told.split_whitespace()) {
            server.tell(row, time.parse()?);
        }
        Ok(())
    }

    /// A viewer comes back after a while: to a server that has what it missed in memory, and to one that was started anew
    /// and reads it from the tables.
    async fn resume(&mut self, server: &mut Server, rows: &mut [Row; 2]) -> Result<()> {
        let [from_tables, from_ring] = rows;
        for (row, anew) in [(from_ring, false), (from_tables, true)] {
            if anew {
                server.start_anew(&mut self.servers).await?;
            }
            let missed = MISSED / self.scale.divisor;
            let (path, id) = server.missed(&self.servers, missed).await?;
            let mut times = Vec::new();
            for _ in 0..RESUMES {
                let took = self.viewers.ask(&format!("resume {} {path} {id} {missed}", server.address()), "resumed")?;
                times.push(took.parse::<f64>()? * 1e3);
            }
            server.tell(row, median(&times));
        }
        Ok(())
    }

    /// A file of messages that were never sent.
    fn messages(&mut self, count: usize) -> Result<PathBuf> {
        self.salt += 1;
        let path = self.servers.path("messages");
        messages::write(&path, Shape { count, runs: 1, bytes: BYTES, salt: self.salt })?;
        Ok(path)
    }

    fn publisher(&self, server: &Server, messages: &Path) -> Result<Bare> {
        let mut publisher = Bare::start(&server.publisher(&self.servers))?;
        publisher.load(messages)?;
        Ok(publisher)
    }
}

fn viewers() -> Result<Commanded> {
    Commanded::start(std::process::Command::new(program("bare-viewers")?))
}

/// Each stream is a file of two processes, which inherit what this one may open.
fn raise_limit() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).context("cannot raise the limit of open files")
}

fn number(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let number = count as f64;
    number
}
