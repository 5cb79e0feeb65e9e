//! History that cannot be had, and texts that are like no others.

use anyhow::Result;
use fantoccini::Locator;
use serde_json::json;
use tests::look::Look;

use crate::ground::{Ground, said};

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_what_is_said_is_shown_and_what_is_asked_for_comes_by_itself() -> Result<()> {
    let mut ground = Ground::apart().await?;
    ground.open_live("/agents/stored-uid").await?;
    ground.publish(&said("stored", "coder", "before the database went away")).await?;
    ground.wait_for_rows(1).await?;
    ground.wait_for_history("stored", 1).await?;
    ground.open_live("/agents/stored-uid").await?;
    ground.database.server()?.stop().await?;
    ground.publish(&said("stored", "coder", "while it was away")).await?;
    ground.wait_for_rows(2).await?;
    ground.wait_for("it is told that storing lags", "return document.querySelector('p.behind') !== null").await?;
    assert_eq!(ground.ask("return document.getElementById('lags').textContent").await?, "Storing lags behind what is said.");
    {
        let mut look = Look::new(&ground.browser, &ground.chromium).await?;
        look.at("storing-lags", &["Storing is", "behind: what was said since is shown live", "while it was away"]).await?;
        look.end()?;
    }

    let first = ground.browser.window().await?;
    let second = ground.browser.new_window(true).await?.handle;
    ground.browser.switch_to_window(second).await?;
    ground.open("/agents").await?;
    {
        let mut look = Look::new(&ground.browser, &ground.chromium).await?;
        super::stop_mark(&ground, "closed").await?;
        let told = [
            "Not to be had at the moment",
            "History cannot be read at the moment.",
            "Nothing is lost meanwhile",
            "Trying again in",
        ];
        look.at("database-away", &told).await?;
        look.end()?;
    }
    ground.database.server()?.start_again().await?;
    ground.wait_for("the list came by itself", "return document.querySelector('#runs th')?.textContent === 'stored'").await?;
    ground.browser.switch_to_window(first).await?;
    ground.wait_for("nothing lags any more", "return document.querySelector('p.behind') === null").await?;
    assert_eq!(ground.ask("return document.getElementById('lags').textContent").await?, "Storing has caught up.");
    ground.wait_for_history("stored", 2).await?;
    ground.wait_for_rows(2).await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_takes_too_long_is_left_to_its_reader() -> Result<()> {
    let ground = Ground::new().await?;
    ground.publish(&said("slow", "coder", "text")).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("slow", 1).await?;
    // As slow as can be.
    let mut other = ground.database.connect().await?;
    let holding = other.transaction().await?;
    holding.batch_execute("LOCK TABLE workflow_comms.agent_messages IN ACCESS EXCLUSIVE MODE").await?;
    ground.open("/agents/slow-uid?q=text&kind=message").await?;
    let mut look = Look::new(&ground.browser, &ground.chromium).await?;
    look.at("search-too-long", &["This search was not answered", "The search took too long", "Try again", "Without filters"])
        .await?;
    // It is not made again by itself.
    assert_eq!(ground.browser.find_all(Locator::Css("#connection")).await?.len(), 0);
    holding.rollback().await?;
    ground.browser.find(Locator::LinkText("Try again")).await?.click().await?;
    ground.wait_for_rows(1).await?;
    look.end()?;
    ground.end().await
}

/// In Arabic and in Hebrew: how something went, with a full stop at its end.
const ARABIC: &str = "اكتمل البناء بنجاح، 3 اختبارات.";
const HEBREW: &str = "הבנייה הסתיימה, 3 בדיקות.";

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_are_like_no_others_stay_in_their_rows() -> Result<()> {
    let ground = Ground::new().await?;
    let long = "x".repeat(10_000);
    let fenced = format!("```\nlong {long}\n```");
    let texts = [ARABIC, HEBREW, "😀😃 done 😎 ✓ ☃", &fenced, &long];
    for text in texts {
        ground.publish(&said("odd", "coder", text)).await?;
    }
    // Signs that turn what follows them, and an agent of a name that is longer than a window.
    ground.publish(&said("odd", &"long-name-".repeat(12), "\u{202E}turned\u{202C} and \u{2066}apart")).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("odd", texts.len() + 1).await?;
    ground.open_live("/agents/odd-uid").await?;
    ground.wait_for_rows(texts.len() + 1).await?;
    // Each paragraph runs as its own first letter says, from its own side.
    let side = |number: usize| {
        format!(
            "const part = document.querySelectorAll('#rows .what')[{number}].querySelector('p'); const range = document.createRange(); \
             range.selectNodeContents(part); const [text, box] = [range.getBoundingClientRect(), part.getBoundingClientRect()]; \
             return Math.abs(text.right - box.right) < 2 ? 'right' : Math.abs(text.left - box.left) < 2 ? 'left' : 'neither'"
        )
    };
    for (number, expected) in [(0, "right"), (1, "right"), (2, "left")] {
        assert_eq!(ground.ask(&side(number)).await?, expected, "text {number}");
    }
    // A row is no wider than the list; what is longer in it scrolls by itself, or breaks.
    let within = "const list = document.getElementById('timeline').getBoundingClientRect(); \
        return [...document.querySelectorAll('#rows .row, #rows .what > *')].filter((part) => part.getBoundingClientRect().right > list.right + 1).length";
    assert_eq!(ground.ask(within).await?, json!(0));
    let mut look = Look::new(&ground.browser, &ground.chromium).await?;
    // The list has another height now, and a list that was at its end goes there again when it notices.
    let top = "const list = document.getElementById('timeline'); const frame = () => new Promise((next) => requestAnimationFrame(next)); \
        return frame().then(frame).then(() => { list.scrollTop = 0; return frame(); }).then(frame).then(() => list.scrollTop === 0)";
    ground.wait_for("it is shown from its start", top).await?;
    look.at("odd-texts", &[ARABIC, HEBREW, "😀😃 done 😎"]).await?;
    look.end()?;
    ground.end().await
}
