//! What a reader takes elsewhere: to the clipboard, and on paper.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use serde_json::{Value, json};

use crate::ground::{Ground, said};
use crate::story;

/// What the clipboard holds.
async fn clipboard(ground: &Ground) -> Result<String> {
    let text = ground.ask("return navigator.clipboard.readText()").await?;
    text.as_str().map(ToOwned::to_owned).context("the clipboard holds no text")
}

/// Copies by a key what has the focus, and waits until the page says so.
async fn copied(ground: &Ground, key: &str, told: &str) -> Result<String> {
    ground.ask("return navigator.clipboard.writeText('something else').then(() => 1)").await?;
    ground.press(key).await?;
    ground.wait_for(told, &format!("return document.getElementById('told')?.textContent === '{told}'")).await?;
    clipboard(ground).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_copied_as_a_link_as_markdown_and_as_json() -> Result<()> {
    let ground = Ground::new().await?;
    ground.resize(1360, 860).await?;
    let permissions = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": ground.base });
    ground.tell("Browser.grantPermissions", permissions).await?;
    ground.tell("Emulation.setFocusEmulationEnabled", json!({ "enabled": true })).await?;
    story::tell(&ground).await?;
    ground.open("/agents").await?;
    ground.wait_for_history(story::RUN, story::COUNT).await?;
    ground.open_live("/agents/fix-bug-uid").await?;
    let table = "const row = [...document.querySelectorAll('#rows .row')].find((row) => row.querySelector('table')); \
                 row.tabIndex = -1; row.focus(); return row.dataset.cursor";
    let cursor = ground.ask(table).await?;
    let cursor = cursor.as_str().context("no row has a table")?;

    let link = copied(&ground, "y", "link copied").await?;
    let at = format!("{}/agents/fix-bug-uid?namespace=demo&at={cursor}#m-{cursor}", ground.base);
    assert_eq!(link, at);
    let markdown = copied(&ground, "m", "markdown copied").await?;
    assert!(markdown.contains("| newline | bytes | no |"), "{markdown}");
    let message: Value = serde_json::from_str(&copied(&ground, "J", "JSON copied").await?)?;
    assert_eq!((&message["cursor"], &message["agent_id"]), (&json!(cursor), &json!("reviewer")));
    assert!(message["content"].as_str().is_some_and(|content| content.starts_with("Cut points")), "{message}");

    // The buttons beside the row do the same.
    ground.point_at("#rows .row.error .what").await?;
    ground.wait_for("the row has its buttons", "return !!document.querySelector('.row.error .tools')").await?;
    ground.ask("document.querySelector('.row.error .tools [title=\"Copy as JSON\"]').click(); return 1").await?;
    let held = "return navigator.clipboard.readText().then((text) => text.startsWith('{') && JSON.parse(text).kind === 'error')";
    ground.wait_for("the error is copied", held).await?;

    // The link leads to its row.
    ground.browser.goto(&link).await?;
    let here = format!("return document.querySelector('.row.here')?.dataset.cursor === '{cursor}'");
    ground.wait_for("the row is marked", &here).await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn paper_has_every_row_and_no_button() -> Result<()> {
    let ground = Ground::new().await?;
    ground.resize(1360, 860).await?;
    ground.publish_all((0..90).map(|number| said("paper", "coder", &format!("line {number}")))).await?;
    ground.open("/agents/paper-uid").await?;
    ground.wait_for_history("paper", 90).await?;
    ground.colours("dark").await?;
    ground.open_live("/agents/paper-uid").await?;
    ground.wait_for_rows(90).await?;
    let shown = "return ['header .actions', '.second', '.spread', '.rail', '#jump', 'nav'].filter((part) => document.querySelector(part)?.checkVisibility())";
    ensure!(ground.ask(shown).await?.as_array().is_some_and(|shown| shown.len() >= 5), "the page has no controls to begin with");
    let whole = "return document.documentElement.scrollHeight > document.getElementById('rows').scrollHeight";
    assert_eq!(ground.ask(whole).await?, false, "the list does not scroll by itself");

    let paper = json!({ "media": "print", "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    ground.tell("Emulation.setEmulatedMedia", paper).await?;
    assert_eq!(ground.ask(shown).await?, json!([]));
    assert_eq!(ground.ask(whole).await?, true, "the list is cut off");
    let rows = "return [...document.querySelectorAll('#rows .row .what')].filter((what) => what.checkVisibility() && what.getBoundingClientRect().height > 0).length";
    assert_eq!(ground.ask(rows).await?, 90);
    let ink = "return getComputedStyle(document.body).backgroundColor";
    assert_eq!(ground.ask(ink).await?, "rgb(251, 251, 249)", "a dark page is printed dark");

    // Pages of a file as the browser prints them: more than one screen of rows.
    let printed = ground.tell("Page.printToPDF", json!({})).await?;
    let file = base64::engine::general_purpose::STANDARD.decode(printed["data"].as_str().context("nothing is printed")?)?;
    let text = String::from_utf8_lossy(&file);
    let count = text.split("/Count ").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    let count: usize = count.context("the file does not say how many pages it has")?.parse()?;
    assert!((2..20).contains(&count), "{count} pages");
    ground.end().await
}
