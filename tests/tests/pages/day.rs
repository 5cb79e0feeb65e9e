//! A page that stays open all day is true at the end of it, also where nothing was said that would change it.

use anyhow::Result;
use message::{Kind, Message};
use serde_json::json;

use crate::ground::{Ground, said};
use crate::road::State;

/// What a page does every so often, it does a hundred times as often: nobody waits for a minute.
async fn hurry(ground: &Ground) -> Result<()> {
    let script = "const every = setInterval; window.setInterval = (task, time, ...rest) => every(task, time / 100, ...rest)";
    ground.tell("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await.map(drop)
}

/// The end of a run that has one step.
fn end(run: &str, code: i32) -> Message {
    let end = said(run, "sidecar", "step ended");
    let attrs = json!({ "exit_code": code }).as_object().cloned().unwrap_or_default();
    Message { kind: Kind::new(Kind::STEP_END).unwrap_or_else(Kind::message), attrs, ..end }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_run_tells_its_state_and_its_counts_when_it_hears_nothing() -> Result<()> {
    let ground = Ground::new().await?;
    hurry(&ground).await?;
    ground.publish(&said("quiet", "coder", "at work")).await?;
    ground.publish(&end("quiet", 0)).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("quiet", 2).await?;
    ground.open_live("/agents/quiet-uid?kind=error").await?;
    let state = "document.querySelector('.heading .state').textContent";
    assert_eq!(ground.ask(&format!("return {state}")).await?, "running");
    ground.publish(&said("quiet", "coder", "nothing that this page shows")).await?;
    let counted = "return document.querySelector('.heading').textContent.includes('3 messages')";
    ground.wait_for("what it leaves out is counted", counted).await?;
    // As if a minute had passed since.
    let sql = ground.database.connect().await?;
    sql.execute("UPDATE workflow_comms.runs SET last_at = last_at - interval '1 minute'", &[]).await?;
    ground.wait_for("it is told that the run has succeeded", &format!("return {state} === 'succeeded'")).await?;
    // And who comes back to it sees how old it is.
    ground.road.becomes(State::Cut);
    let chip = "document.getElementById('connection')";
    ground.wait_for("it is cut off", &format!("return {chip}.dataset.state !== 'live'")).await?;
    ground.ask("const now = Date.now; Date.now = () => now() + 120000; return 1").await?;
    ground.wait_for("it is stale", &format!("return / as of \\d\\d:\\d\\d UTC$/.test({chip}.textContent)")).await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_runs_has_no_row_that_does_not_belong_there_and_tells_how_old_each_is() -> Result<()> {
    let ground = Ground::new().await?;
    hurry(&ground).await?;
    ground.open_live("/agents?state=active").await?;
    for run in ["works", "breaks"] {
        ground.publish(&said(run, "coder", "at work")).await?;
    }
    let names = "[...document.querySelectorAll('#runs th')].map((name) => name.textContent)";
    ground.wait_for("both are listed", &format!("return {names}.length === 2")).await?;
    ground.point_at("#runs tr").await?;
    ground.publish(&end("breaks", 1)).await?;
    ground.wait_for("that one left is counted", "return document.getElementById('updated').textContent === '1 updated'").await?;
    assert_eq!(ground.ask(&format!("return {names}.length")).await?, 2, "a row went from under the pointer");
    ground.ask("document.getElementById('updated').click(); return 1").await?;
    assert_eq!(ground.ask(&format!("return {names}")).await?, json!(["works"]));

    let age = "document.querySelector('#runs time').textContent";
    for (hours, told) in [(2, "2 h ago"), (25, "25 h ago")] {
        let later = format!("const now = Date.now; Date.now = () => now() + {hours} * 3600000; return 1");
        ground.ask(&later).await?;
        let told = if hours < 24 { format!("return {age} === '{told}'") } else { format!("return !{age}.endsWith('ago')") };
        ground.wait_for(&format!("it is {hours} h old"), &told).await?;
    }

    ground.open_live("/agents").await?;
    ground.publish_all((0..230).map(|number| said(&format!("many-{number}"), "coder", "one of many"))).await?;
    let full =
        format!("const names = {names}; return names.length === 200 && names[0] === 'many-229' && names[199] === 'many-30'");
    ground.wait_for("the newest are listed", &full).await?;
    ground.ask("document.querySelector('.older a').click(); return 1").await?;
    let older = format!("return location.search.includes('before=') && {names}[0] === 'many-29' && {names}.at(-1) === 'works'");
    ground.wait_for("the older ones are there", &older).await?;
    ground.end().await
}
