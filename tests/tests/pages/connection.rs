//! What a page does when its connection fails: it says so, comes back by itself, and shows everything that was said meanwhile, once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tests::look::Look;

use crate::ground::{Ground, PATIENCE, said};
use crate::road::State;

const TEXTS: &str = "return [...document.querySelectorAll('#rows .row .what')].map((what) => what.textContent)";
const STATE: &str = "document.getElementById('connection').dataset.state";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_comes_back_by_itself_and_misses_nothing() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/cut-uid").await?;
    ground.ask("window.marked = true; return 1").await?;
    let mut said_so_far = Vec::new();
    let faults = [
        ("a proxy that closes idle connections", State::Cut),
        ("a server that is full", State::Answers(503)),
        ("a token that has ended", State::Answers(401)),
        ("a proxy without a server", State::Answers(502)),
    ];
    for (what, fault) in faults {
        let before = format!("before {what}");
        ground.publish(&said("cut", "coder", &before)).await?;
        said_so_far.push(before);
        ground.wait_for_rows(said_so_far.len()).await?;
        ground.road.becomes(fault);
        ground.wait_for("the page says that it is not live", &format!("return {STATE} !== 'live'")).await?;
        if fault == State::Answers(401) {
            let sign_in =
                "return document.querySelector('#connection a')?.getAttribute('href') === '/login?next=%2Fagents%2Fcut-uid'";
            ground.wait_for("the way to sign in is shown", sign_in).await?;
        }
        let during = format!("during {what}");
        ground.publish(&said("cut", "coder", &during)).await?;
        said_so_far.push(during);
        ground.road.becomes(State::Open);
        ground.wait_for_rows(said_so_far.len()).await?;
        ground.wait_for("the page is live", &format!("return {STATE} === 'live'")).await?;
    }
    assert_eq!(ground.ask(TEXTS).await?, json!(said_so_far));
    assert_eq!(ground.ask("return window.marked").await?, true, "the page was loaded again");
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_laptop_waits_for_its_network() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/laptop-uid").await?;
    ground.offline(true).await?;
    ground.wait_for("it says offline", "return document.getElementById('connection').textContent.startsWith('Offline')").await?;
    ground.publish(&said("laptop", "coder", "meanwhile")).await?;
    ground.offline(false).await?;
    ground.wait_for_rows(1).await?;
    ground.wait_for("the page is live", &format!("return {STATE} === 'live'")).await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_on_at_what_replaces_its_replica_and_at_another_one() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/moved-uid").await?;
    ground.publish(&said("moved", "coder", "first")).await?;
    ground.wait_for_rows(1).await?;
    let ground = ground.restart().await?;
    ground.publish(&said("moved", "coder", "after the restart")).await?;
    ground.wait_for_rows(2).await?;
    ground.wait_for("the page is live", &format!("return {STATE} === 'live'")).await?;
    // While it is cut off nobody is told.
    ground.road.becomes(State::Cut);
    ground.wait_for("the page says that it is not live", &format!("return {STATE} !== 'live'")).await?;
    ground.publish(&said("moved", "coder", "meanwhile")).await?;
    let other = ground.another_replica().await?;
    ground.road.leads_to(other.running.api);
    ground.road.becomes(State::Open);
    ground.publish(&said("moved", "coder", "at the other")).await?;
    ground.wait_for_rows(4).await?;
    ground.wait_for("the page is live", &format!("return {STATE} === 'live'")).await?;
    assert_eq!(ground.ask(TEXTS).await?, json!(["first", "after the restart", "meanwhile", "at the other"]));
    other.end().await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_no_longer_kept_is_told_and_the_newest_follows() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/kept-uid").await?;
    ground.publish(&said("kept", "coder", "old")).await?;
    ground.wait_for_rows(1).await?;
    ground.road.becomes(State::Cut);
    ground.wait_for("the page says that it is not live", &format!("return {STATE} !== 'live'")).await?;
    for number in 0..3 {
        ground.publish(&said("kept", "coder", &format!("new {number}"))).await?;
    }
    // What the page was told, and what came after it, is dropped.
    ground.drop_before(4, 4).await?;
    // A replica that begins now does not remember it.
    let ground = ground.restart().await?;
    ground.road.becomes(State::Open);
    ground.wait_for("the notice is shown", "return document.querySelector('#rows .notice') !== null").await?;
    ground.wait_for_rows(1).await?;
    assert_eq!(ground.ask(TEXTS).await?, json!(["new 2"]));
    let notice = "return document.querySelector('#rows .notice')?.textContent";
    assert_eq!(ground.ask(notice).await?, "Some messages before these are no longer in the stream.");
    ground.wait_for("the page is live", &format!("return {STATE} === 'live'")).await?;
    ground.wait_for("its counts are there", "return document.getElementById('messages')?.dataset.count === '4'").await?;
    let mut look = Look::new(&ground.browser, &ground.chromium).await?;
    look.at("place-no-longer-kept", &["Some messages before these are no longer in the stream.", "new 2", "Live"]).await?;
    look.end()?;
    ground.end().await
}

