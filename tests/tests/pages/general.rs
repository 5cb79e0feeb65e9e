//! The page of the shared channel.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::ground::{Ground, said, to_all};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_all_appears_within_a_second_without_a_reload() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/general").await?;
    let empty = ground.ask("return document.getElementById('nothing').textContent.includes('AGENT_COMMS_SOCKET')").await?;
    assert_eq!(empty, true, "an empty channel says what would fill it");
    ground.ask("window.marked = true; return 1").await?;

    // The first message makes the day's partition and the first plans; the second is what people wait for all day.
    ground.publish(&to_all("first", "planner", "hello **all**")).await?;
    ground.wait_for_rows(1).await?;
    let start = Instant::now();
    ground.publish(&to_all("first", "planner", "and again")).await?;
    ground.publish(&said("first", "planner", "for the run alone")).await?;
    ground.wait_for_rows(2).await?;
    assert!(start.elapsed() < Duration::from_secs(1), "took {:?}", start.elapsed());

    assert_eq!(ground.ask("return window.marked").await?, true, "the page was loaded again");
    assert_eq!(ground.ask("return document.querySelector('#rows strong').textContent").await?, "all");
    let link = ground.ask("return document.querySelector('#rows .who a').getAttribute('href')").await?;
    assert_eq!(link, "/agents/first-uid?namespace=demo");
    assert_eq!(ground.ask("return document.querySelectorAll('#rows .row')[1].classList.contains('same')").await?, true);
    ground.end().await
}
