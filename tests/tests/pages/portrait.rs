//! The pictures of the documents: an afternoon of several teams, as somebody would find it who looks at its end.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use async_nats::jetstream;
use message::{Kind, Message, RunIdentity, Timestamp, Tool};
use serde_json::json;

use crate::ground::{Ground, said, to_all};
use crate::{screens, story};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Not,
    With(i32),
    Unknown,
}

/// A run that is no more than a row of the list.
struct Run {
    name: &'static str,
    namespace: &'static str,
    agents: &'static [&'static str],
    messages: u32,
    /// Seconds before the picture.
    from: u64,
    to: u64,
    last: &'static str,
    end: End,
}

const RUNS: [Run; 7] = [
    Run {
        name: "nightly-index-29924083",
        namespace: "search",
        agents: &["indexer"],
        messages: 900,
        from: 4_300,
        to: 3_900,
        last: "12 shards written, 21.4 M documents",
        end: End::With(0),
    },
    Run {
        name: "import-legacy",
        namespace: "data",
        agents: &["loader"],
        messages: 1_200,
        from: 4_250,
        to: 3_100,
        last: "4,102,338 rows loaded",
        end: End::Unknown,
    },
    Run {
        name: "fix-flaky-clock",
        namespace: "team-red",
        agents: &["coder", "reviewer"],
        messages: 403,
        from: 2_900,
        to: 2_522,
        last: "approved, with one remark",
        end: End::With(0),
    },
    Run {
        name: "release-2026.10.4",
        namespace: "platform",
        agents: &["planner", "deploy", "tests"],
        messages: 240,
        from: 2_000,
        to: 1_420,
        last: "smoke test of eu-1 ended with 3: quota is used up",
        end: End::With(3),
    },
    Run {
        name: "triage-4127",
        namespace: "support",
        agents: &["triage", "writer"],
        messages: 88,
        from: 2_300,
        to: 740,
        last: "waiting for what the customer says",
        end: End::Not,
    },
    Run {
        name: "translate-handbook",
        namespace: "docs",
        agents: &["writer", "reviewer", "french", "german", "polish", "czech", "danish", "greek"],
        messages: 512,
        from: 480,
        to: 355,
        last: "eight languages, 14 pages each, links checked",
        end: End::With(0),
    },
    Run {
        name: "nightly-index-29924084",
        namespace: "search",
        agents: &["indexer"],
        messages: 1_140,
        from: 2_460,
        to: 2,
        last: "shard 7 of 12 is written, 1.8 M documents",
        end: End::Not,
    },
];

impl Run {
    fn said(&self, agent: &str, content: &str, seconds: f64) -> Message {
        let message = said(self.name, agent, content);
        let run = RunIdentity { namespace: self.namespace.to_owned(), ..message.run.clone() };
        Message { run, timestamp: ago(seconds), ..message }
    }

