//! A run as people see it: everything that a page has to show, once.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use message::{Kind, Message, Role, Source, Timestamp, Tool};
use serde_json::{Value, json};

use crate::ground::{Ground, said, to_all};

/// The run of the story.
pub const RUN: &str = "fix-bug";
/// How many messages it has.
pub const COUNT: usize = 35;
/// How many messages the two runs beside it have.
pub const OTHERS: i64 = 5;

const DIFFERENCE: &str = "diff --git a/records/src/cut.rs b/records/src/cut.rs\n--- a/records/src/cut.rs\n+++ b/records/src/cut.rs\n\
    @@ -41,7 +41,10 @@ impl Cutter {\n     fn cut(&mut self, bytes: &[u8]) -> Option<Record> {\n-        let end = memchr(b'\\n', bytes)?;\n\
    +        let end = match memchr(b'\\n', bytes) {\n+            Some(end) => end,\n+            None if self.ended => bytes.len(),\n\
    +            None => return None,\n+        };\n         self.take(bytes, end)\n     }\n";

/// Publishes the run, and two others beside it.
pub async fn tell(ground: &Ground) -> Result<()> {
    let mut teller = Teller { ground, at: SystemTime::now() - Duration::from_secs(40), call: 0, said: 0 };
    others(&mut teller).await?;
    plan(&mut teller).await?;
    implement(&mut teller).await?;
    verify(&mut teller).await
}

struct Teller<'a> {
    ground: &'a Ground,
    at: SystemTime,
    call: u32,
    said: u64,
}

impl Teller<'_> {
    async fn say(&mut self, message: Message) -> Result<()> {
        self.at += Duration::from_millis(413);
        // A run takes its time, and not evenly: its bars are of the times at which the stream stored what it said.
        tokio::time::sleep(Duration::from_millis(self.said * 17 % 50)).await;
        self.said += 1;
        self.ground.publish(&Message { timestamp: Timestamp::new(self.at.into()), ..message }).await
    }

    async fn call(&mut self, at: (&str, &str), name: &str, arguments: Value, result: Tool) -> Result<()> {
        self.call += 1;
        let (agent, step) = at;
        let call_id = format!("call-{}", self.call);
        let call = Tool::default().with("call_id", call_id.as_str()).with("name", name).with("arguments", arguments);
        self.say(with_tool(of(agent, step, Kind::TOOL_CALL, ""), call)).await?;
        let result = result.with("call_id", call_id).with("name", name);
        self.say(with_tool(of(agent, step, Kind::TOOL_RESULT, ""), result)).await
    }
}

fn of(agent: &str, step: &str, kind: &str, content: &str) -> Message {
    let kind = Kind::new(kind).unwrap_or_else(Kind::message);
    let role = if kind.as_str() == Kind::MESSAGE { Role::Assistant } else { kind.default_role() };
    let pod = Some(format!("{RUN}-{step}"));
    Message { kind, role, step_id: Some(step.to_owned()), pod, runtime: Some("argo".to_owned()), ..said(RUN, agent, content) }
}

fn with_tool(message: Message, tool: Tool) -> Message {
    Message { content: None, tool: Some(tool), ..message }
}

fn with(mut message: Message, attribute: &str, value: Value) -> Message {
    message.attrs.insert(attribute.to_owned(), value);
    message
}

async fn others(teller: &mut Teller<'_>) -> Result<()> {
    let ended = |run: &str, code: i32| {
        let end = Message { kind: Kind::new(Kind::STEP_END).unwrap_or_else(Kind::message), ..said(run, "sidecar", "step ended") };
        with(end, "exit_code", json!(code))
    };
    teller.say(said("release-2026-11", "deploy", "manifest rejected by policy `require-limits`")).await?;
    teller.say(ended("release-2026-11", 3)).await?;
    teller.say(said("docs-refresh", "writer", "14 pages updated, links checked")).await?;
    teller.say(ended("docs-refresh", 0)).await?;
    teller.say(to_all("docs-refresh", "writer", "The pages of **records** are new; `fix-bug` may link to them.")).await
}

async fn plan(teller: &mut Teller<'_>) -> Result<()> {
    let todo = "Three things to do. I start with the parser, because the `fix-bug-2` run waits for it.\n\n\
        - make `cut()` keep a line that has no end\n- add the case to the model test\n- measure again";
    let user = Message {
        role: Role::User,
        ..of("planner", "plan", Kind::MESSAGE, "The last line of a log is lost after a restart. Please fix it.")
    };
    teller.say(user).await?;
    teller.say(of("planner", "plan", Kind::MESSAGE, todo)).await?;
    let thought = "The torn tail is only visible after a restart, so the test has to kill the process between write and sync.";
    teller.say(of("planner", "plan", Kind::REASONING, thought)).await?;
    let usage = json!({"input_tokens": 41_200, "cached_tokens": 30_000, "output_tokens": 9_050});
    teller.say(with(of("planner", "plan", Kind::STATUS, "turn completed"), "usage", usage)).await?;
    teller.say(with(of("sidecar", "plan", Kind::STEP_END, "step ended with 0"), "exit_code", json!(0))).await
}

