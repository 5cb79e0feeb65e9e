//! The keys for errors, in a run that is longer than the page.

use anyhow::Result;
use message::{Kind, Message};

use crate::ground::{Ground, said};

const LINES: usize = 700;
const LIVE: &str = "document.getElementById('timeline').getAttribute('aria-live')";

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_found_wherever_it_is_and_only_who_follows_is_told_what_arrives() -> Result<()> {
    let ground = Ground::new().await?;
    let error = Message { kind: Kind::new(Kind::ERROR).unwrap_or_else(Kind::message), ..said("long", "coder", "it broke") };
    let lines = (0..LINES).map(|number| said("long", "coder", &format!("line {number}")));
    ground.publish_all(std::iter::once(error).chain(lines)).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("long", LINES + 1).await?;
    ground.open_live("/agents/long-uid").await?;
    assert_eq!(ground.ask("return document.querySelector('#rows .row.error')").await?, serde_json::Value::Null);
    ground.wait_for("who follows is told", &format!("return {LIVE} === 'polite'")).await?;
    ground.ask("document.getElementById('timeline').scrollTop -= 300; return 1").await?;
    ground.wait_for("who has looked back is not", &format!("return {LIVE} === 'off'")).await?;
    ground.press("E").await?;
    let there = "return document.querySelector('#rows .row.here .what')?.textContent.includes('it broke') === true";
    ground.wait_for("the error is shown", there).await?;
    ground.wait_for("the page is live", "return document.getElementById('connection').dataset.state === 'live'").await?;
    ground.press("e").await?;
    ground.wait_for("it is on the page", "return document.activeElement.matches('.row.error')").await?;
    ground.press("e").await?;
    ground.wait_for("there are no more", "return document.getElementById('told')?.textContent === 'no more errors'").await?;

    // Everything can be reached beside a terminal.
    ground.resize(1_000, 800).await?;
    let reached = "const box = document.getElementById('times').getBoundingClientRect(); \
                   return box.width > 0 && box.right <= innerWidth && document.documentElement.scrollWidth <= innerWidth";
    ground.wait_for("times can be chosen", reached).await?;
    ground.end().await
}
