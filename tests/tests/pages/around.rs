//! What stands around the list of a run: the rail beside it, and the bars over time.

use anyhow::{Context as _, Result};
use message::{Kind, Message};
use serde_json::{Value, json};

use crate::ground::{Ground, said};
use crate::story;

/// Messages of the run that is drawn over.
const COUNT: usize = 90;
const AGENTS: &str = "return [...new Set([...document.querySelectorAll('#rows .row .agent')].map((agent) => agent.textContent))]";

fn of(step: &str, agent: &str, content: &str) -> Message {
    Message { step_id: Some(step.to_owned()), pod: Some(format!("rail-{step}")), ..said("rail", agent, content) }
}

fn ended(step: &str, code: Option<i32>) -> Message {
    let mut end = Message { kind: Kind::new(Kind::STEP_END).unwrap_or_else(Kind::message), ..of(step, "sidecar", "step ended") };
    if let Some(code) = code {
        end.attrs.insert("exit_code".to_owned(), json!(code));
    }
    end
}

/// Follows a link of the rail, as somebody who points at it does.
async fn follow(ground: &Ground, text: &str) -> Result<()> {
    let click = format!(
        "[...document.querySelectorAll('#about a')].find((link) => link.textContent.trim() === '{text}').click(); return 1"
    );
    ground.ask(&click).await.map(drop)
}

