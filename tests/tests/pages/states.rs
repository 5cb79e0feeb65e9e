//! The states in which a page has nothing to show, or something odd: each says what it is and what to do, and looks like it.

mod odd;

use anyhow::{Result, ensure};
use message::{Kind, Message};
use serde_json::json;
use tests::look::Look;

use crate::ground::{Ground, said, to_all};
use crate::road::State;

fn of_kind(kind: &str, message: Message) -> Message {
    let kind = Kind::new(kind).unwrap_or_else(Kind::message);
    Message { role: kind.default_role(), kind, ..message }
}

/// Waits until the mark of the connection says this, and leaves it so: its page goes on trying.
async fn stop_mark(ground: &Ground, state: &str) -> Result<()> {
    let stopped = format!(
        "const mark = document.getElementById('connection'); if (mark.dataset.state !== '{state}') return false; \
         mark.replaceWith(mark.cloneNode(true)); return true"
    );
    ground.wait_for(&format!("the connection is `{state}`"), &stopped).await
}

/// Where the links of what is told lead to, by their text.
async fn leads(ground: &Ground, text: &str, to: &str) -> Result<()> {
    let script = format!(
        "return [...document.querySelectorAll('main a')].find((link) => link.textContent === '{text}')?.getAttribute('href') ?? null"
    );
    let href = ground.ask(&script).await?;
    ensure!(href == to, "`{text}` leads to {href}, not to {to}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_anything_says_what_would_fill_it() -> Result<()> {
    let ground = Ground::new().await?;
    let mut look = Look::new(&ground.browser, &ground.chromium).await?;
    ground.open_live("/agents").await?;
    let label = "kubectl label namespace my-namespace agent-comms.dev/inject=enabled";
    look.at("runs-none", &["No runs yet", label, "nats pub workflow.my-namespace.hello.unknown.agent.me.message"]).await?;
    ground.open_live("/agents?state=active").await?;
    look.at("runs-none-active", &["No run is active", "Show all runs"]).await?;
    ground.open_live("/agents?state=failed").await?;
    look.at("runs-none-failed", &["No run has failed", "Show all runs"]).await?;
    ground.open_live("/agents?q=nobody").await?;
    leads(&ground, "Show all runs", "/agents").await?;
    look.at("runs-no-match", &["No run matches"]).await?;
    ground.open_live("/agents/general").await?;
    look.at("general-none", &["Nothing in the shared channel yet", "curl --unix-socket \"$AGENT_COMMS_SOCKET\""]).await?;
    ground.open_live("/agents/never-uid").await?;
    look.at("run-not-yet", &["Nothing of this run yet", "No message of a run never-uid has come yet", "curl --unix-socket"])
        .await?;

    let database = ground.database.connect().await?;
    database
        .batch_execute("INSERT INTO workflow_comms.forgotten_runs VALUES ('gone-uid', 'demo', '2026-10-30T14:02:11Z')")
        .await?;
    ground.open_live("/agents/gone-uid").await?;
    let gone = "A run gone-uid in demo spoke last on Friday 30 October 2026. What it said was dropped with that day.";
    look.at("run-past-retention", &["This run is past the retention", gone]).await?;
    // It is told so in another namespace no more than one that never was.
    ground.open_live("/agents/gone-uid?namespace=shop").await?;
    assert_eq!(ground.ask("return document.querySelector('#nothing h2').textContent").await?, "Nothing of this run yet");

    ground.open("/nowhere/at/all").await?;
    leads(&ground, "All runs", "/agents").await?;
    look.at("not-found", &["Nothing is here", "Nothing is at /nowhere/at/all."]).await?;
    ground.open("/agents?before=nonsense&q=x").await?;
    leads(&ground, "Without filters", "/agents?filters=none").await?;
    look.at("link-not-read", &["This link cannot be read", "before: nonsense is no cursor"]).await?;
    look.end()?;
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_place_or_filters_leave_nothing_leads_back() -> Result<()> {
    let ground = Ground::new().await?;
    let mut look = Look::new(&ground.browser, &ground.chromium).await?;
    let step = |message| of_kind(Kind::STEP_END, Message { agent_id: "sidecar".to_owned(), ..message });
    ground.publish(&step(said("silent", "", "step ended with 0"))).await?;
    for content in ["first", "second", "third"] {
        ground.publish(&said("short", "coder", content)).await?;
    }
    ground.publish(&to_all("short", "coder", "hello, all")).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("short", 4).await?;

    ground.open_live("/agents/silent-uid").await?;
    look.at("run-of-control-records", &["step ended with 0", "1 message"]).await?;
    // What is shown can be taken away as it is.
    ground.open_live("/agents/short-uid?kind=step-end&kind=error").await?;
    let export = "return Promise.all([...document.querySelectorAll('.export a')].map((link) => fetch(link.href).then((answer) => answer.text())))";
    let taken = ground.ask(export).await?;
    assert_eq!(taken[0], "", "what filters hide is exported");
    ground.open_live("/agents/short-uid?kind=message").await?;
    let taken = ground.ask(export).await?;
    let [lines, text] = [0, 1].map(|index: usize| taken[index].as_str().unwrap_or_default().to_owned());
    assert_eq!(lines.lines().count(), 4);
    assert!(["first", "second", "third", "hello, all"].iter().all(|said| text.contains(said)), "{text}");
    ground.open_live("/agents/short-uid?kind=error").await?;
    leads(&ground, "Clear the filters", "/agents/short-uid?filters=none").await?;
    look.at("run-no-match", &["No message matches", "none that these filters let through"]).await?;
    ground.scripts(false).await?;
    ground.open("/agents/short-uid?before=1.1").await?;
    leads(&ground, "Newest messages", "/agents/short-uid").await?;
    look.at_without_scripts("run-nothing-at-place", &["Nothing at this place"]).await?;
    // With a script there are the rows that come after it.
    ground.scripts(true).await?;
    ground.open("/agents/short-uid?before=1.1").await?;
    ground.wait_for_rows(4).await?;
    ground.wait_for("nothing else is told", "return document.getElementById('nothing') === null").await?;
    ground.open("/agents/short-uid?at=1.1").await?;
    look.at("message-not-here", &["The message that this link points to is not here", "first"]).await?;
    ground.open("/agents/short-uid?regex=(").await?;
    look.at("expression-not-read", &["This link cannot be read", "parentheses () not balanced", "Without filters"]).await?;
    ground.open_live("/agents/general?kind=error").await?;
    look.at("general-no-match", &["No message matches", "Nothing in the shared channel passes these filters."]).await?;

    // One id, two namespaces.
    for namespace in ["demo", "shop"] {
        let body = json!({ "content": "mine", "run_id": "outer-7" }).to_string();
        ground.publish_bytes(&format!("workflow.{namespace}.twin.twin-{namespace}.agent.coder.message"), &body).await?;
    }
    ground.publish_bytes("workflow.demo.broken.broken-uid.agent.coder.message", "{ \"content\": ").await?;
    let known = "return fetch('/api/agents/runs/outer-7').then((answer) => answer.status === 409)";
    ground.wait_for("two runs have one id", known).await?;
    ground.open("/agents/outer-7?kind=message").await?;
    leads(&ground, "shop", "/agents/outer-7?kind=message&namespace=shop").await?;
    look.at("run-of-two-namespaces", &["Several runs have this id", "demo", "shop"]).await?;

    let letters =
        "return fetch('/api/agents/dead-letters').then((answer) => answer.json()).then((page) => page.letters?.length === 1)";
    ground.wait_for("the broken one is a dead letter", letters).await?;
    ground.open_live("/agents").await?;
    let chip = "return document.querySelector('.chip.dead')?.getAttribute('href')";
    assert_eq!(ground.ask(chip).await?, "/api/agents/dead-letters");
    assert_eq!(ground.ask("return document.querySelector('.chip.dead').textContent.trim()").await?, "1 dead letter");

    // So many runs that a search ends before it has looked at all of them.
    let database = ground.database.connect().await?;
    let many = "INSERT INTO workflow_comms.runs (workflow_namespace, run_key, workflow_name, workflow_uid, first_epoch, first_seq, \
        first_at, last_epoch, last_seq, last_at, messages, kinds, agents) SELECT 'old', 'old-' || n, 'old', 'old-' || n, 0, n, now(), \
        0, n, now(), 1, '{}', '{}' FROM generate_series(1, 5100) AS n";
    database.batch_execute(many).await?;
    older_runs_follow(&ground).await?;
    ground.open("/agents?q=nobody").await?;
    look.at("runs-many-looked-at", &["No run matches", "Many runs were looked at, and few match", "Older runs"]).await?;

    // What a day held is dropped: the run begins in the middle.
    database.batch_execute("DELETE FROM workflow_comms.agent_messages WHERE stream_seq <= 3; UPDATE workflow_comms.stream_epochs SET kept_from = 4").await?;
    ground.publish(&said("short", "coder", "fourth")).await?;
    let cut = "return fetch('/agents/short-uid').then((answer) => answer.text()).then((page) => page.includes('What was said before is past the retention.'))";
    ground.wait_for("it is known that a day was dropped", cut).await?;
    ground.open_live("/agents/short-uid").await?;
    ground.wait_for_rows(3).await?;
    look.at("run-begins-later", &["What was said before is past the retention.", "third", "fourth"]).await?;
    look.end()?;
    ground.end().await
}

/// The list of runs goes on where it ended, without one that was shown already.
async fn older_runs_follow(ground: &Ground) -> Result<()> {
    let shown = "return [...document.querySelectorAll('#runs tr')].map((row) => row.dataset.run)";
    let mut seen = std::collections::HashSet::new();
    ground.open("/agents").await?;
    for page in 0..3 {
        let runs = ground.ask(shown).await?;
        for run in runs.as_array().into_iter().flatten() {
            ensure!(seen.insert(run.to_string()), "{run} is on two pages");
        }
        ensure!(seen.len() == (page + 1) * 50, "page {page} ends after {} runs", seen.len());
        ground.ask("window.left = true; document.querySelector('.older a').click(); return 1").await?;
        ground
            .wait_for("the next page is open", "return window.left === undefined && document.readyState === 'complete'")
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_live_says_why() -> Result<()> {
    let ground = Ground::new().await?;
    let mut look = Look::new(&ground.browser, &ground.chromium).await?;
    ground.publish(&said("cut", "coder", "before it was cut")).await?;
    ground.open("/agents").await?;
    ground.wait_for_history("cut", 1).await?;

    ground.open_live("/agents/cut-uid").await?;
    ground.road.becomes(State::Answers(401));
    stop_mark(&ground, "out").await?;
    look.at("signed-out", &["Sign in again", "before it was cut"]).await?;

    ground.road.becomes(State::Open);
    ground.open_live("/agents/cut-uid").await?;
    ground.road.becomes(State::Answers(503));
    stop_mark(&ground, "closed").await?;
    look.at("reconnecting", &["Reconnecting in", "before it was cut"]).await?;
    // What was said meanwhile is not read out line by line.
    let watch = "window.busy = []; const list = document.getElementById('timeline'); \
                 new MutationObserver(() => busy.push(list.getAttribute('aria-busy'))).observe(list, { attributeFilter: ['aria-busy'] }); return 1";
    ground.ask(watch).await?;
    ground.publish(&said("cut", "coder", "meanwhile")).await?;
    ground.road.becomes(State::Open);
    ground.wait_for_rows(2).await?;
    ground.wait_for("the list is at rest", "return busy.at(-1) === null").await?;
    assert_eq!(ground.ask("return busy.includes('true')").await?, true, "the list was not busy while it caught up");

    ground.wait_for_history("cut", 2).await?;
    ground.open("/agents/cut-uid?q=before").await?;
    look.at("not-live", &["Not live", "before it was cut", "Clear filters"]).await?;
    ground.scripts(false).await?;
    ground.open("/agents/cut-uid").await?;
    look.at_without_scripts("without-scripts", &["demo / cut", "before it was cut"]).await?;
    ground.open("/agents").await?;
    look.at_without_scripts("runs-without-scripts", &["recent", "cut"]).await?;
    ground.scripts(true).await?;
    look.end()?;
    ground.end().await
}
