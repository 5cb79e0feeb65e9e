//! Whether everybody can use the pages: what axe finds, and a walk with the keyboard alone.

use anyhow::Result;
use serde_json::{Value, json};

use crate::ground::{Ground, said};
use crate::story;

const FOUND: &str = "return axe.run(document, { resultTypes: ['violations'] }).then((result) => result.violations.map((violation) => \
    `${violation.id}: ${violation.help}: ${violation.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`).join(' | ')}`))";

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_in_either_theme() -> Result<()> {
    let axe = tokio::task::spawn_blocking(neighbours::axe::script).await??;
    let ground = Ground::new().await?;
    story::tell(&ground).await?;
    ground.open("/agents").await?;
    ground.wait_for_history(story::RUN, story::COUNT).await?;
    for path in ["/agents", "/agents/fix-bug-uid", "/agents/fix-bug-uid?kind=error", "/agents/general"] {
        for theme in ["light", "dark"] {
            ground.colours(theme).await?;
            ground.open(path).await?;
            let ready = "const chip = document.getElementById('connection'); return document.readyState === 'complete' && (!chip || chip.dataset.state === 'live')";
            ground.wait_for("the page is there", ready).await?;
            ground.ask("for (const details of document.querySelectorAll('#rows details')) details.open = true; return 1").await?;
            ground.ask(&format!("{axe}; return 1")).await?;
            assert_eq!(ground.ask(FOUND).await?, json!([]), "{path}, {theme}");
        }
    }
    ground.end().await
}

/// What has the focus.
async fn focus(ground: &Ground) -> Result<Value> {
    let script = "const at = document.activeElement; return at.matches('.row') ? at.dataset.kind : (at.textContent || at.name || at.tagName).trim()";
    ground.ask(script).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough() -> Result<()> {
    let ground = Ground::new().await?;
    story::tell(&ground).await?;
    ground.open("/agents").await?;
    ground.wait_for_history(story::RUN, story::COUNT).await?;
    ground.open_live("/agents").await?;
    // To a run by the links alone.
    ground.press("/").await?;
    assert_eq!(focus(&ground).await?, "q");
    ground.press("fix\u{E007}").await?;
    let found = "return new URL(location.href).searchParams.get('q') === 'fix' && document.readyState === 'complete' \
         && [...document.querySelectorAll('a')].some((link) => link.textContent.trim() === 'fix-bug')";
    ground.wait_for("the search is done", found).await?;
    for _ in 0..20 {
        ground.press("\u{E004}").await?;
        if focus(&ground).await? == "fix-bug" {
            break;
        }
    }
    assert_eq!(focus(&ground).await?, "fix-bug", "a run is not reached");
    ground.press("\u{E007}").await?;
    ground
        .wait_for("the run is open", "return location.pathname === '/agents/fix-bug-uid' && document.readyState === 'complete'")
        .await?;
    ground.wait_for("it is live", "return document.getElementById('connection').dataset.state === 'live'").await?;

    // Through its rows: the last error, its neighbours, a call that opens.
    ground.press("E").await?;
    ground.press("E").await?;
    assert_eq!(focus(&ground).await?, "error");
    ground.press("k").await?;
    assert_eq!(focus(&ground).await?, "tool_call");
    ground.press("\u{E007}").await?;
    assert_eq!(ground.ask("return document.activeElement.querySelector('details').open").await?, true);
    // The focus stays on its row while others arrive.
    ground.publish(&said(story::RUN, "coder", "meanwhile")).await?;
    ground.wait_for("it is told", "return document.querySelector('#jump b').textContent === '1 new' || [...document.querySelectorAll('#rows .what')].at(-1).textContent === 'meanwhile'").await?;
    assert_eq!(focus(&ground).await?, "tool_call");
    ground.press("G").await?;
    ground
        .wait_for("it is shown", "return [...document.querySelectorAll('#rows .what')].at(-1).textContent === 'meanwhile'")
        .await?;

    // Keys do nothing where somebody writes; Escape leaves the field.
    ground.press("/").await?;
    ground.press("fgx?").await?;
    assert_eq!(
        ground.ask("return [document.querySelector('.search input').value, document.getElementById('help').open]").await?,
        json!(["fgx?", false])
    );
    ground.press("\u{E00C}").await?;
    ground.press("?").await?;
    ground.wait_for("the sheet is open", "return document.getElementById('help').open").await?;
    ground.press("\u{E00C}").await?;
    ground.wait_for("the sheet is closed", "return !document.getElementById('help').open").await?;

    // Errors alone, and back; times; pause, which is remembered.
    ground.press("x").await?;
    ground
        .wait_for(
            "errors alone are shown",
            "return document.querySelectorAll('#rows .row').length === 1 && document.readyState === 'complete'",
        )
        .await?;
    ground.wait_for("keys are answered", "return !document.getElementById('keys').hidden").await?;
    ground.press("x").await?;
    ground
        .wait_for(
            "all are shown",
            "return document.querySelectorAll('#rows .row').length > 10 && !document.getElementById('keys').hidden",
        )
        .await?;
    ground.press("t").await?;
    ground.press("t").await?;
    let relative = "return /^[+−]\\d+:\\d\\d\\.\\d{3}$/.test(document.querySelector('#rows time').textContent)";
    assert_eq!(ground.ask(relative).await?, true);
    ground.press("f").await?;
    assert_eq!(ground.ask("return document.getElementById('pause').getAttribute('aria-pressed')").await?, "true");
    ground.open_live("/agents/fix-bug-uid").await?;
    assert_eq!(ground.ask("return document.getElementById('pause').getAttribute('aria-pressed')").await?, "true");
    assert_eq!(ground.ask(relative).await?, true);
    ground.end().await
}