    fn tell(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = (1..self.messages)
            .map(|number| {
                let agent = self.agents[number as usize % self.agents.len()];
                self.said(agent, &format!("part {number} is done"), self.at(number))
            })
            .collect();
        messages.push(self.said(self.agents[0], self.last, self.at(self.messages)));
        if self.end != End::Not {
            let mut end = Message { kind: kind(Kind::STEP_END), ..self.said("sidecar", "step ended", self.at(self.messages)) };
            if let End::With(code) = self.end {
                end.attrs.insert("exit_code".to_owned(), json!(code));
            }
            messages.push(end);
        }
        messages
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds of an afternoon")]
    fn at(&self, number: u32) -> f64 {
        let part = f64::from(number) / f64::from(self.messages);
        self.from as f64 - part * (self.from - self.to) as f64
    }
}

fn kind(name: &str) -> Kind {
    Kind::new(name).unwrap_or_else(Kind::message)
}

fn ago(seconds: f64) -> Timestamp {
    Timestamp::new((SystemTime::now() - Duration::from_secs_f64(seconds)).into())
}

/// What the run of the story did before it comes to the story: calls in bursts, and what is said about them.
fn before_the_story() -> Vec<Message> {
    const CALLS: u32 = 420;
    let mut messages = Vec::new();
    for number in 0..CALLS {
        let part = f64::from(number) / f64::from(CALLS);
        // From 232 s to 44 s before the picture, now faster, now slower.
        let at = 232.0 - 188.0 * (part + 0.09 * (part * 31.0).sin() * (1.0 - part) * part.sqrt());
        let (agent, step) =
            [("coder", "implement"), ("coder", "implement"), ("planner", "plan"), ("tests", "verify")][number as usize % 4];
        let of = |kind_name: &str, content: &str, later: f64| Message {
            kind: kind(kind_name),
            step_id: Some(step.to_owned()),
            pod: Some(format!("{}-{step}", story::RUN)),
            timestamp: ago(at - later),
            runtime: Some("argo".to_owned()),
            ..said(story::RUN, agent, content)
        };
        let tool = |message: Message, tool: Tool| Message {
            content: None,
            tool: Some(tool.with("call_id", format!("early-{number}"))),
            ..message
        };
        let arguments = json!({ "command": format!("sed -n '{0},{1}p' records/src/cut.rs", number * 7, number * 7 + 40) });
        messages.push(tool(of(Kind::TOOL_CALL, "", 0.0), Tool::default().with("name", "bash").with("arguments", arguments)));
        let result =
            Tool::default().with("name", "bash").with("exit_code", 0).with("duration_ms", 20 + number % 90).with("output", "…");
        messages.push(tool(of(Kind::TOOL_RESULT, "", 0.05), result));
        match number % 70 {
            69 => messages.push(of(Kind::ERROR, "the model was busy; asked again after 2 s", 0.1)),
            13 | 31 | 52 => messages.push(of(Kind::MESSAGE, "Nothing in these lines depends on time.", 0.1)),
            _ => messages.push(of(Kind::STATUS, "context read", 0.1)),
        }
    }
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn an_afternoon_looks_as_the_documents_show_it() -> Result<()> {
    let ground = Ground::new().await?;
    let admin = jetstream::new(ground.nats.admin().connect().await?);
    let mut count = 0;
    let [earlier @ .., newest] = &RUNS;
    let messages: Vec<Message> = earlier.iter().flat_map(Run::tell).collect();
    for message in messages.iter().chain(&before_the_story()) {
        admin.publish(message::wire::subject(message), message::wire::to_json(message).into()).await?;
        count += 1;
    }
    for (run, agent, text, seconds) in [
        ("fix-bug", "planner", "I take the torn tail of `records`; `fix-bug-2` waits for it.", 229.0),
        ("docs-refresh", "writer", "Who knows where the limits of the spool are written down?", 151.0),
        ("fix-bug", "planner", "In `docs/keeping.md`, under **What is kept**.", 134.0),
    ] {
        let step = Some("plan".to_owned());
        let pod = Some(format!("{run}-plan"));
        ground.publish(&Message { timestamp: ago(seconds), step_id: step, pod, ..to_all(run, agent, text) }).await?;
        count += 1;
    }
    story::tell(&ground).await?;
    for message in newest.tell() {
        admin.publish(message::wire::subject(&message), message::wire::to_json(&message).into()).await?;
        count += 1;
    }
    let sql = ground.database.connect().await?;
    let stored = "SELECT count(*) FROM workflow_comms.agent_messages";
    let start = std::time::Instant::now();
    loop {
        let there: i64 = sql.query_one(stored, &[]).await?.get(0);
        if there >= i64::from(count) + i64::try_from(story::COUNT)? + story::OTHERS {
            break;
        }
        anyhow::ensure!(start.elapsed() < 3 * crate::ground::PATIENCE, "{there} messages are stored");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ground.open("/agents").await?;
    ground.wait_for_history(story::RUN, story::COUNT + 420 * 3 + 2).await?;
    // All of it was said within seconds. As if it had been stored when it was said, as far as the day goes back.
    sql.batch_execute(
        "UPDATE workflow_comms.agent_messages SET stream_ts = greatest(timestamp, date_trunc('day', stream_ts, 'UTC')); \
         UPDATE workflow_comms.runs SET first_at = told.first, last_at = told.last FROM (SELECT workflow_namespace AS namespace, \
             workflow_uid AS uid, min(stream_ts) AS first, max(stream_ts) AS last FROM workflow_comms.agent_messages GROUP BY 1, 2) AS told \
             WHERE workflow_namespace = told.namespace AND workflow_uid = told.uid; \
         UPDATE workflow_comms.run_steps SET first_at = told.first, last_at = told.last FROM (SELECT workflow_namespace AS namespace, pod, \
             min(stream_ts) AS first, max(stream_ts) AS last FROM workflow_comms.agent_messages GROUP BY 1, 2) AS told \
             WHERE workflow_namespace = told.namespace AND run_steps.pod = told.pod",
    )
    .await?;
    screens::look(&ground, "/agents", "afternoon-runs").await?;
    let rows = ground.ask("return document.querySelectorAll('#runs tr').length").await?;
    assert_eq!(rows, RUNS.len() + 3, "rows");
    screens::look(&ground, "/agents/fix-bug-uid", "afternoon-run").await?;
    ground.wait_for("the bars on screen are marked", "return document.querySelectorAll('#spread .bar.seen').length > 0").await?;
    screens::look(&ground, "/agents/general", "afternoon-general").await?;
    ground.end().await
}