async fn implement(teller: &mut Teller<'_>) -> Result<()> {
    let coder = ("coder", "implement");
    let result =
        |ms: u32, code: i32, output: &str| Tool::default().with("duration_ms", ms).with("exit_code", code).with("output", output);
    let found = "records/src/cut.rs:41:    fn cut(&mut self, bytes: &[u8]) -> Option<Record> {";
    teller.call(coder, "bash", json!({"command": "rg -n 'fn cut' records/src"}), result(40, 0, found)).await?;
    let edit = Tool::default().with("duration_ms", 12).with("status", "applied").with("output", DIFFERENCE);
    teller.call(coder, "edit", json!({"path": "records/src/cut.rs"}), edit).await?;
    let lines = (0..600).map(|number| format!("test cut::case_{number:03} ... ok\n")).collect::<Vec<_>>().concat();
    let output = format!("running 600 tests\n{lines}\ntest result: FAILED. 599 passed; 1 failed");
    teller.call(coder, "bash", json!({"command": "cargo test -p records --quiet"}), result(12_400, 101, &output)).await?;
    let fails = "One test fails: the last line is sent twice after a restart.\n\n\
        ```\nassertion `left == right` failed: offset 4096, part 0\n  left: [\"a\", \"b\"]\n right: [\"a\", \"b\", \"b\"]\n```";
    teller.say(of("coder", "implement", Kind::MESSAGE, fails)).await?;
    for number in 0..12 {
        teller.say(of("coder", "implement", Kind::STATUS, &format!("context compacted, {} % left", 80 - number))).await?;
    }
    let review = "Cut points that depend on time must be written down first:\n\n| cut | decided by | repeats? |\n|---|---|---|\n\
        | newline | bytes | no |\n| time-out | clock | yes, unless synced |";
    teller.say(of("reviewer", "review", Kind::MESSAGE, review)).await?;
    let secret = "Token read from the environment: [redacted:github-token]";
    teller.say(of("coder", "implement", Kind::MESSAGE, secret)).await?;
    let gap = "14 lines of build.log were overwritten before they could be read (copy-truncate, 1.2 KB)";
    let gap = with(of("sidecar", "implement", Kind::GAP, gap), "reason", json!("copy-truncate"));
    teller.say(with(gap, "records", json!(14))).await?;
    let torn = of("coder", "implement", Kind::LOG, "{\"type\":\"item.completed\",\"item\":{\"id\":\"it");
    teller.say(with(torn, "parse_error", json!("EOF while parsing a string at line 1 column 44"))).await
}

async fn verify(teller: &mut Teller<'_>) -> Result<()> {
    let passed = Tool::default().with("duration_ms", 11_900).with("exit_code", 0).with("output", "test result: ok. 600 passed");
    teller.call(("coder", "implement"), "bash", json!({"command": "cargo test -p records --quiet"}), passed).await?;
    teller
        .say(of("tests", "verify", Kind::ERROR, "connection to the broker lost for 4.1 s; 312 messages waited, none lost"))
        .await?;
    let end = of("sidecar", "verify", Kind::SOURCE_END, "build.log ended without its end");
    let end = with(with(end, "complete", json!(false)), "last_offset", json!(4096));
    let source =
        Source { pod_uid: "p".to_owned(), label: "main/build.log".to_owned(), generation: 1, start: 4_096, end: 4_096, part: 0 };
    teller.say(Message { source: Some(source), ..end }).await?;
    let green =
        Message { attempt: Some(2), ..of("coder", "verify", Kind::MESSAGE, "Green. **312** messages sent again, **0** twice.") };
    teller.say(green).await?;
    let handing = of("planner", "verify", Kind::MESSAGE, "Handing over to review; the general channel knows.");
    teller.say(Message { channel: Some(message::GENERAL_CHANNEL.to_owned()), ..handing }).await?;
    let progress = Tool::default()
        .with("call_id", "open")
        .with("name", "bash")
        .with("arguments", json!({"command": "cargo bench --bench cut"}));
    teller.say(with_tool(of("coder", "verify", Kind::TOOL_CALL, ""), progress)).await
}