/// The filters in the address of the page.
async fn filters(ground: &Ground) -> Result<Value> {
    ground.ask("return [...new URL(location.href).searchParams].map((pair) => pair.join('='))").await
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_and_steps_beside_the_list_are_filters_and_steps_tell_how_they_ended() -> Result<()> {
    let ground = Ground::new().await?;
    ground.resize(1360, 860).await?;
    let messages = [
        of("plan", "planner", "first"),
        of("build", "coder", "second"),
        of("build", "coder", "third"),
        of("test", "coder", "fourth"),
        of("test", "reviewer", "fifth"),
        ended("plan", Some(0)),
        ended("build", Some(3)),
        ended("lost", None),
    ];
    let count = messages.len();
    ground.publish_all(messages.into_iter()).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("rail", count).await?;
    ground.open_live("/agents/rail-uid").await?;
    ground.wait_for_rows(count).await?;

    // The sidecar speaks for no one, so it is in no list of agents.
    let list = |number: usize| {
        format!(
            "return [...document.querySelectorAll('#about ul')][{number}].innerText.split('\\n').map((line) => line.trim()).filter((line) => line !== '').join(' ').replace(/ \\d+ (s|m)\\b/g, '')"
        )
    };
    assert_eq!(ground.ask(&list(0)).await?, "coder 3 planner 1 reviewer 1");
    let steps = ground.ask(&list(1)).await?;
    let steps = steps.as_str().context("the rail has no steps")?;
    for told in ["plan · 1 exit 0", "build · 1 exit 3", "test · 1 running", "lost · 1 ended"] {
        assert!(steps.contains(told), "{told} in {steps}");
    }
    let failed = "return [...document.querySelectorAll('#about .failed')].map((end) => end.textContent.slice(0, 6))";
    assert_eq!(ground.ask(failed).await?, json!(["exit 3"]));

    follow(&ground, "coder").await?;
    ground.wait_for("the coder's rows are shown", "return document.querySelectorAll('#rows .row').length === 3").await?;
    assert_eq!(ground.ask(AGENTS).await?, json!(["coder"]));
    follow(&ground, "test · 1").await?;
    ground.wait_for("those of the step are", "return document.querySelectorAll('#rows .row').length === 1").await?;
    assert_eq!(filters(&ground).await?, json!(["agent=coder", "step=test"]));
    let set = "return [...document.querySelectorAll('#about a[aria-current]')].map((link) => link.textContent.trim())";
    assert_eq!(ground.ask(set).await?, json!(["coder", "test · 1"]));
    // Such a page is live too, for what the filters let through.
    ground.wait_for("it is live", "return document.getElementById('connection').dataset.state === 'live'").await?;
    for (step, agent, text) in [("build", "coder", "no"), ("test", "reviewer", "no"), ("test", "coder", "sixth")] {
        ground.publish(&of(step, agent, text)).await?;
    }
    ground.wait_for("the row came", "return document.querySelectorAll('#rows .row').length > 1").await?;
    let texts = "return [...document.querySelectorAll('#rows .what')].map((what) => what.textContent)";
    assert_eq!(ground.ask(texts).await?, json!(["fourth", "sixth"]));
    follow(&ground, "test · 1").await?;
    ground.wait_for("the step is taken back", "return new URL(location.href).searchParams.get('step') === null").await?;
    ground.wait_for("the coder's rows are shown", "return document.querySelectorAll('#rows .row').length === 5").await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_logs_tell_are_in_the_summary() -> Result<()> {
    let ground = Ground::new().await?;
    ground.resize(1360, 860).await?;
    story::tell(&ground).await?;
    ground.open("/agents").await?;
    ground.wait_for_history(story::RUN, story::COUNT).await?;
    ground.open_live("/agents/fix-bug-uid").await?;
    let tokens = "return document.querySelector('#tokens dd')?.textContent ?? null";
    assert_eq!(ground.ask(tokens).await?, "41 k in · 9,050 out");
    // A run whose logs tell none says nothing of it.
    ground.open_live("/agents/docs-refresh-uid").await?;
    assert_eq!(ground.ask(tokens).await?, Value::Null);
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_drawn_over_the_bars_is_shown_alone() -> Result<()> {
    let ground = Ground::new().await?;
    ground.resize(1360, 860).await?;
    // Each waits for the stream to have it, so that the run takes its time.
    for number in 0..COUNT {
        ground.publish(&said("drawn", "coder", &format!("line {number}"))).await?;
    }
    ground.open("/agents").await?;
    ground.wait_for_history("drawn", COUNT).await?;
    ground.open_live("/agents/drawn-uid").await?;
    ground.wait_for_rows(COUNT).await?;
    let seen = "return document.querySelectorAll('#spread .bar.seen').length";
    ground.wait_for("the bars on screen are marked", "return document.querySelectorAll('#spread .bar.seen').length > 0").await?;
    let bars = ground.ask("return document.querySelectorAll('#spread .bar').length").await?;
    assert!(ground.ask(seen).await?.as_u64() < bars.as_u64(), "every bar is marked, though not every row is on screen");

    // A click without a way is a link to the bar; a way over the bars is a range.
    ground.drag_over("#spread svg", (0.25, 0.5)).await?;
    ground
        .wait_for("the range is in the address", "return ['since', 'until'].every((name) => new URL(location.href).searchParams.has(name)) && document.readyState === 'complete'")
        .await?;
    let inside = "const query = new URL(location.href).searchParams; const [since, until] = ['since', 'until'].map((name) => Date.parse(query.get(name))); \
                  const rows = [...document.querySelectorAll('#rows .row')]; \
                  return [rows.length, rows.every((row) => Number(row.dataset.at) >= since - 1 && Number(row.dataset.at) <= until)]";
    let told = ground.ask(inside).await?;
    let count = told[0].as_u64().unwrap_or_default();
    assert!((1..COUNT as u64).contains(&count) && told[1] == true, "{told}");
    let quarter = "const query = new URL(location.href).searchParams; const spread = document.getElementById('spread').dataset; \
                   return (Date.parse(query.get('until')) - Date.parse(query.get('since'))) / (spread.to - spread.from)";
    let quarter = ground.ask(quarter).await?.as_f64().context("the range has no length")?;
    assert!((quarter - 0.25).abs() < 0.05, "{quarter} of the run");
    assert_eq!(ground.ask("return document.getElementById('connection').textContent").await?, "Not live");
    ground.ask("document.querySelector('#spread .whole').click(); return 1").await?;
    ground
        .wait_for("the whole run is shown", &format!("return document.querySelectorAll('#rows .row').length === {COUNT}"))
        .await?;

    // Up to the end, it has the last message and what follows.
    ground.drag_over("#spread svg", (0.5, 1.0)).await?;
    ground
        .wait_for(
            "the range has no end",
            "const query = new URL(location.href).searchParams; return query.has('since') && !query.has('until')",
        )
        .await?;
    let live = "return document.readyState === 'complete' && document.getElementById('connection').dataset.state === 'live'";
    ground.wait_for("what follows is shown", live).await?;
    let last = "return [...document.querySelectorAll('#rows .row .what')].at(-1).textContent";
    assert_eq!(ground.ask(last).await?, format!("line {}", COUNT - 1));
    ground.ask("document.querySelector('#spread .whole').click(); return 1").await?;
    ground
        .wait_for("the whole run is shown", &format!("return document.querySelectorAll('#rows .row').length === {COUNT}"))
        .await?;

    // A pointer that was released elsewhere draws nothing when it comes back.
    let box_of = "const box = document.querySelector('#spread svg').getBoundingClientRect(); return [box.left + box.width / 2, box.top + 9]";
    let at = ground.ask(box_of).await?;
    let (x, y) = (at[0].as_f64().context("no bars")?, at[1].as_f64().context("no bars")?);
    for (kind, x, y, buttons) in [
        ("mouseMoved", x, y, 0),
        ("mousePressed", x, y, 1),
        ("mouseMoved", x + 2.0, y + 300.0, 1),
        ("mouseReleased", x + 2.0, y + 300.0, 0),
        ("mouseMoved", x + 90.0, y, 0),
        ("mouseMoved", x + 120.0, y, 0),
    ] {
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let event = json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1 });
        ground.tell("Input.dispatchMouseEvent", event).await?;
    }
    assert_eq!(ground.ask("return document.querySelectorAll('#spread .range').length").await?, 0);

    // A bar leads to its first row.
    let bar = "const bars = [...document.querySelectorAll('#spread a')]; const bar = bars[Math.floor(bars.length / 2)]; \
               const box = bar.getBoundingClientRect(); return [bar.getAttribute('href'), Number(bar.querySelector('.bar').dataset.bar)]";
    let bar = ground.ask(bar).await?;
    let place = bar[1].as_f64().context("a bar has no number")? / 120.0 + 0.002;
    ground.drag_over("#spread svg", (place, place)).await?;
    let there = format!("return location.pathname + location.search === '{}'", bar[0].as_str().unwrap_or_default());
    ground.wait_for("the bar is followed", &there).await?;
    ground.end().await
}
