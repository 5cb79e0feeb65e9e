//! The list of runs.

use anyhow::Result;
use message::{Kind, Message};
use serde_json::json;

use crate::ground::{Ground, said, to_all};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_appears_with_its_first_message_and_stays_current() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/").await?;
    assert_eq!(ground.ask("return location.pathname").await?, "/agents");
    assert_eq!(ground.ask("return document.getElementById('nothing').textContent.includes('kubectl label')").await?, true);

    ground.publish(&said("listed", "coder", "at work")).await?;
    let names = "[...document.querySelectorAll('#runs th')].map((name) => name.textContent)";
    ground.wait_for("the run is listed", &format!("return {names}.includes('listed')")).await?;
    ground.publish(&Message { kind: Kind::new(Kind::ERROR).unwrap(), ..said("listed", "coder", "it broke") }).await?;
    ground.wait_for("its error is counted", "return document.querySelector('#runs td.failed')?.textContent === '1'").await?;

    ground.publish(&said("later", "coder", "also")).await?;
    ground.wait_for("the second run is listed", &format!("return {names}.length === 2")).await?;
    ground.open("/agents").await?;
    assert_eq!(ground.ask(&format!("return {names}")).await?, json!(["later", "listed"]));
    ground.open("/agents?q=list").await?;
    assert_eq!(ground.ask(&format!("return {names}")).await?, json!(["listed"]));
    ground.ask("document.querySelector('#runs th a').click(); return 1").await?;
    ground.wait_for("the run's page is open", "return document.querySelector('h1')?.textContent === 'demo / listed'").await?;
    ground.wait_for_rows(2).await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_do_not_move_under_the_pointer() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents").await?;
    let names = "[...document.querySelectorAll('#runs th')].map((name) => name.textContent)";
    for run in ["first", "second"] {
        ground.publish(&said(run, "coder", "hello")).await?;
        ground.wait_for("the run is on top", &format!("return {names}[0] === '{run}'")).await?;
    }
    ground.point_at("#runs tr").await?;
    ground.publish(&said("third", "coder", "hello")).await?;
    ground.publish(&said("first", "coder", "once more")).await?;
    ground.wait_for("what changed is counted", "return document.getElementById('updated').textContent === '2 updated'").await?;
    assert_eq!(ground.ask(&format!("return {names}")).await?, json!(["second", "first"]));
    let last = "return document.querySelectorAll('#runs td.last')[1].textContent.trim()";
    assert_eq!(ground.ask(last).await?, "coder: once more", "a row that stays where it is tells what is new");
    ground.ask("document.getElementById('updated').click(); return 1").await?;
    assert_eq!(ground.ask(&format!("return {names}")).await?, json!(["first", "third", "second"]));
    assert_eq!(ground.ask("return document.getElementById('updated').hidden").await?, true);
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_channel_is_heard_beside_the_list() -> Result<()> {
    let ground = Ground::new().await?;
    ground.resize(1360, 860).await?;
    ground.publish(&to_all("loud", "planner", "before")).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("loud", 1).await?;
    ground.open_live("/agents").await?;
    ground.publish(&to_all("loud", "planner", "hear, hear")).await?;
    let told =
        "return [...document.querySelectorAll('#channel .what')].map((what) => what.textContent).join() === 'before,hear, hear'";
    ground.wait_for("what is said to all is shown", told).await?;
    ground.end().await
}
