//! What a message holds never becomes part of the page: tried in the browser that it was meant for.

use anyhow::Result;
use message::{Kind, Message, Tool};
use serde_json::json;

use crate::ground::{Ground, said, to_all};

const ATTACKS: [&str; 27] = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload='window.hit = 1'>",
    "[a](javascript:window.hit=1)",
    "[a](JAVASCRIPT&colon;window.hit=1)",
    "<a href=\"javascript:window.hit=1\">a</a>",
    "![a](https://example.org/pixel.png)",
    "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
    "[a](java\u{0}script:window.hit=1)",
    "[a](\u{1}javascript:window.hit=1)",
    "[a](java\nscript:window.hit=1)",
    "[a](&#x6A;avascript:window.hit=1)",
    "[a](vbscript:window.hit=1)",
    "[a](data:text/html,<script>parent.hit=1</script>)",
    "[a](//example.org/x)",
    "[a][b]\n\n[b]: javascript:window.hit=1",
    "<javascript:window.hit=1>",
    "![a](javascript:window.hit=1)",
    "[![a](https://example.org/pixel.png)](javascript:window.hit=1)",
    "<math><mi xlink:href='javascript:window.hit=1'>a</mi></math>",
    "<svg><a xlink:href='javascript:window.hit=1'><text>a</text></a></svg>",
    "<details open ontoggle='window.hit = 1'>",
    "<template><img src=x onerror='window.hit = 1'></template>",
    "<input autofocus onfocus='window.hit = 1'><base href='https://example.org/'><meta http-equiv=refresh content='0;url=https://example.org/'>",
    "```<img src=x onerror='window.hit = 1'>\n<script>window.hit = 1</script>\n```",
    "| <img src=x onerror='window.hit = 1'> |\n|---|\n| <b onmouseover='window.hit = 1'>a</b> |",
    "<style>* { display: none }</style><form action=/x><button id=pause>a</button></form>",
];

/// Elements that no row is made of, and any that would run something. The policy of the page hides what runs all the same.
const ALIEN: &str = "return [...document.querySelectorAll('#rows *, .runs *, #about *, .heading *, .chips *')].filter((element) => \
    /^(script|img|svg|math|iframe|style|form|object|embed|input|base|meta|link|template|video|audio)$/i.test(element.tagName) || \
    [...element.attributes].some(({ name, value }) => name.startsWith('on') || name === 'style' || name === 'srcdoc' || /^\\s*(javascript|vbscript|data):/i.test(value))) \
    .map((element) => element.outerHTML.slice(0, 200))";

/// A message that is an attack in every field that a step may choose.
fn all_over(attack: &str, kind: &str) -> Message {
    let tool = Tool::default()
        .with("call_id", attack)
        .with("name", attack)
        .with("arguments", json!({ "command": attack, "path": attack, "content": attack }))
        .with("status", attack)
        .with("output", format!("--- a/{attack}\n+++ b/{attack}\n@@ -1 +1 @@ {attack}\n-{attack}\n+{attack}\n"));
    let attrs =
        json!({ "reason": attack, "parse_error": attack, "plan": [{ "step": attack, "status": attack }], attack: attack });
    Message {
        kind: Kind::new(kind).unwrap_or_else(Kind::message),
        step_id: Some(attack.replace('\0', "")),
        stage: Some(attack.replace('\0', "")),
        tool: kind.starts_with("tool").then_some(tool),
        attrs: attrs.as_object().cloned().unwrap_or_default(),
        ..said("struck", &attack.replace('\0', ""), attack)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_of_a_message_becomes_part_of_a_page() -> Result<()> {
    let ground = Ground::new().await?;
    let kinds =
        ["message", "tool_call", "tool_result", "reasoning", "status", "error", "log", "gap", "source-end", "step-end", "other"];
    let messages: Vec<Message> = ATTACKS.iter().flat_map(|attack| kinds.iter().map(move |kind| all_over(attack, kind))).collect();
    let count = messages.len();
    ground.publish_all(messages.into_iter()).await?;
    ground.open_live("/agents").await?;
    ground.wait_for_history("struck", count).await?;
    ground.open_live("/agents").await?;
    assert_eq!(ground.ask(ALIEN).await?, json!([]), "the list of runs");
    for place in ["", "&after=0.0", "&before=1.100"] {
        ground.open(&format!("/agents/struck-uid?kind=&{place}")).await?;
        ground.ask("for (const details of document.querySelectorAll('#rows details')) details.open = true; return 1").await?;
        ground.wait_for("long texts are there", "return document.querySelectorAll('#rows [data-body]').length === 0").await?;
        let rows = ground.ask("return document.querySelectorAll('#rows .row').length").await?;
        assert!(rows.as_u64() >= Some(80), "{rows} rows are looked at");
        assert_eq!(ground.ask(ALIEN).await?, json!([]), "{place}");
    }
    assert_eq!(ground.ask("return window.hit ?? null").await?, json!(null));
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_runs_or_loads_anything() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/general").await?;
    for attack in ATTACKS {
        ground.publish(&to_all("attack", attack, attack)).await?;
    }
    ground.wait_for_rows(ATTACKS.len()).await?;
    assert_eq!(ground.ask(ALIEN).await?, json!([]));
    for round in ["live", "history"] {
        ground
            .ask("for (const link of document.querySelectorAll('#rows .what a')) if (link.target !== '_blank') link.click(); return 1")
            .await?;
        let found = ground
            .ask(
                "return [window.hit ?? null, document.querySelectorAll('#rows :is(script, img, svg, math, iframe, style, form, object, embed, input, base, meta, template)').length, \
                 [...document.querySelectorAll('#rows .what a')].every((link) => /^(https?|mailto):$/.test(link.protocol))]",
            )
            .await?;
        assert_eq!(found, json!([null, 0, true]), "{round}");
        ground.open("/agents/general").await?;
        ground.wait_for_rows(ATTACKS.len()).await?;
    }
    ground.end().await
}
