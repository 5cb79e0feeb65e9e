//! A list that is longer than a page: what is fetched as the reader moves, and what is let go.

use anyhow::Result;
use serde_json::{Value, json};

use crate::ground::{Ground, said};

/// More than the page holds at once.
const LONG: usize = 1_000;
const COUNT: &str = "return document.querySelectorAll('#rows .row').length";
const AT_END: &str =
    "const box = document.getElementById('timeline'); return box.scrollHeight - box.scrollTop - box.clientHeight < 40";

async fn long(ground: &Ground) -> Result<()> {
    let agent = |number: usize| if number.is_multiple_of(7) { "reviewer" } else { "coder" };
    ground.publish_all((0..LONG).map(|number| said("long", agent(number), &format!("line {number}")))).await?;
    ground.open("/agents/long-uid").await?;
    ground.wait_for_history("long", LONG).await?;
    ground.open_live("/agents/long-uid").await
}

/// Which lines are shown, and whether they follow each other without a hole.
async fn lines(ground: &Ground) -> Result<(Value, Value, bool)> {
    let script = "const lines = [...document.querySelectorAll('#rows .row .what')].map((what) => Number(what.textContent.split(' ')[1])); \
                  return [lines[0], lines[lines.length - 1], lines.every((line, index) => index === 0 || line === lines[index - 1] + 1)]";
    let told = ground.ask(script).await?;
    Ok((told[0].clone(), told[1].clone(), told[2] == true))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_to_the_first_row_without_a_jump_and_the_page_stays_small() -> Result<()> {
    let ground = Ground::new().await?;
    long(&ground).await?;
    ground.wait_for("the page begins at its end", AT_END).await?;
    assert_eq!(lines(&ground).await?, (json!(LONG - 200), json!(LONG - 1), true));

    // Scrolls towards the top; the row that is read stays where it is while older ones come above it.
    for _ in 0..4 {
        let script = "const box = document.getElementById('timeline'); box.scrollTop = 400; \
             window.first = document.querySelector('#rows .row').id; \
             window.mark = [...document.querySelectorAll('#rows .row')].find((row) => row.getBoundingClientRect().top > box.getBoundingClientRect().top); \
             window.was = window.mark.getBoundingClientRect().top; return 1";
        ground.ask(script).await?;
        ground.wait_for("older rows came", "return document.querySelector('#rows .row').id !== window.first").await?;
        let moved = ground.ask("return Math.abs(window.mark.getBoundingClientRect().top - window.was)").await?;
        assert!(moved.as_f64().is_some_and(|moved| moved < 2.0), "the row that was read moved by {moved} pixels");
        assert!(ground.ask(COUNT).await?.as_u64().is_some_and(|count| count <= 700), "the page grows");
        assert!(lines(&ground).await?.2, "there is a hole");
    }
    ground.wait_for("there are no older rows", "return document.getElementById('older').hidden").await?;
    let (first, last, _) = lines(&ground).await?;
    assert_eq!((first, last != json!(LONG - 1)), (json!(0), true), "the newest rows are still in the page");
    assert_eq!(ground.ask("return document.getElementById('newer').hidden").await?, false);

    // And back down, through pages of the server, into what arrives live.
    let down = "const box = document.getElementById('timeline'); box.scrollTop = box.scrollHeight; \
                return document.getElementById('newer').hidden";
    ground.publish(&said("long", "coder", &format!("line {LONG}"))).await?;
    ground.wait_for("the end is reached", down).await?;
    let live = format!("return [...document.querySelectorAll('#rows .row .what')].at(-1).textContent === 'line {LONG}'");
    ground.wait_for("what was said meanwhile is there", &live).await?;
    ground.publish(&said("long", "coder", &format!("line {}", LONG + 1))).await?;
    let live = format!("return [...document.querySelectorAll('#rows .row .what')].at(-1).textContent === 'line {}'", LONG + 1);
    ground.wait_for("the page is live again", &live).await?;
    assert!(lines(&ground).await?.2, "there is a hole");
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_lead_to_both_ends() -> Result<()> {
    let ground = Ground::new().await?;
    long(&ground).await?;
    ground.press("g").await?;
    ground
        .wait_for("the first row is there", "return document.querySelector('#rows .row .what').textContent === 'line 0'")
        .await?;
    // Away from the end, what arrives is counted and not shown.
    ground.publish(&said("long", "coder", &format!("line {LONG}"))).await?;
    ground.wait_for("it is counted", "return document.querySelector('#jump b').textContent === '1 new'").await?;
    ground.press("G").await?;
    let last = format!("return [...document.querySelectorAll('#rows .row .what')].at(-1).textContent === 'line {LONG}'");
    ground.wait_for("the last row is there", &last).await?;
    ground.wait_for("the list is at its end", AT_END).await?;
    ground.wait_for("nothing waits", "return document.getElementById('jump').hidden").await?;
    assert!(lines(&ground).await?.2, "there is a hole");

    // Rows are walked by key, and the focus goes with them.
    ground.press("k").await?;
    ground.press("k").await?;
    let focused = ground.ask("return document.activeElement.matches('.row')").await?;
    assert_eq!(focused, true);
    ground.press("?").await?;
    ground.wait_for("the sheet is open", "return document.getElementById('help').open").await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_to_a_message_among_its_neighbours() -> Result<()> {
    let ground = Ground::new().await?;
    long(&ground).await?;
    ground.open("/agents/long-uid?q=line+500").await?;
    assert_eq!(ground.ask(COUNT).await?, 1);
    assert_eq!(ground.ask("return document.getElementById('connection').textContent").await?, "Not live");
    ground.ask("document.querySelector('#rows a.when').click(); return 1").await?;
    ground.wait_for("the row is marked", "return document.querySelector('.row.here .what')?.textContent === 'line 500'").await?;
    let inside = "const row = document.querySelector('.row.here').getBoundingClientRect(); \
                  const box = document.getElementById('timeline').getBoundingClientRect(); return row.top > box.top && row.bottom < box.bottom";
    ground.wait_for("it is on screen", inside).await?;
    let (first, last, whole) = lines(&ground).await?;
    assert!(whole && first.as_u64() <= Some(400) && last.as_u64() >= Some(599), "{first} to {last}");
    ground.end().await
}
