//! What a page does when its connection fails: it says so, comes back by itself, and shows everything that was said meanwhile, once.

use anyhow::Result;
use serde_json::json;

use crate::ground::{Ground, said};
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
    ground.wait_for("it says offline", "return document.getElementById('connection').textContent === 'Offline'").await?;
    ground.publish(&said("laptop", "coder", "meanwhile")).await?;
    ground.offline(false).await?;
    ground.wait_for_rows(1).await?;
    ground.wait_for("the page is live", &format!("return {STATE} === 'live'")).await?;
    ground.end().await
}
