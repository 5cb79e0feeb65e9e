//! `cargo xtask bench pages`: the page of a long run, in Chromium, as somebody who reads along has it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fantoccini::wd::TimeoutConfiguration;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use neighbours::Chromium;
use serde_json::{Value, json};

use super::messages::{self, Shape};
use super::place::{Place, Replica, words};
use super::report::{Bar, Row};
use super::yardstick::Bare;
use super::{proc, program};
use crate::stage;

/// Messages that the run has at the start.
const SAID: usize = 100_000;
/// Bytes of a body.
const BYTES: usize = 1024;
/// Messages a second while it is watched, and for how many seconds.
const RATE: usize = 200;
const SECONDS: usize = 10;
/// How many frames long the page is scrolled, and how far in each.
const FRAMES: usize = 600;
const PIXELS: usize = 400;
/// How often a page is opened in one round.
const OPENINGS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Watches for tasks from here on: a timer that is due at once, again and again, comes late by what runs meanwhile. That it is
/// late by up to 4 ms at rest counts too.
const WATCH: &str = "window.longest = 0; window.watched = performance.now(); \
    const tick = () => { const now = performance.now(); window.longest = Math.max(window.longest, now - window.watched); \
        window.watched = now; window.watching = setTimeout(tick, 0); }; tick(); return true;";
const WATCHED: &str = "clearTimeout(window.watching); return window.longest;";
const PAINTED: &str = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null;";
const IS_LIVE: &str = "return document.getElementById('connection').dataset.state === 'live';";
const FIRST_ROW: &str = "return document.querySelector('#rows .row').dataset.cursor;";
const LAST_ROW: &str = "return [...document.querySelectorAll('#rows .row')].at(-1).dataset.cursor;";
/// Scrolls towards older rows, one step a frame.
const SCROLL: &str = "const [frames, pixels, done] = arguments; const box = document.getElementById('timeline'); let left = frames; \
    const step = () => { box.scrollBy(0, -pixels); left -= 1; if (left > 0) requestAnimationFrame(step); else done(true); }; \
    requestAnimationFrame(step);";

struct Rows {
    paint: Row,
    scroll: Row,
    live: Row,
    memory: Row,
}

/// Measures everything: so many rounds, of so many messages divided by this.
pub async fn run(rounds: u32, divisor: usize) -> Result<Vec<Row>> {
    let mut rows = Rows {
        paint: Row::new("first-paint-100k", "ms", Bar::Below(300.0)),
        scroll: Row::new("longest-task-scroll", "ms", Bar::AtMost(50.0)),
        live: Row::new("longest-task-live", "ms", Bar::AtMost(50.0)),
        memory: Row::new("tab-memory", "MiB", Bar::Below(200.0)),
    };
    let place = Place::start().await?;
    let said = file(&place, SAID / divisor, 1)?;
    let mut publisher = Bare::start(&place.publisher())?;
    publisher.load(&said)?;
    publisher.begin(SAID / divisor)?;
    publisher.finish()?;
    publisher.end()?;
    let mut replica = place.ingest().await?;
    place.acknowledged(&mut replica).await?;
    for round in 0..rounds {
        stage::note(&format!("round {} of {rounds}", round + 1));
        let mut reader = Reader::start(&replica).await?;
        reader.paint(&mut rows.paint).await?;
        reader.scroll(&mut rows.scroll).await?;
        let news = file(&place, RATE * SECONDS / divisor, u64::from(round) + 2)?;
        reader.live(&place, &replica, &news, &mut rows.live).await?;
        rows.memory.value(tab_memory(reader.chromium.id())?);
        reader.browser.close().await?;
    }
    replica.stop().await?;
    let Rows { paint, scroll, live, memory } = rows;
    Ok(vec![paint, scroll, live, memory])
}

fn file(place: &Place, count: usize, salt: u64) -> Result<PathBuf> {
    let path = place.directory.path().join("pages.messages");
    messages::write(&path, Shape { count, runs: 1, bytes: BYTES, salt })?;
    Ok(path)
}

