//! What a list is narrowed by: all of it is in the address, and most of it goes on live.

use std::time::Duration;

use anyhow::Result;
use message::Message;
use serde_json::json;

use crate::ground::{Ground, PATIENCE, said, to_all};

const TEXTS: &str = "return [...document.querySelectorAll('#rows .row .what')].map((what) => what.textContent)";
const STATE: &str = "return document.getElementById('connection').dataset.state";

fn in_stage(stage: &str, content: &str) -> Message {
    Message { stage: Some(stage.to_owned()), ..said("narrow", "coder", content) }
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_are_followed_and_texts_are_searched() -> Result<()> {
    let ground = Ground::new().await?;
    ground.publish(&in_stage("plan", "think first")).await?;
    ground.publish(&in_stage("build", "took 12 s")).await?;
    ground.publish(&in_stage("build", "took long, --release")).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("narrow", 3).await?;

    ground.open_live("/agents/narrow-uid?stage=build").await?;
    assert_eq!(ground.ask(TEXTS).await?, json!(["took 12 s", "took long, --release"]));
    ground.publish(&in_stage("plan", "think again")).await?;
    ground.publish(&in_stage("build", "took 3 s")).await?;
    ground.wait_for_rows(3).await?;
    ground.wait_for_history("narrow", 5).await?;

    let cases = [
        ("not=took", json!(["think first", "think again"])),
        ("not=first&not=TOOK", json!(["think again"])),
        ("q=took&not=--release", json!(["took 12 s", "took 3 s"])),
        ("regex=took%20%5B0-9%5D%2B%20S", json!(["took 12 s", "took 3 s"])),
        ("regex=%5Ethink&stage=plan&not=again", json!(["think first"])),
    ];
    for (query, texts) in cases {
        ground.open(&format!("/agents/narrow-uid?{query}")).await?;
        ground.wait_for("it stands still", &format!("{STATE} === 'still'")).await?;
        assert_eq!(ground.ask(TEXTS).await?, texts, "{query}");
    }
    // What is chosen is shown, and taken back one by one or together.
    let click = |text: &str| {
        format!(
            "[...document.querySelectorAll('.chip')].find((chip) => chip.textContent.trim().startsWith('{text}')).click(); return 1"
        )
    };
    ground.ask(&click("not again")).await?;
    ground.wait_for("it is taken back", "return document.querySelectorAll('#rows .row').length === 2").await?;
    ground.ask(&click("Clear filters")).await?;
    ground.wait_for("all is shown", "return document.querySelectorAll('#rows .row').length === 5").await?;
    assert_eq!(ground.ask("return document.querySelector('.chip.clear')").await?, json!(null));

    let status = |query: &str| {
        format!("return fetch('/api/agents/{query}').then(async (answer) => [answer.status, (await answer.json()).detail])")
    };
    let broken = ground.ask(&status("runs/narrow-uid/messages?regex=(")).await?;
    assert_eq!(broken[0], 400);
    assert!(broken[1].as_str().is_some_and(|detail| detail.contains("parentheses")), "{broken}");
    assert_eq!(ground.ask(&status("channels/general/messages?regex=a")).await?[0], 400);
    assert_eq!(ground.ask(&status(&format!("runs/narrow-uid/messages?regex={}", "a".repeat(501)))).await?[0], 400);
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_takes_too_long_is_ended() -> Result<()> {
    let ground = Ground::new().await?;
    // As many ways to cut it in five as there are, and the second half fits none of them.
    let text = format!("{}c{}d", "a".repeat(300), "a".repeat(301));
    ground.publish(&said("slow", "coder", &text)).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("slow", 1).await?;
    let ask = "const start = performance.now(); const regex = encodeURIComponent('^(a*)(a*)(a*)(a*)(a*)c\\\\1\\\\2\\\\3\\\\4\\\\5d$'); \
               return fetch(`/api/agents/runs/slow-uid/messages?regex=${regex}`) \
               .then((answer) => [answer.status, performance.now() - start])";
    let answer = ground.ask(ask).await?;
    assert_eq!(answer[0], 503, "{answer}");
    assert!(answer[1].as_f64().is_some_and(|took| took < 15_000.0), "{answer}");
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_keeps_filters_for_every_run() -> Result<()> {
    let ground = Ground::new().await?;
    ground.publish(&said("kept", "coder", "one")).await?;
    ground.publish(&said("kept", "reviewer", "two")).await?;
    ground.publish(&said("other", "reviewer", "three")).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("other", 1).await?;
    ground.wait_for_history("kept", 2).await?;
    ground.open_live("/agents/kept-uid?agent=reviewer&since=1h").await?;
    ground.ask("document.getElementById('keep').click(); return 1").await?;

    ground.open("/agents/kept-uid?namespace=demo").await?;
    ground.wait_for("they are taken", "return location.search === '?namespace=demo&agent=reviewer'").await?;
    ground.wait_for_rows(1).await?;
    // A link with filters of its own, and one to a message, are as they say.
    ground.open_live("/agents/kept-uid?agent=coder").await?;
    assert_eq!(ground.ask(TEXTS).await?, json!(["one"]));
    ground.open_live("/agents/kept-uid?agent=reviewer").await?;
    ground.ask("document.querySelector('.chip.clear').click(); return 1").await?;
    ground
        .wait_for(
            "all is shown",
            "return document.querySelectorAll('#rows .row').length === 2 && document.readyState === 'complete'",
        )
        .await?;
    assert_eq!(ground.ask("return document.getElementById('keep').textContent").await?, "Forget what is kept");
    ground.ask("document.getElementById('keep').click(); return 1").await?;
    ground.open_live("/agents/kept-uid").await?;
    assert_eq!(ground.ask(TEXTS).await?, json!(["one", "two"]));
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_uid_in_the_channel_leads_to_its_run() -> Result<()> {
    const UID: &str = "3f2b8c1e-52f4-4f0a-9d3e-0c1d2e3f4a5b";
    let ground = Ground::new().await?;
    ground.open_live("/agents/general").await?;
    ground.publish(&to_all("asks", "planner", &format!("look at {UID}"))).await?;
    ground.wait_for_rows(1).await?;
    ground.ask("document.querySelector('#rows a.run').click(); return 1").await?;
    ground
        .wait_for(
            "its page is open",
            &format!("return location.pathname === '/agents/{UID}' && document.readyState === 'complete'"),
        )
        .await?;
    assert_eq!(ground.ask("return document.querySelector('#nothing h2').textContent").await?, "Nothing of this run yet");
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_say_that_storing_lags() -> Result<()> {
    let ground = Ground::new().await?;
    ground.publish(&said("lags", "coder", "stored")).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("lags", 1).await?;
    assert_eq!(ground.ask("return document.querySelector('.behind')").await?, json!(null));
    let mut database = ground.database.connect().await?;
    let hindrance = database.transaction().await?;
    hindrance.batch_execute("LOCK TABLE workflow_comms.agent_messages IN EXCLUSIVE MODE").await?;
    ground.publish(&said("lags", "coder", "not stored yet")).await?;
    let start = std::time::Instant::now();
    let behind = "return fetch('/api/agents/runs').then((answer) => answer.json()).then((list) => list.behind_seconds >= 10)";
    while ground.ask(behind).await? != json!(true) {
        anyhow::ensure!(start.elapsed() < PATIENCE + Duration::from_secs(10), "the API does not tell");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for path in ["/agents", "/agents/lags-uid", "/agents/general"] {
        ground.open(path).await?;
        let told = ground.ask("return document.querySelector('.behind')?.textContent").await?;
        assert!(told.as_str().is_some_and(|told| told.starts_with("Storing is 1")), "{path}: {told}");
    }
    // What is said is shown all the same.
    ground.open_live("/agents/lags-uid").await?;
    assert_eq!(ground.ask(TEXTS).await?, json!(["stored", "not stored yet"]));
    hindrance.rollback().await?;
    ground.wait_for_history("lags", 2).await?;
    ground.open("/agents").await?;
    assert_eq!(ground.ask("return document.querySelector('.behind')").await?, json!(null));
    ground.end().await
}
