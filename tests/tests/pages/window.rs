//! A list that is longer than a page: what is fetched as the reader moves, and what is let go.

use anyhow::Result;
use message::{Kind, Message};
use serde_json::{Value, json};

use crate::ground::{Ground, said};

/// More than the page holds at once.
const LONG: usize = 1_000;
const COUNT: &str = "return document.querySelectorAll('#rows .row').length";
/// The number of the line that a row says.
const LINE: &str = "((row) => Number(row.querySelector('.what').textContent.split(' ')[1]))";
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
    assert_eq!(lines(&ground).await?, (json!(LONG - 100), json!(LONG - 1), true));

    // Scrolls towards the top; the row that is read stays where it is while older ones come above it.
    while ground.ask("return document.getElementById('older').hidden").await? == false {
        let script = "const box = document.getElementById('timeline'); box.scrollTop = 400; \
             window.first = document.querySelector('#rows .row').id; \
             window.mark = [...document.querySelectorAll('#rows .row')].find((row) => row.getBoundingClientRect().top > box.getBoundingClientRect().top); \
             window.was = window.mark.getBoundingClientRect().top; return 1";
        ground.ask(script).await?;
        ground
            .wait_for(
                "older rows came",
                "return document.querySelector('#rows .row').id !== window.first || document.getElementById('older').hidden",
            )
            .await?;
        let moved = ground.ask("return Math.abs(window.mark.getBoundingClientRect().top - window.was)").await?;
        assert!(moved.as_f64().is_some_and(|moved| moved < 2.0), "the row that was read moved by {moved} pixels");
        assert!(ground.ask(COUNT).await?.as_u64().is_some_and(|count| count <= 500), "the page grows");
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

/// Waits until the page has fetched nothing for so many frames.
const QUIET: &str = "const box = document.getElementById('timeline'); let frames = 0; return new Promise((done) => { \
    const look = () => { frames = box.hasAttribute('aria-busy') ? 0 : frames + 1; \
    if (frames < 30) requestAnimationFrame(look); else done(true); }; look(); })";

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_folded_are_not_fetched_without_end_and_do_not_lead_away_from_the_end() -> Result<()> {
    const COUNT: usize = 2_000;
    let ground = Ground::new().await?;
    let status = |number: usize| Message {
        kind: Kind::new(Kind::STATUS).unwrap_or_else(Kind::message),
        ..said("folded", "coder", &format!("line {number}"))
    };
    ground.publish_all((0..COUNT).map(status)).await?;
    ground.open("/agents/folded-uid").await?;
    ground.wait_for_history("folded", COUNT).await?;
    let before = ground.road.asked("/agents/folded-uid").len();
    ground.open_live("/agents/folded-uid").await?;
    ground.wait_for("it fetches no more", QUIET).await?;
    let fetched = ground.road.asked("/agents/folded-uid").len() - before;
    assert!((2..20).contains(&fetched), "it fetched {fetched} times");
    let (first, last, whole) = lines(&ground).await?;
    assert_eq!((last, whole), (json!(COUNT - 1), true), "the page does not end where the run does");
    assert!(first.as_u64() > Some(500), "it holds all from {first} on");
    // What is before is still to be had, and what comes is still shown.
    assert_eq!(ground.ask("return document.querySelector('#older a').checkVisibility()").await?, true);
    ground.publish(&said("folded", "coder", &format!("line {COUNT}"))).await?;
    let live = format!("return [...document.querySelectorAll('#rows .row .what')].at(-1).textContent === 'line {COUNT}'");
    ground.wait_for("what is said is shown", &live).await?;
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
    assert!(whole && first.as_u64() <= Some(450) && last.as_u64() >= Some(549), "{first} to {last}");
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_keeps_the_place_of_a_reader_who_looked_back() -> Result<()> {
    let ground = Ground::new().await?;
    ground.resize(1360, 860).await?;
    long(&ground).await?;
    let top = "const box = document.getElementById('timeline').getBoundingClientRect(); \
               const row = [...document.querySelectorAll('#rows .row')].find((row) => row.getBoundingClientRect().bottom > box.top + 2); \
               return Number(row.querySelector('.what').textContent.split(' ')[1])";
    let click = |text: &str| {
        format!(
            "[...document.querySelectorAll('#about li a')].find((link) => link.textContent.trim() === '{text}').click(); return 1"
        )
    };
    let loaded = |agents: usize| {
        format!(
            "return document.readyState === 'complete' && !document.getElementById('keys').hidden && \
             new URL(location.href).searchParams.getAll('agent').length === {agents}"
        )
    };
    // At the end, a filter leads to the end.
    ground.wait_for("the page begins at its end", AT_END).await?;
    ground.ask(&click("reviewer")).await?;
    ground.wait_for("the reviewer alone is shown", &loaded(1)).await?;
    ground.wait_for("the end is shown", AT_END).await?;
    assert_eq!(lines(&ground).await?.1, json!((LONG - 1) / 7 * 7));
    ground.ask(&click("reviewer")).await?;
    ground.wait_for("all are shown", &loaded(0)).await?;

    ground.press("g").await?;
    ground.wait_for("the first row is there", &format!("return {LINE}(document.querySelector('#rows .row')) === 0")).await?;
    ground.ask("document.getElementById('timeline').scrollTop = 1000; return 1").await?;
    let was = ground.ask(top).await?.as_u64().unwrap_or_default();
    assert!((20..60).contains(&was), "{was} is no place to keep");
    ground.ask(&click("reviewer")).await?;
    ground.wait_for("the reviewer alone is shown", &loaded(1)).await?;
    let next = was.next_multiple_of(7);
    let on_top = format!("{}; return there === {next}", top.replace("return ", "const there = "));
    ground.wait_for("the next of its rows is on top", &on_top).await?;
    // Older ones come above it, and do not move it.
    ground.wait_for("older rows are there", &format!("return {LINE}(document.querySelector('#rows .row')) < {next}")).await?;
    assert_eq!(ground.ask(top).await?, next);
    ground.ask(&click("reviewer")).await?;
    ground.wait_for("all are shown", &loaded(0)).await?;
    ground.wait_for("the row is still on top", &on_top).await?;

    // Where nothing comes after the place, what comes before it is shown.
    ground.open("/agents/long-uid?agent=reviewer&after=1.999999").await?;
    ground
        .wait_for(
            "the last rows are shown",
            &format!(
                "return [...document.querySelectorAll('#rows .what')].at(-1)?.textContent === 'line {}'",
                (LONG - 1) / 7 * 7
            ),
        )
        .await?;
    ground.wait_for("the end is shown", AT_END).await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_walk_from_error_to_error_and_to_a_row_among_its_neighbours() -> Result<()> {
    let ground = Ground::new().await?;
    let wrong = |number: usize| {
        let kind = if number.is_multiple_of(2) { Kind::ERROR } else { Kind::GAP };
        Message { kind: Kind::new(kind).unwrap_or_else(Kind::message), ..said("wrong", "coder", &format!("wrong {number}")) }
    };
    ground
        .publish_all(
            (0..90).map(
                |number| if number % 30 == 10 { wrong(number / 30) } else { said("wrong", "coder", &format!("line {number}")) },
            ),
        )
        .await?;
    ground.open("/agents/wrong-uid").await?;
    ground.wait_for_history("wrong", 90).await?;
    ground.open_live("/agents/wrong-uid").await?;
    let focused = "return document.activeElement.closest('#rows .row')?.querySelector('.what').textContent ?? null";
    let on_screen = "const row = document.activeElement.getBoundingClientRect(); const box = document.getElementById('timeline').getBoundingClientRect(); \
                     return row.top >= box.top - 1 && row.bottom <= box.bottom + 1";
    ground.press("gg").await?;
    ground.wait_for("the first row is on screen", "return document.getElementById('timeline').scrollTop === 0").await?;
    for expected in ["error wrong 0", "gap wrong 1", "error wrong 2", "error wrong 2"] {
        ground.press("e").await?;
        assert_eq!(ground.ask(focused).await?, expected);
        assert_eq!(ground.ask(on_screen).await?, true, "{expected} is not on screen");
    }
    ground.press("E").await?;
    assert_eq!(ground.ask(focused).await?, "gap wrong 1");
    ground.press("j").await?;
    assert_eq!(ground.ask(focused).await?, "line 41");
    ground.press("G").await?;
    ground.wait_for("the end is on screen", AT_END).await?;
    // Its neighbours, whatever the filter hid.
    ground.open_live("/agents/wrong-uid?kind=gap").await?;
    ground.wait_for_rows(1).await?;
    ground.press("j").await?;
    ground.press("c").await?;
    let here = "return document.querySelector('.row.here .what')?.textContent === 'gap wrong 1' && document.querySelectorAll('#rows .row').length === 90";
    ground.wait_for("the row is among its neighbours", here).await?;
    ground.end().await
}
