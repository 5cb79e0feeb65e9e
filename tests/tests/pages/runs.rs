//! The list of runs.

use anyhow::Result;
use message::{Kind, Message};
use serde_json::json;

use crate::ground::{Ground, said};

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
