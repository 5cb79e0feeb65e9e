//! What a message holds never becomes part of the page: tried in the browser that it was meant for.

use anyhow::Result;
use serde_json::json;

use crate::ground::{Ground, to_all};

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

#[tokio::test(flavor = "multi_thread")]
async fn no_message_runs_or_loads_anything() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/general").await?;
    for attack in ATTACKS {
        ground.publish(&to_all("attack", attack, attack)).await?;
    }
    ground.wait_for_rows(ATTACKS.len()).await?;
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
