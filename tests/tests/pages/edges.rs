//! What lies over an edge of the window that a page is: between history and what is live, between a call and its result, at a
//! row that folds under the reader.

use anyhow::Result;
use message::{Kind, Message, Tool};
use serde_json::json;

use crate::ground::{Ground, said};
use crate::road::State;

const LAST: &str = "[...document.querySelectorAll('#rows .row .what')].at(-1)?.textContent";

fn of_kind(kind: &str, message: Message) -> Message {
    Message { kind: Kind::new(kind).unwrap_or_else(Kind::message), ..message }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_stored_yet_is_there_again_whoever_went_away_from_the_end() -> Result<()> {
    const STORED: usize = 200;
    let ground = Ground::new().await?;
    ground.publish_all((0..STORED).map(|number| said("lags", "coder", &format!("line {number}")))).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("lags", STORED).await?;
    ground.open_live("/agents/lags-uid").await?;
    let database = ground.database.connect().await?;
    database.batch_execute("BEGIN; LOCK TABLE workflow_comms.agent_messages IN EXCLUSIVE MODE").await?;
    for number in 0..5 {
        ground.publish(&said("lags", "coder", &format!("unstored {number}"))).await?;
    }
    ground.wait_for("they are shown", &format!("return {LAST} === 'unstored 4'")).await?;
    ground.press("g").await?;
    let first = "return document.querySelector('#rows .row .what').textContent === 'line 0'";
    ground.wait_for("the list is shown from its start", first).await?;
    assert_eq!(ground.ask(&format!("return {LAST} === 'unstored 4'")).await?, false);
    ground.press("G").await?;
    ground.wait_for("they are shown again", &format!("return {LAST} === 'unstored 4'")).await?;
    let unstored = "return [...document.querySelectorAll('#rows .row .what')].filter((what) => what.textContent.startsWith('unstored')).length";
    assert_eq!(ground.ask(unstored).await?, 5);
    database.batch_execute("ROLLBACK").await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_keeps_its_result_when_it_was_let_go_before_it() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/cut-uid").await?;
    let tool = |kind: &str, tool: Tool| {
        let tool = tool.with("call_id", "one").with("name", "bash");
        Message { content: None, tool: Some(tool), ..of_kind(kind, said("cut", "coder", "")) }
    };
    let lines = |from: usize, to: usize| (from..to).map(|number| said("cut", "coder", &format!("line {number}")));
    ground.publish(&tool(Kind::TOOL_CALL, Tool::default().with("arguments", json!({ "command": "make" })))).await?;
    ground.publish_all(lines(0, 100)).await?;
    ground.publish(&tool(Kind::TOOL_RESULT, Tool::default().with("exit_code", 0).with("output", "made"))).await?;
    let outcome = "document.querySelector('#rows .row.call .outcome')?.textContent";
    ground.wait_for("the call has its result", &format!("return {outcome} === 'exit 0'")).await?;
    ground.publish_all(lines(100, 380)).await?;
    ground.wait_for("the call has left the page", &format!("return {LAST} === 'line 379' && {outcome} === undefined")).await?;
    // The result is after the first row of the page.
    let between = "const first = document.querySelector('#rows .row .what').textContent.match(/^line (\\d+)$/); return Number(first[1]) < 100";
    assert_eq!(ground.ask(between).await?, true);
    let back = format!("document.getElementById('timeline').scrollTop = 0; return {outcome} !== undefined");
    ground.wait_for("the call is there again", &back).await?;
    assert_eq!(ground.ask(&format!("return {outcome}")).await?, "exit 0");
    let output = "return document.querySelector('#rows .row.call .results').textContent.includes('made')";
    assert_eq!(ground.ask(output).await?, true);
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_focus_stays_at_a_row_that_is_folded() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/folds-uid").await?;
    for text in ["first", "second"] {
        ground.publish(&of_kind(Kind::STATUS, said("folds", "coder", text))).await?;
        ground
            .wait_for("it is shown", &format!("return document.querySelector('#rows')?.textContent.includes('{text}')"))
            .await?;
        if text == "first" {
            ground.press("k").await?;
        }
    }
    ground.wait_for("they are folded", "return document.querySelector('#rows .fold .row') !== null").await?;
    let at = "return document.activeElement.matches('#rows .row') && document.activeElement.textContent.includes('first')";
    assert_eq!(ground.ask(at).await?, true);
    ground.press("j").await?;
    assert_eq!(ground.ask("return document.activeElement.textContent.includes('second')").await?, true);
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_to_which_nothing_new_belongs_shows_what_is_kept_after_a_reset() -> Result<()> {
    const NEW: i64 = 600;
    let ground = Ground::new().await?;
    ground.open_live("/agents/kept-uid?kind=error").await?;
    ground.publish(&of_kind(Kind::ERROR, said("kept", "coder", "old"))).await?;
    ground.wait_for_rows(1).await?;
    ground.road.becomes(State::Cut);
    ground.wait_for("it is cut off", "return document.getElementById('connection').dataset.state !== 'live'").await?;
    for text in ["gone", "kept"] {
        ground.publish(&of_kind(Kind::ERROR, said("kept", "coder", text))).await?;
    }
    ground.publish_all((0..NEW).map(|number| said("kept", "coder", &format!("new {number}")))).await?;
    ground.drop_before(3, NEW + 3).await?;
    let ground = ground.restart().await?;
    ground.road.becomes(State::Open);
    ground.wait_for("what is kept is shown", &format!("return {LAST} === 'errorkept' || {LAST} === 'error kept'")).await?;
    let notice = "return document.querySelector('#rows .notice')?.textContent";
    assert_eq!(ground.ask(notice).await?, "Some messages before these are no longer in the stream.");
    assert_eq!(ground.ask("return document.querySelectorAll('#rows .row').length").await?, 1);
    ground.end().await
}
