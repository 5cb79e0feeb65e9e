//! Several windows of one browser: HTTP/1.1 has six connections for all of them, and all of them are live.

use anyhow::Result;
use fantoccini::wd::WindowHandle;
use message::{Kind, Message};
use serde_json::{Value, json};

use crate::ground::{Ground, said, to_all};
use crate::road::State;

const TEXTS: &str = "[...document.querySelectorAll('#rows .row .what')].map((what) => what.textContent)";
const STATE: &str = "document.getElementById('connection').dataset.state";
const VIEWERS: &str = "agentcomms_ingest_live_viewers";
const EVENTS: &str = "/api/agents/events";

/// Opens a page in a window of its own.
async fn window(ground: &Ground, path: &str) -> Result<WindowHandle> {
    let window = ground.browser.new_window(false).await?.handle;
    ground.browser.switch_to_window(window.clone()).await?;
    // Wide enough for the channel beside the list of runs.
    ground.resize(1360, 860).await?;
    ground.open_live(path).await?;
    Ok(window)
}

async fn windows(ground: &Ground, paths: &[&str]) -> Result<Vec<WindowHandle>> {
    let mut windows = Vec::new();
    for path in paths {
        windows.push(window(ground, path).await?);
    }
    Ok(windows)
}

/// Waits until a script says true in a window.
async fn wait_in(ground: &Ground, window: &WindowHandle, what: &str, script: &str) -> Result<()> {
    ground.browser.switch_to_window(window.clone()).await?;
    ground.wait_for(what, script).await
}

async fn wait_for_texts(ground: &Ground, window: &WindowHandle, texts: &[&str]) -> Result<()> {
    let script = format!("return JSON.stringify({TEXTS}) === JSON.stringify({})", json!(texts));
    wait_in(ground, window, &format!("it shows {texts:?}"), &script).await
}

