//! The page of a run.

use anyhow::Result;
use message::{Kind, Message, Tool};
use serde_json::{Value, json};

use crate::ground::{Ground, said};

const CURSORS: &str = "return [...document.querySelectorAll('#rows .row')].map((row) => row.dataset.cursor)";

fn kind(kind: &str) -> Kind {
    Kind::new(kind).unwrap_or_else(Kind::message)
}

fn tool(run: &str, word: &str, tool: Tool) -> Message {
    Message { kind: kind(word), content: None, tool: Some(tool), ..said(run, "coder", "") }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_and_live_rows_are_in_one_order() -> Result<()> {
    let ground = Ground::new().await?;
    // A page of a run that has not spoken yet waits for its first message.
    ground.open_live("/agents/order-uid").await?;
    for number in 0..5 {
        ground.publish(&said("order", "coder", &format!("before {number}"))).await?;
    }
    ground.wait_for_rows(5).await?;
    ground.open_live("/agents/order-uid").await?;
    for number in 0..5 {
        ground.publish(&said("order", "reviewer", &format!("after {number}"))).await?;
        ground.publish(&said("other", "coder", "of another run")).await?;
    }
    ground.wait_for_rows(10).await?;
    let live = ground.ask(CURSORS).await?;
    let texts = ground.ask("return [...document.querySelectorAll('#rows .what')].map((what) => what.textContent)").await?;
    let expected: Vec<String> =
        (0..5).map(|number| format!("before {number}")).chain((0..5).map(|number| format!("after {number}"))).collect();
    assert_eq!(texts, json!(expected));

    // The same page loaded again, when all of it is history, is the same list.
    let all_stored = "return fetch('/api/agents/runs/order-uid/messages').then((answer) => answer.json()).then((page) => page.messages?.length === 10)";
    ground.wait_for("everything is history", all_stored).await?;
    ground.open_live("/agents/order-uid").await?;
    ground.wait_for_rows(10).await?;
    assert_eq!(ground.ask(CURSORS).await?, live);
    let named = "return [...document.querySelectorAll('#rows .row:not(.same) .agent')].map((agent) => agent.textContent)";
    assert_eq!(ground.ask(named).await?, json!(["coder", "reviewer"]));
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_result_joins_its_call_and_status_rows_fold() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/tools-uid").await?;
    let call = Tool::default().with("call_id", "c1").with("name", "bash").with("arguments", json!({"command": "cargo test"}));
    ground.publish(&tool("tools", Kind::TOOL_CALL, call)).await?;
    ground.wait_for_rows(1).await?;
    let result = Tool::default().with("call_id", "c1").with("exit_code", 101).with("duration_ms", 12_400).with("output", "boom");
    ground.publish(&tool("tools", Kind::TOOL_RESULT, result)).await?;
    ground
        .wait_for("the result is in its call", "return document.querySelector('.tool .results pre')?.textContent === 'boom'")
        .await?;
    assert_eq!(ground.ask("return document.querySelectorAll('#rows .row').length").await?, 1);
    assert_eq!(ground.ask("return document.querySelector('.tool .outcome').textContent").await?, "12.4 sexit 101");

    for number in 0..3 {
        ground.publish(&Message { kind: kind(Kind::STATUS), ..said("tools", "coder", &format!("step {number}")) }).await?;
    }
    ground.wait_for("the rows fold", "return document.querySelector('.fold .count')?.textContent === '3 status updates'").await?;

    // Loaded again, the server shows the same.
    ground.wait_for("the result is history", "return fetch('/api/agents/runs/tools-uid/messages').then((answer) => answer.json()).then((page) => page.messages?.length === 5)").await?;
    ground.open("/agents/tools-uid").await?;
    assert_eq!(ground.ask("return document.querySelector('.tool .results pre')?.textContent").await?, "boom");
    assert_eq!(ground.ask("return document.querySelector('.fold .count').textContent").await?, "3 status updates");
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_finds_its_call_on_an_older_page() -> Result<()> {
    let ground = Ground::new().await?;
    let call = Tool::default().with("call_id", "far").with("name", "bash").with("arguments", json!({"command": "sleep 600"}));
    ground.publish(&tool("far", Kind::TOOL_CALL, call)).await?;
    ground.publish_all((0..250).map(|number| said("far", "coder", &format!("line {number}")))).await?;
    let long = "x".repeat(30_000);
    let result = Tool::default().with("call_id", "far").with("exit_code", 0).with("output", long.as_str());
    ground.publish(&tool("far", Kind::TOOL_RESULT, result)).await?;
    ground.open("/agents/far-uid").await?;
    ground.wait_for_history("far", 252).await?;
    ground.open_live("/agents/far-uid").await?;
    assert_eq!(ground.ask("return document.querySelectorAll('#rows .call').length").await?, 1);
    let joined = "document.getElementById('timeline').scrollTop = 0; const calls = document.querySelectorAll('#rows .call'); \
                  return calls.length === 1 && calls[0].dataset.kind === 'tool_call' && calls[0].querySelector('.outcome').textContent === 'exit 0'";
    ground.wait_for("the result is in its call", joined).await?;

    // A long text is fetched when it is opened, and not before.
    let shown = "document.querySelector('.results pre').textContent.length";
    assert_eq!(ground.ask(&format!("return {shown}")).await?, 1_024);
    ground.ask("document.querySelector('#rows .call details').open = true; return 1").await?;
    ground.wait_for("the whole text is there", &format!("return {shown} === 30000")).await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_looks_back_is_not_moved() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/long-uid").await?;
    for number in 0..60 {
        ground.publish(&said("long", "coder", &format!("line {number}"))).await?;
    }
    ground.wait_for_rows(60).await?;
    let at_end =
        "const box = document.getElementById('timeline'); return box.scrollHeight - box.scrollTop - box.clientHeight < 40";
    ground.wait_for("the list follows", at_end).await?;

    ground.ask("document.getElementById('timeline').scrollTop = 100; return 1").await?;
    for number in 60..63 {
        ground.publish(&said("long", "coder", &format!("line {number}"))).await?;
    }
    ground.wait_for("what is new is counted", "return document.querySelector('#jump b').textContent === '3 new'").await?;
    assert_eq!(ground.ask("return document.getElementById('timeline').scrollTop").await?, 100);
    ground.ask("document.getElementById('jump').click(); return 1").await?;
    ground.wait_for("the list is at its end", at_end).await?;
    assert_eq!(ground.ask("return document.getElementById('jump').hidden").await?, true);

    // Paused, rows wait; resumed, all of them come.
    ground.ask("document.getElementById('pause').click(); return 1").await?;
    ground.publish(&said("long", "coder", "held")).await?;
    ground
        .wait_for("what is held is counted", "return document.querySelector('#jump b').textContent === 'Paused, 1 new'")
        .await?;
    assert_eq!(ground.ask("return document.querySelectorAll('#rows .row').length").await?, 63);
    ground.ask("document.getElementById('pause').click(); return 1").await?;
    ground.wait_for_rows(64).await?;
    let reload: Value = ground.ask("return document.getElementById('connection').textContent").await?;
    assert_eq!(reload, "Live");
    ground.end().await
}