/// Somebody who reads the page of the run.
struct Reader {
    browser: Client,
    page: String,
    chromium: Chromium,
}

impl Reader {
    /// With a browser that has never been there.
    async fn start(replica: &Replica) -> Result<Self> {
        let chromium = Chromium::start().await?;
        let browser = ClientBuilder::new(HttpConnector::new())
            .capabilities(chromium.capabilities())
            .connect(&chromium.url())
            .await
            .context("no browser session")?;
        browser.set_window_size(1280, 900).await?;
        browser.update_timeouts(TimeoutConfiguration::new(Some(PATIENCE), Some(PATIENCE), None)).await?;
        Ok(Self { browser, page: format!("http://{}/agents/{}", replica.api, messages::uid(0)), chromium })
    }

    /// Opens the page, each time as if it were the first.
    async fn paint(&mut self, row: &mut Row) -> Result<()> {
        for _ in 0..OPENINGS {
            self.browser.goto("about:blank").await?;
            self.browser.goto(&self.page).await?;
            self.until("the page is painted", PAINTED, |told| told.is_f64() || told.is_u64()).await?;
            row.value(self.number(PAINTED).await?);
        }
        self.until("the page is live", IS_LIVE, |told| *told == json!(true)).await
    }

    async fn scroll(&mut self, row: &mut Row) -> Result<()> {
        let newest = self.ask(FIRST_ROW).await?;
        self.ask(WATCH).await?;
        self.browser.execute_async(SCROLL, vec![json!(FRAMES), json!(PIXELS)]).await?;
        row.value(self.number(WATCHED).await?);
        ensure!(self.ask(FIRST_ROW).await? != newest, "no older rows came while the page was scrolled");
        Ok(())
    }

    /// Stays at the end while others talk.
    async fn live(&mut self, place: &Place, replica: &Replica, news: &PathBuf, row: &mut Row) -> Result<()> {
        self.browser.goto(&self.page).await?;
        self.until("the page is live", IS_LIVE, |told| *told == json!(true)).await?;
        let last = place.last_sequence().await?;
        self.ask(WATCH).await?;
        Speaker::start(place, replica, last, news)?.end().await?;
        row.value(self.number(WATCHED).await?);
        let end = json!(format!("1.{}", place.last_sequence().await?));
        self.until("the last message is shown", LAST_ROW, |told| *told == end).await
    }

    async fn ask(&self, script: &str) -> Result<Value> {
        Ok(self.browser.execute(script, Vec::new()).await?)
    }

    async fn number(&self, script: &str) -> Result<f64> {
        self.ask(script).await?.as_f64().context("the page tells no number")
    }

    async fn until(&self, what: &str, script: &str, is_so: impl Fn(&Value) -> bool) -> Result<()> {
        let start = Instant::now();
        loop {
            let told = self.ask(script).await?;
            if is_so(&told) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!("waited {} s until {what}; the page says {told}", PATIENCE.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// A publisher with a steady pace.
struct Speaker(Child);

impl Speaker {
    fn start(place: &Place, replica: &Replica, last: u64, news: &PathBuf) -> Result<Self> {
        let path = format!("/api/agents/events?workflowUid={}&after=1.{last}", messages::uid(0));
        let mut command = Command::new(program("bare-pace")?);
        command.args(["--address", &replica.api, "--path", &path, "--rate", &RATE.to_string(), "--messages"]).arg(news);
        command.args(words(&place.publisher())).stdout(Stdio::null());
        Ok(Self(command.spawn().context("cannot run bare-pace")?))
    }

    async fn end(mut self) -> Result<()> {
        loop {
            match self.0.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("bare-pace ended with {status}"),
                None => tokio::time::sleep(POLL).await,
            }
        }
    }
}

/// The memory that the largest tab has for itself, its share of what it shares included, MiB.
fn tab_memory(driver: u32) -> Result<f64> {
    let mut most: f64 = 0.0;
    for pid in proc::descendants(driver) {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains("--type=renderer") {
            most = most.max(proc::share(pid)?);
        }
    }
    ensure!(most > 0.0, "the browser has no tab");
    Ok(most)
}