async fn wait_for_viewers(ground: &Ground, count: f64) -> Result<()> {
    let start = std::time::Instant::now();
    loop {
        let open = ground.metric(VIEWERS).await?;
        if (open - count).abs() < 0.5 {
            return Ok(());
        }
        anyhow::ensure!(start.elapsed() < crate::ground::PATIENCE, "{open} streams are open, not {count}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The runs that the stream asks for that was opened last.
fn asked_last(ground: &Ground) -> Vec<String> {
    let asked = ground.road.asked(EVENTS).into_iter().rfind(|asked| asked.contains("runId=")).unwrap_or_default();
    let mut runs: Vec<String> =
        asked.split(['?', '&']).filter_map(|pair| Some(pair.strip_prefix("runId=")?.to_owned())).collect();
    runs.sort();
    runs
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_windows_are_live_over_two_streams() -> Result<()> {
    let ground = Ground::new().await?;
    let paths = [
        "/agents/one-uid",
        "/agents/two-uid",
        "/agents/three-uid",
        "/agents/four-uid",
        "/agents/one-uid?kind=error",
        "/agents/four-uid?agent=reviewer&step=build",
        "/agents/general",
        "/agents",
    ];
    let windows = windows(&ground, &paths).await?;
    wait_for_viewers(&ground, 2.0).await?;
    for run in ["one", "two", "three", "four"] {
        ground.publish(&said(run, "coder", &format!("{run} speaks"))).await?;
    }
    ground.publish(&Message { kind: Kind::new(Kind::ERROR).unwrap(), ..said("one", "coder", "it broke") }).await?;
    ground.publish(&said("four", "reviewer", "looks good")).await?;
    ground.publish(&to_all("two", "coder", "hear, hear")).await?;
    let shown: [&[&str]; 7] = [
        &["one speaks", "error it broke"],
        &["two speaks", "hear, hear"],
        &["three speaks"],
        &["four speaks", "looks good"],
        &["error it broke"],
        &["looks good"],
        &["hear, hear"],
    ];
    for (window, texts) in windows.iter().zip(shown) {
        wait_for_texts(&ground, window, texts).await?;
    }
    let listed =
        "return document.querySelectorAll('#runs tr').length === 4 && document.querySelectorAll('#channel .row').length === 1";
    wait_in(&ground, &windows[7], "runs and channel are shown", listed).await?;
    for window in &windows {
        wait_in(&ground, window, "it is live", &format!("return {STATE} === 'live'")).await?;
    }
    wait_for_viewers(&ground, 2.0).await?;

    // A window that is closed is asked for no longer, whatever ended it; the others go on.
    for window in [&windows[0], &windows[4]] {
        ground.browser.switch_to_window(window.clone()).await?;
        ground.browser.close_window().await?;
    }
    ground.browser.switch_to_window(windows[1].clone()).await?;
    let start = std::time::Instant::now();
    while asked_last(&ground) != ["four-uid", "three-uid", "two-uid"] {
        anyhow::ensure!(start.elapsed() < crate::ground::PATIENCE, "the stream is of {:?}", asked_last(&ground));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    ground.publish(&said("two", "coder", "still here")).await?;
    wait_for_texts(&ground, &windows[1], &["two speaks", "hear, hear", "still here"]).await?;
    for window in [&windows[6], &windows[7]] {
        ground.browser.switch_to_window(window.clone()).await?;
        ground.browser.close_window().await?;
    }
    wait_for_viewers(&ground, 1.0).await?;
    ground.browser.switch_to_window(windows[1].clone()).await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_comes_later_begins_at_its_own_place() -> Result<()> {
    let ground = Ground::new().await?;
    let mut windows = Vec::new();
    let mut texts = Vec::new();
    // Each page is made at another moment, while its run goes on: it joins behind where the others are.
    for number in 0..4 {
        let window = ground.browser.new_window(false).await?.handle;
        ground.browser.switch_to_window(window.clone()).await?;
        ground.open(if number == 2 { "/agents/other-uid" } else { "/agents/late-uid" }).await?;
        for part in 0..5 {
            let text = format!("{number}, {part}");
            ground.publish(&said("late", "coder", &text)).await?;
            texts.push(text);
        }
        ground.publish(&said("other", "coder", &format!("other {number}"))).await?;
        windows.push(window);
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for (number, window) in windows.iter().enumerate() {
        let shown = if number == 2 { &["other 0", "other 1", "other 2", "other 3"][..] } else { &texts };
        wait_for_texts(&ground, window, shown).await?;
    }
    // Another page in the same window, and back.
    ground.open_live("/agents/other-uid").await?;
    ground.publish(&said("late", "coder", "meanwhile")).await?;
    ground.open_live("/agents/late-uid").await?;
    ground.publish(&said("late", "coder", "the last")).await?;
    let texts = [&texts[..], &["meanwhile", "the last"]].concat();
    for number in [0, 1, 3] {
        wait_for_texts(&ground, &windows[number], &texts).await?;
    }
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_stands_still_goes_on_from_its_place_and_holds_up_nobody() -> Result<()> {
    let ground = Ground::new().await?;
    let windows = windows(&ground, &["/agents/frozen-uid", "/agents/frozen-uid?agent=reviewer"]).await?;
    ground.browser.switch_to_window(windows[0].clone()).await?;
    ground.tell("Page.setWebLifecycleState", json!({ "state": "frozen" })).await?;
    ground.browser.switch_to_window(windows[1].clone()).await?;
    let opened = ground.road.asked(EVENTS).len();
    // More than is handed to a window that takes nothing.
    ground.publish_all((0..2_500).map(|number| said("frozen", "coder", &format!("line {number}")))).await?;
    ground.publish(&said("frozen", "reviewer", "the end")).await?;
    wait_for_texts(&ground, &windows[1], &["the end"]).await?;
    ground.browser.switch_to_window(windows[0].clone()).await?;
    ground.tell("Page.setWebLifecycleState", json!({ "state": "active" })).await?;
    ground.tell("Page.bringToFront", json!({})).await?;
    // A browser may leave it hidden all the same. Then it draws nothing new, and counts what it has got.
    let all = format!(
        "document.getElementById('jump').click(); const last = {TEXTS}.at(-1) ?? 'line -1'; \
         const shown = last === 'the end' ? 2501 : Number(last.slice(5)) + 1; \
         const fresh = document.querySelector('#jump b').textContent.replace(/\\D/g, ''); return shown + Number(fresh) === 2501"
    );
    ground.wait_for("it has got all that was said", &all).await?;
    assert!(ground.road.asked(EVENTS).len() > opened, "everything was handed to a window that took nothing");
    wait_in(&ground, &windows[0], "it is live", &format!("return {STATE} === 'live'")).await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_window_says_how_the_connection_stands() -> Result<()> {
    let ground = Ground::new().await?;
    let paths = ["/agents/one-uid", "/agents/two-uid?kind=message", "/agents/general", "/agents"];
    let windows = windows(&ground, &paths).await?;
    ground.road.becomes(State::Answers(401));
    for (window, path) in windows.iter().zip(paths) {
        let link = format!(
            "return document.querySelector('#connection a')?.getAttribute('href') === '/login?next=' + encodeURIComponent('{path}')"
        );
        wait_in(&ground, window, "the way to sign in is shown", &link).await?;
    }
    ground.publish(&said("one", "coder", "during")).await?;
    ground.road.becomes(State::Open);
    for window in &windows {
        wait_in(&ground, window, "it is live again", &format!("return {STATE} === 'live'")).await?;
    }
    wait_for_texts(&ground, &windows[0], &["during"]).await?;

    ground.browser.switch_to_window(windows[2].clone()).await?;
    ground.offline(true).await?;
    for window in &windows {
        let offline = "return document.getElementById('connection').textContent.startsWith('Offline')";
        wait_in(&ground, window, "it says offline", offline).await?;
    }
    ground.publish(&said("two", "coder", "without a network")).await?;
    ground.browser.switch_to_window(windows[2].clone()).await?;
    ground.offline(false).await?;
    wait_for_texts(&ground, &windows[1], &["without a network"]).await?;

    let ground = ground.restart().await?;
    ground.publish(&said("one", "coder", "after the restart")).await?;
    wait_for_texts(&ground, &windows[0], &["during", "after the restart"]).await?;
    for window in &windows {
        wait_in(&ground, window, "it is live again", &format!("return {STATE} === 'live'")).await?;
    }
    wait_for_viewers(&ground, 2.0).await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_when_what_they_share_ends_and_where_nothing_can_be_shared() -> Result<()> {
    let ground = Ground::new().await?;
    let windows = windows(&ground, &["/agents/one-uid", "/agents/two-uid"]).await?;
    ground.publish(&said("one", "coder", "before")).await?;
    wait_for_texts(&ground, &windows[0], &["before"]).await?;
    let targets = ground.tell("Target.getTargets", json!({ "filter": [{ "type": "shared_worker" }] })).await?;
    let workers: Vec<&Value> = targets["targetInfos"].as_array().into_iter().flatten().collect();
    assert_eq!(workers.len(), 1, "{targets}");
    ground.tell("Target.closeTarget", json!({ "targetId": workers[0]["targetId"] })).await?;
    ground.publish(&said("one", "coder", "after")).await?;
    ground.publish(&said("two", "coder", "here too")).await?;
    wait_for_texts(&ground, &windows[0], &["before", "after"]).await?;
    wait_for_texts(&ground, &windows[1], &["here too"]).await?;

    let none = json!({ "source": "delete window.SharedWorker" });
    ground.tell("Page.addScriptToEvaluateOnNewDocument", none).await?;
    ground.open_live("/agents/two-uid").await?;
    assert_eq!(ground.ask("return typeof SharedWorker").await?, "undefined");
    ground.publish(&said("two", "coder", "alone")).await?;
    wait_for_texts(&ground, &windows[1], &["here too", "alone"]).await?;
    wait_for_viewers(&ground, 2.0).await?;
    ground.road.becomes(State::Cut);
    ground.wait_for("it is not live", &format!("return {STATE} !== 'live'")).await?;
    ground.publish(&said("two", "coder", "cut off")).await?;
    ground.road.becomes(State::Open);
    for (window, texts) in windows.iter().zip([&["before", "after"][..], &["here too", "alone", "cut off"]]) {
        wait_for_texts(&ground, window, texts).await?;
    }
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_refuses_locks_or_believes_in_no_network_is_live_all_the_same() -> Result<()> {
    let ground = Ground::new().await?;
    let refuses = "navigator.locks.request = () => Promise.reject(new DOMException('not here', 'SecurityError'))";
    ground.tell("Page.addScriptToEvaluateOnNewDocument", json!({ "source": refuses })).await?;
    ground.open_live("/agents/alone-uid").await?;
    ground.publish(&said("alone", "coder", "heard")).await?;
    ground.wait_for_rows(1).await?;
    // A server on the same machine is there without a network.
    let offline = "Object.defineProperty(navigator, 'onLine', { get: () => false })";
    ground.tell("Page.addScriptToEvaluateOnNewDocument", json!({ "source": offline })).await?;
    ground.open_live("/agents/alone-uid").await?;
    ground.road.becomes(State::Cut);
    ground.wait_for("it says offline", "return document.getElementById('connection').textContent === 'Offline'").await?;
    ground.publish(&said("alone", "coder", "meanwhile")).await?;
    ground.road.becomes(State::Open);
    ground.wait_for_rows(2).await?;
    ground.wait_for("it is live", &format!("return {STATE} === 'live'")).await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn more_runs_than_one_stream_takes_are_told_over_another() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/run-0-uid").await?;
    // As many pages as a browser would have windows; what they share does not know that they are one.
    let script = "
        const module = performance.getEntriesByType('resource').map(({ name }) => name).find((name) => name.includes('/assets/stream-'));
        const after = document.getElementById('timeline').dataset.after;
        window.told = {};
        return import(module).then(({ Stream }) => {
            for (let run = 1; run < 25; run += 1) {
                const message = (row) => (told[run] ??= []).push(row.includes(`run ${run} speaks`));
                new Stream(`/api/agents/events?runId=run-${run}-uid&view=rows`, after, { message }, () => {}).open();
            }
            return 1;
        });";
    ground.ask(script).await?;
    for turn in 0..2 {
        for run in 0..25 {
            ground.publish(&said(&format!("run-{run}"), "coder", &format!("run {run} speaks, {turn}"))).await?;
        }
    }
    let told = "const all = Object.values(told); return all.length === 24 && all.every((rows) => rows.join() === 'true,true')";
    ground.wait_for("every run is told, once", told).await?;
    ground.wait_for_rows(2).await?;
    wait_for_viewers(&ground, 2.0).await?;
    ground.end().await
}