/// Heartbeats that come more often than by default: what pages wait for is told in heartbeats.
const OFTEN: [&str; 2] = ["--heartbeat-seconds", "3"];
/// Three missed is too many.
const NOTICED: Duration = Duration::from_secs(9);
/// A clock that stood still for two was asleep; and for longer than a page takes to look.
const ASLEEP: Duration = Duration::from_secs(8);

/// Waits until what the page was loaded over has been closed as idle: its stream alone is open.
async fn wait_until_alone(ground: &Ground) {
    let start = Instant::now();
    while ground.road.connections() > 1 {
        assert!(start.elapsed() < PATIENCE, "idle connections stay open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_only_seems_open_is_noticed() -> Result<()> {
    let ground = Ground::with(&OFTEN).await?;
    ground.open_live("/agents/silent-uid").await?;
    wait_until_alone(&ground).await;
    // It stays quiet for longer than that: heartbeats alone tell that it is there.
    let path = "/api/agents/events";
    tokio::time::sleep(NOTICED).await;
    assert_eq!(ground.road.asked(path).len(), 1, "a quiet stream was opened again");
    assert_eq!(ground.ask(&format!("return {STATE}")).await?, "live");

    ground.road.forgets();
    let start = Instant::now();
    ground.publish(&said("silent", "coder", "unheard")).await?;
    while ground.road.asked(path).len() == 1 {
        assert!(start.elapsed() < NOTICED, "nobody noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ground.wait_for_rows(1).await?;
    ground.wait_for("the page is live", &format!("return {STATE} === 'live'")).await?;
    assert_eq!(ground.ask(TEXTS).await?, json!(["unheard"]));
    ground.end().await
}

/// A process and all that it started.
fn with_descendants(first: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // After the name, which may hold anything, come the state and the parent.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(id);
    }
    let mut all = vec![first];
    let mut next = 0;
    while let Some(id) = all.get(next) {
        all.extend(children.remove(id).unwrap_or_default());
        next += 1;
    }
    all
}

fn signal(processes: &[u32], signal: rustix::process::Signal) {
    for id in processes.iter().filter_map(|id| rustix::process::Pid::from_raw(i32::try_from(*id).ok()?)) {
        // Some may have ended meanwhile.
        assert!(matches!(rustix::process::kill_process(id, signal), Ok(()) | Err(rustix::io::Errno::SRCH)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_laptop_that_was_asleep_is_live_again_when_it_wakes() -> Result<()> {
    let ground = Ground::with(&OFTEN).await?;
    ground.open_live("/agents/lid-uid").await?;
    wait_until_alone(&ground).await;
    let browser = with_descendants(ground.chromium.id());
    signal(&browser, rustix::process::Signal::STOP);
    // Nobody is told that the connection ended.
    ground.road.forgets();
    ground.publish(&said("lid", "coder", "while it slept")).await?;
    tokio::time::sleep(ASLEEP).await;
    signal(&browser, rustix::process::Signal::CONT);
    let start = Instant::now();
    ground.wait_for_rows(1).await?;
    ground.wait_for("the page is live", &format!("return {STATE} === 'live'")).await?;
    assert!(start.elapsed() < Duration::from_secs(15), "it took {:?}", start.elapsed());
    ground.end().await
}
