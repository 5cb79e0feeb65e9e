//! What rows are to a reader: differences, long texts, markdown as it was written, times, and what came late.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use message::{Kind, Message, Timestamp, Tool};
use serde_json::{Value, json};

use crate::ground::{Ground, said};
use crate::story;

fn call(run: &str, id: &str, arguments: Value) -> Message {
    let tool = Tool::default().with("call_id", id).with("name", "edit").with("arguments", arguments);
    Message {
        kind: Kind::new(Kind::TOOL_CALL).unwrap_or_else(Kind::message),
        content: None,
        tool: Some(tool),
        ..said(run, "coder", "")
    }
}

fn result(run: &str, id: &str, output: &str) -> Message {
    let tool = Tool::default().with("call_id", id).with("exit_code", 0).with("output", output);
    Message { kind: Kind::new(Kind::TOOL_RESULT).unwrap_or_else(Kind::message), tool: Some(tool), ..call(run, id, Value::Null) }
}

/// The same, said at another time.
fn at(message: Message, moment: &str) -> Message {
    Message { timestamp: Timestamp::parse(moment).unwrap_or(message.timestamp), ..message }
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_can_be_read() -> Result<()> {
    let ground = Ground::new().await?;
    ground.resize(1360, 860).await?;
    story::tell(&ground).await?;
    let edit = json!({ "file_path": "src/cut.rs", "old_string": "let start = 0;\nlet end = 1;", "new_string": "let start = 0;\nlet end = 2;\nlet part = 3;" });
    ground.publish(&call("edits", "e1", edit)).await?;
    let patch = "*** Begin Patch\n*** Update File: src/cut.rs\n@@\n-let end = 1;\n+let end = 2;\n*** End Patch";
    ground.publish(&call("edits", "e2", json!({ "input": patch }))).await?;
    ground.open("/agents").await?;
    ground.wait_for_history(story::RUN, story::COUNT).await?;
    ground.wait_for_history("edits", 2).await?;

    ground.open_live("/agents/fix-bug-uid").await?;
    let edited = "const row = [...document.querySelectorAll('#rows .call')].find((row) => row.querySelector('.name').textContent === 'edit');";
    let changed = ground.ask(&format!("{edited} return row.querySelector('summary .change')?.textContent ?? null")).await?;
    assert_eq!(changed, "+5 −1", "the line does not say how much was changed");
    ground.ask(&format!("{edited} row.querySelector('details').open = true; return 1")).await?;
    let lines =
        |name: &str| format!("{edited} return [...row.querySelectorAll('{name}')].map((line) => line.textContent.trimEnd())");
    assert_eq!(ground.ask(&lines("del")).await?, json!(["-        let end = memchr(b'\\n', bytes)?;"]));
    assert_eq!(ground.ask(&lines("ins")).await?.as_array().map(Vec::len), Some(5));
    let place = ground.ask(&lines(".place")).await?;
    let head = "diff --git a/records/src/cut.rs b/records/src/cut.rs";
    assert_eq!(place, json!([head, "--- a/records/src/cut.rs", "+++ b/records/src/cut.rs", "@@ -41,7 +41,10 @@ impl Cutter {"]));
    // Each sort of line has its own colour and ground, begins a line of its own, and keeps its space.
    let style = format!(
        "{edited} const [ins, del] = ['ins', 'del'].map((name) => row.querySelector(name)); const pre = ins.closest('pre'); \
         const of = (part) => {{ const style = getComputedStyle(part); return style.color + style.backgroundColor; }}; \
         const rows = [...pre.querySelectorAll('ins, del')].map((line) => line.getBoundingClientRect()); \
         return [new Set([of(ins), of(del), of(pre)]).size, getComputedStyle(pre).whiteSpace.startsWith('pre'), \
         rows.every((box, index) => index === 0 || box.top >= rows[index - 1].bottom - 1), Math.max(...rows.map((box) => box.height)) < 40]"
    );
    assert_eq!(ground.ask(&style).await?, json!([3, true, true, true]));

    // What a tool is told to change is a difference as well.
    ground.open_live("/agents/edits-uid").await?;
    ground.ask("for (const details of document.querySelectorAll('.tool')) details.open = true; return 1").await?;
    let of = |number: usize, name: &str| {
        format!(
            "return [...document.querySelectorAll('.tool')[{number}].querySelectorAll('{name}')].map((line) => line.textContent.trimEnd())"
        )
    };
    assert_eq!(ground.ask(&of(0, "del")).await?, json!(["-let end = 1;"]));
    assert_eq!(ground.ask(&of(0, "ins")).await?, json!(["+let end = 2;", "+let part = 3;"]));
    assert_eq!(ground.ask(&of(0, ".change")).await?, json!(["+2 −1"]));
    assert_eq!(ground.ask(&of(1, "del, ins")).await?, json!(["-let end = 1;", "+let end = 2;"]));
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_late_is_marked() -> Result<()> {
    let ground = Ground::new().await?;
    ground.open_live("/agents/late-uid").await?;
    let before = SystemTime::now() - Duration::from_secs(605);
    ground.publish(&Message { timestamp: Timestamp::new(before.into()), ..said("late", "coder", "from before") }).await?;
    ground.publish(&said("late", "coder", "of now")).await?;
    ground.wait_for_rows(2).await?;
    let marks = "return [...document.querySelectorAll('#rows .row')].map((row) => row.querySelector('.mark')?.textContent ?? '')";
    for time in ["live", "in history"] {
        let told = ground.ask(marks).await?;
        assert!(told[0].as_str().is_some_and(|mark| mark.starts_with("late 10 m")), "{time}: {told}");
        assert_eq!(told[1], "", "{time}");
        ground.wait_for_history("late", 2).await?;
        ground.open_live("/agents/late-uid").await?;
    }
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_opens_in_its_row_first_a_part_of_it_and_then_all() -> Result<()> {
    let ground = Ground::new().await?;
    let lines = (0..9_000).map(|number| format!("line {number:05} of the output\n")).collect::<Vec<_>>().concat();
    assert!(lines.len() > 200_000);
    ground.publish(&call("long", "l1", json!({ "command": "make" }))).await?;
    ground.publish(&result("long", "l1", &lines)).await?;
    ground.publish(&said("long", "coder", &format!("**bold**\n\n{}", "word ".repeat(20_000)))).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("long", 3).await?;
    ground.open_live("/agents/long-uid").await?;

    let shown = "document.querySelector('.results pre').textContent.length";
    ground.ask("document.querySelector('.tool').open = true; return 1").await?;
    ground.wait_for("a part is there", &format!("return {shown} === 64 * 1024")).await?;
    // Closed and opened, it is what it was: all of it is for those who ask for it.
    ground.ask("document.querySelector('.tool').open = false; return 1").await?;
    ground.ask("document.querySelector('.tool').open = true; return 1").await?;
    let link = "document.querySelector('.results .rest a')";
    assert_eq!(ground.ask(&format!("return {link}.textContent")).await?, "all 219 KiB");
    ground.ask(&format!("{link}.click(); return 1")).await?;
    ground.wait_for("all of it is there", &format!("return {shown} === {}", lines.len())).await?;
    assert_eq!(ground.ask(&format!("return [{link}, location.pathname]")).await?, json!([null, "/agents/long-uid"]));

    // The same for what was said: shown as markdown, however long.
    let rest = "[...document.querySelectorAll('#rows .row')].at(-1).querySelector('.rest a')";
    let said = "[...document.querySelectorAll('#rows .row')].at(-1).querySelector('.what')";
    for bytes in [64 * 1024, 100_000] {
        ground.ask(&format!("{rest}.click(); return 1")).await?;
        ground.wait_for("more of it is there", &format!("return {said}.textContent.length >= {bytes} - 10")).await?;
        assert_eq!(ground.ask(&format!("return {said}.querySelector('strong').textContent")).await?, "bold");
    }
    assert_eq!(ground.ask(&format!("return {rest}")).await?, Value::Null);
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn markdown_is_shown_as_it_was_written_and_back() -> Result<()> {
    let ground = Ground::new().await?;
    let text = "# Title\n\n- **one**\n- <b>two</b>\n";
    ground.publish(&said("raw", "coder", text)).await?;
    ground.publish(&said("raw", "coder", "after it")).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("raw", 2).await?;
    ground.open_live("/agents/raw-uid").await?;
    ground.press("k").await?;
    ground.press("k").await?;
    let what = "document.querySelector('#rows .row .what')";
    let rendered = ground.ask(&format!("return {what}.innerHTML")).await?;
    assert_eq!(ground.ask(&format!("return {what}.querySelectorAll('h3, li').length")).await?, 3);
    ground.press("r").await?;
    ground
        .wait_for("it is shown as written", &format!("return {what}.querySelector('pre.line')?.textContent === {}", json!(text)))
        .await?;
    assert_eq!(ground.ask(&format!("return {what}.querySelectorAll('h3, li, strong, b').length")).await?, 0);
    ground.press("r").await?;
    ground.wait_for("it is markdown again", &format!("return {what}.innerHTML === {rendered}")).await?;

    // With the pointer.
    ground.point_at("#rows .row .what").await?;
    ground.wait_for("the row has its buttons", "return !!document.querySelector('#rows .row .tools')").await?;
    let button = "[...document.querySelectorAll('.tools button')].find((button) => button.textContent === 'raw')";
    ground.ask(&format!("{button}.click(); return 1")).await?;
    ground
        .wait_for(
            "it is shown as written",
            &format!("return {button}.getAttribute('aria-pressed') === 'true' && !!{what}.querySelector('pre.line')"),
        )
        .await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_searched_for_is_marked_where_it_is_said() -> Result<()> {
    let ground = Ground::new().await?;
    ground.publish(&said("found", "coder", "The last line of **The Last Line** is lost")).await?;
    ground.publish(&said("found", "last line", "another one")).await?;
    ground.publish(&said("found", "coder", &format!("last line {}", "x ".repeat(6_000) + "last line"))).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("found", 3).await?;
    let marked = "return [...(CSS.highlights.get('found') ?? [])].map((range) => range.toString())";
    ground.open("/agents/found-uid").await?;
    assert_eq!(ground.ask(marked).await?, json!([]));
    ground.open("/agents/found-uid?q=last+LINE").await?;
    ground.wait_for_rows(2).await?;
    ground.wait_for("it is marked", "return CSS.highlights.get('found')?.size === 3").await?;
    assert_eq!(ground.ask(marked).await?, json!(["last line", "Last Line", "last line"]));
    // What is fetched is marked as well.
    ground.ask("document.querySelector('#rows .rest a').click(); return 1").await?;
    ground.wait_for("the end of the text is marked", "return CSS.highlights.get('found').size === 4").await?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_shown_as_the_reader_likes_them_and_days_with_them() -> Result<()> {
    let ground = Ground::new().await?;
    // Fourteen hours ahead of UTC: what is one day there is two here, and the other way round.
    ground.tell("Emulation.setTimezoneOverride", json!({ "timezoneId": "Pacific/Kiritimati" })).await?;
    let moments =
        ["2026-03-01T09:59:59.000Z", "2026-03-01T10:00:00.500Z", "2026-03-01T23:00:00.000Z", "2026-03-02T01:00:00.250Z"];
    for moment in moments {
        ground.publish(&at(said("times", "coder", moment), moment)).await?;
    }
    ground.open("/agents").await?;
    ground.wait_for_history("times", moments.len()).await?;
    ground.open_live("/agents/times-uid").await?;
    let days = "return [...document.querySelectorAll('#rows > *')].map((entry) => entry.matches('.day') ? entry.textContent : entry.querySelector('.what').textContent.slice(11, 16))";
    let times = "return [...document.querySelectorAll('#rows .row time')].map((time) => time.textContent)";
    let utc = json!(["Sunday 1 March 2026, UTC", "09:59", "10:00", "23:00", "Monday 2 March 2026, UTC", "01:00"]);
    assert_eq!(ground.ask(days).await?, utc);
    ground.press("t").await?;
    let local = ["Sunday 1 March 2026, local time", "09:59", "Monday 2 March 2026, local time", "10:00", "23:00", "01:00"];
    assert_eq!(ground.ask(days).await?, json!(local));
    assert_eq!(ground.ask(times).await?, json!(["23:59:59.000", "00:00:00.500", "13:00:00.000", "15:00:00.250"]));
    // An agent is named again below each day.
    let named = "return [...document.querySelectorAll('#rows .row')].map((row) => !row.classList.contains('same'))";
    assert_eq!(ground.ask(named).await?, json!([true, true, false, false]));
    // What arrives is put under its day.
    let next = "2026-03-02T10:00:00.000Z";
    ground.publish(&at(said("times", "coder", next), next)).await?;
    ground.wait_for_rows(5).await?;
    let [first, second] = ["Tuesday 3 March 2026, local time", "10:00"];
    let expected: Vec<&str> = local.into_iter().chain([first, second]).collect();
    assert_eq!(ground.ask(days).await?, json!(expected));

    ground.press("t").await?;
    ground.press("t").await?;
    assert_eq!(ground.ask("return document.querySelector('#times [aria-pressed=\"true\"]').textContent").await?, "delta");
    assert_eq!(ground.ask(times).await?, json!(["·", "+0:01.500", "+12:59:59.500", "+2:00:00.250", "+8:59:59.750"]));
    let late = "2026-03-02T09:59:59.000Z";
    ground.publish(&at(said("times", "coder", late), late)).await?;
    ground.wait_for_rows(6).await?;
    assert_eq!(ground.ask(times).await?[5], "−0:01.000");
    // Kept for the next page, and back to where it began.
    ground.wait_for_history("times", 6).await?;
    ground.open_live("/agents/times-uid").await?;
    assert_eq!(ground.ask(times).await?[1], "+0:01.500");
    ground.press("t").await?;
    let days_of = ground.ask(days).await?;
    assert_eq!(days_of.as_array().map(|days| days[..6].to_vec()), utc.as_array().cloned());
    let title = ground.ask("return document.querySelector('#rows a.when').title").await?;
    assert!(title.as_str().context("a time has no title")?.starts_with("2026-03-01T09:59:59"), "{title}");
    ground.end().await
}
