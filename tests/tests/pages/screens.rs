//! Each page as it looks: nothing is wider than the window, no script fails, and pictures are left for people to look at, in
//! `target/pages`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::ground::Ground;
use crate::story;

const WIDE: (u32, u32) = (1360, 860);
const PHONE: (u32, u32) = (390, 780);
/// What is wider than the window; a part that scrolls by itself is as wide as it is shown.
const TOO_WIDE: &str = "return document.documentElement.scrollWidth > innerWidth";

async fn picture(ground: &Ground, name: &str) -> Result<()> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/pages");
    std::fs::create_dir_all(&folder)?;
    let png = ground.browser.screenshot().await?;
    std::fs::write(folder.join(format!("{name}.png")), png).context("cannot keep a picture")
}

pub async fn look(ground: &Ground, path: &str, name: &str) -> Result<()> {
    for (theme, (width, height), suffix) in [("light", WIDE, "light"), ("dark", WIDE, "dark"), ("light", PHONE, "phone")] {
        ground.resize(width, height).await?;
        ground.colours(theme).await?;
        ground
            .tell(
                "Page.addScriptToEvaluateOnNewDocument",
                serde_json::json!({
                    "source": "window.failed = []; addEventListener('error', (event) => failed.push(event.message)); \
                               addEventListener('unhandledrejection', (event) => failed.push(String(event.reason)))"
                }),
            )
            .await?;
        ground.open(path).await?;
        ground.wait_for("everything is drawn", "return document.readyState === 'complete'").await?;
        let live =
            "const chip = document.getElementById('connection'); return !chip || ['live', 'still'].includes(chip.dataset.state)";
        ground.wait_for("the page is live", live).await?;
        let marked =
            "return document.querySelector('#spread .bar') === null || document.querySelector('#spread .bar.seen') !== null";
        ground.wait_for("the bars on screen are marked", marked).await?;
        let name = format!("{name}-{suffix}");
        picture(ground, &name).await?;
        assert_eq!(ground.ask(TOO_WIDE).await?, false, "{name} is wider than the window");
        let failed: Value = ground.ask("return window.failed").await?;
        assert_eq!(failed, serde_json::json!([]), "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_fit_their_window_in_both_themes_and_on_a_phone() -> Result<()> {
    let ground = Ground::new().await?;
    story::tell(&ground).await?;
    ground.open("/agents").await?;
    ground.wait_for_history(story::RUN, story::COUNT).await?;
    look(&ground, "/agents", "runs").await?;
    look(&ground, "/agents/fix-bug-uid", "run").await?;
    look(&ground, "/agents/fix-bug-uid?kind=tool_call&kind=tool_result&step=implement", "filtered").await?;
    look(&ground, "/agents/general", "general").await?;

    // What a reader opens.
    ground.resize(WIDE.0, WIDE.1).await?;
    ground.open_live("/agents/fix-bug-uid").await?;
    ground.ask("for (const details of document.querySelectorAll('#rows details')) details.open = true; return 1").await?;
    ground.wait_for("long texts are there", "return document.querySelectorAll('#rows [data-body]').length === 0").await?;
    ground
        .wait_for("they are whole", "return document.querySelectorAll('.part pre')[5].textContent.includes('case_599')")
        .await?;
    ground.ask("document.querySelectorAll('.tool')[1].scrollIntoView(); return 1").await?;
    picture(&ground, "run-open").await?;
    ground.press("?").await?;
    picture(&ground, "keys").await?;
    ground.end().await
}
