//! The pages without a script: everything that is told is in the page, and links and forms lead to the rest.

use anyhow::Result;
use serde_json::json;

use crate::ground::{Ground, said};
use crate::story;

const TEXTS: &str = "return [...document.querySelectorAll('#rows .row .what')].map((what) => what.textContent)";

#[tokio::test(flavor = "multi_thread")]
async fn pages_filters_and_paging_work_without_script() -> Result<()> {
    let ground = Ground::new().await?;
    story::tell(&ground).await?;
    ground.publish_all((0..250).map(|number| said("many", "coder", &format!("line {number}")))).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("many", 250).await?;
    ground.scripts(false).await?;

    ground.open("/agents").await?;
    let shown = "const shown = (id) => document.getElementById(id)?.checkVisibility() ?? null; \
                 return ['connection', 'keys', 'theme', 'updated'].filter(shown)";
    assert_eq!(ground.ask(shown).await?, json!([]), "buttons that nothing answers");
    ground
        .ask("[...document.querySelectorAll('#runs th a')].find((link) => link.textContent === 'many').click(); return 1")
        .await?;
    ground.wait_for("the run's page is open", "return document.querySelectorAll('#rows .row').length === 100").await?;
    ground.ask("document.querySelector('#older a').click(); return 1").await?;
    ground.wait_for("older rows are shown", "return document.querySelector('#rows .what')?.textContent === 'line 50'").await?;
    ground.ask("document.querySelector('#older a').click(); return 1").await?;
    ground.wait_for("the first rows are shown", "return document.querySelector('#rows .what')?.textContent === 'line 0'").await?;
    assert_eq!(ground.ask("return document.getElementById('older').hidden").await?, true);
    ground.ask("document.querySelector('#newer a').click(); return 1").await?;
    ground.wait_for("newer rows are shown", "return document.querySelector('#rows .what')?.textContent === 'line 50'").await?;

    // Chips, agents, steps and the search narrow the list, all at once, by the link alone.
    ground.open("/agents/fix-bug-uid").await?;
    let click = |text: &str| {
        format!(
            "[...document.querySelectorAll('.chip, .rail a')].find((chip) => chip.textContent.trim().startsWith('{text}')).click(); return 1"
        )
    };
    ground.ask(&click("tool")).await?;
    ground.wait_for("calls alone are shown", "return document.querySelectorAll('#rows .row:not(.call)').length === 0").await?;
    ground.ask(&click("implement")).await?;
    ground.wait_for("of the step alone", "return document.querySelectorAll('#rows .row').length === 4").await?;
    let query = ground.ask("return [...new URL(location.href).searchParams].map((pair) => pair.join('='))").await?;
    assert_eq!(query, json!(["kind=tool_call", "kind=tool_result", "step=implement"]));
    ground.open("/agents/fix-bug-uid?kind=error").await?;
    assert_eq!(ground.ask(TEXTS).await?.as_array().map(Vec::len), Some(1));
    ground.ask(&click("error")).await?;
    ground.wait_for("the filter is taken away", "return document.querySelectorAll('#rows .row').length > 10").await?;
    ground.open("/agents/fix-bug-uid?since=1h&until=30m").await?;
    assert_eq!(ground.ask("return document.querySelector('#nothing h2').textContent").await?, "No message matches");
    ground.open("/agents/fix-bug-uid").await?;
    let bar = ground.ask("return document.querySelector('.spread a').getAttribute('href')").await?;
    ground.open(bar.as_str().unwrap_or_default()).await?;
    assert_eq!(ground.ask("return document.querySelectorAll('#rows .row').length > 10").await?, true, "a bar leads nowhere");
    ground.end().await
}
