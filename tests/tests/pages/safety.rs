//! What a message holds never becomes part of the page: tried in the browser that it was meant for.

use anyhow::Result;
use serde_json::json;

use crate::ground::{Ground, to_all};

const ATTACKS: [&str; 9] = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload='window.hit = 1'>",
    "[a](javascript:window.hit=1)",
    "[a](JAVASCRIPT&colon;window.hit=1)",
    "<a href=\"javascript:window.hit=1\">a</a>",
    "![a](https://example.org/pixel.png)",
    "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
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
                "return [window.hit ?? null, document.querySelectorAll('#rows :is(script, img, svg, iframe, style, form, object, embed)').length, \
                 [...document.querySelectorAll('#rows .what a')].every((link) => /^(https?|mailto):$/.test(link.protocol))]",
            )
            .await?;
        assert_eq!(found, json!([null, 0, true]), "{round}");
        ground.open("/agents/general").await?;
        ground.wait_for_rows(ATTACKS.len()).await?;
    }
    ground.end().await
}
