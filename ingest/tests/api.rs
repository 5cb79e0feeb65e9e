//! The API answers as its own document says: every route is asked, every answer is held against its schema, and nothing stands
//! in a schema that no answer ever showed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::world::World;

/// A server, its document, and which properties its answers have shown.
struct Api {
    address: std::net::SocketAddr,
    http: legacy::Client<HttpConnector, Empty<Bytes>>,
    document: Value,
    validators: BTreeMap<String, Validator>,
    shown: BTreeSet<String>,
    asked: BTreeSet<String>,
}

struct Answer {
    status: StatusCode,
    content_type: String,
    body: String,
}

impl Api {
    async fn new(address: std::net::SocketAddr) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new()).build_http();
        let mut api = Self {
            address,
            http,
            document: Value::Null,
            validators: BTreeMap::new(),
            shown: BTreeSet::new(),
            asked: BTreeSet::new(),
        };
        let document: Value = serde_json::from_str(&api.get("/openapi.json").await.body).expect("JSON");
        for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
            let schema = json!({ "$ref": format!("#/components/schemas/{name}"), "components": document["components"] });
            api.validators.insert(name.clone(), jsonschema::validator_for(&schema).expect("a schema"));
        }
        api.document = document;
        api.asked.insert("/openapi.json".to_owned());
        api
    }

    async fn get(&self, path: &str) -> Answer {
        let request = Request::get(format!("http://{}{path}", self.address)).body(Empty::new()).expect("a request");
        let answer = self.http.request(request).await.expect("an answer");
        let status = answer.status();
        let content_type = answer.headers()["content-type"].to_str().expect("text").to_owned();
        let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        Answer { status, content_type, body: String::from_utf8(body.to_vec()).expect("text") }
    }

    /// Holds a value against a schema, and notes what it shows.
    #[track_caller]
    fn hold(&mut self, schema: &str, value: &Value) {
        let errors: Vec<String> =
            self.validators[schema].iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(errors.is_empty(), "{schema}: {errors:#?}\n{value:#}");
        let members = value.as_object().expect("an object");
        self.shown.extend(members.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| format!("{schema}.{name}")));
        let letter = if schema == "DeadLettersAt" { "WholeDeadLetter" } else { "DeadLetter" };
        let nested = [("messages", "Message"), ("runs", "Run"), ("steps", "Step"), ("letters", letter)];
        if let Some(discarded) = members.get("discarded").filter(|discarded| discarded.is_object()) {
            self.hold("Discarded", discarded);
        }
        for (member, schema) in nested {
            for part in members.get(member).and_then(Value::as_array).into_iter().flatten() {
                self.hold(schema, part);
            }
        }
    }

    /// Asks a route for JSON; `path` is as the document has it, `request` what is asked.
    async fn json(&mut self, path: &str, request: &str, schema: &str) -> Value {
        self.asked.insert(path.to_owned());
        let answer = self.get(request).await;
        assert_eq!((answer.status, &answer.content_type[..]), (StatusCode::OK, "application/json"), "{request}: {}", answer.body);
        let value = serde_json::from_str(&answer.body).expect("JSON");
        self.hold(schema, &value);
        value
    }

    async fn refused(&mut self, request: &str, status: u16) -> Value {
        let answer = self.get(request).await;
        assert_eq!(answer.status.as_u16(), status, "{request}: {}", answer.body);
        assert_eq!(answer.content_type, "application/problem+json", "{request}");
        let value = serde_json::from_str(&answer.body).expect("JSON");
        self.hold("Problem", &value);
        value
    }

    /// Reads events until one of this name; gives the data of those before it that have the name of `wanted`.
    async fn events(&mut self, path: &str, request: &str, until: &str, wanted: Option<&str>) -> Vec<String> {
        self.asked.insert(path.to_owned());
        let request = Request::get(format!("http://{}{request}", self.address)).body(Empty::new()).expect("a request");
        let answer = self.http.request(request).await.expect("an answer");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut body = answer.into_body();
        let (mut text, mut found) = (String::new(), Vec::new());
        loop {
            let frame = tokio::time::timeout(crate::world::DEADLINE, body.frame()).await.expect("in time");
            let frame = frame.expect("an open stream").expect("a frame").into_data().expect("data");
            text.push_str(std::str::from_utf8(&frame).expect("text"));
            while let Some((block, rest)) = text.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                let (event, data) = (field("event"), field("data").unwrap_or_default().to_owned());
                if event == wanted && !data.is_empty() {
                    found.push(data);
                }
                if event == Some(until) {
                    return found;
                }
                text = rest.to_owned();
            }
        }
    }
}

/// Words from every corner: tools, texts too long for a list, sources, the channel, one run id in two namespaces.
async fn speak(world: &World) {
    let say = async |subject: &str, body: Value| world.publish(subject, &body.to_string()).await;
    let source = json!({ "pod_uid": "p-1", "label": "main/out.log", "generation": 3, "start": 0, "end": 9, "part": 0 });
    let full = json!({
        "content": "hello 100%", "run_id": "outer", "step_id": "s", "pod": "p", "container": "main", "attempt": 1,
        "source": source, "stage": "plan", "seq": 1, "attrs": { "big": 12_345 }, "role": "user",
    });
    say("workflow.demo.build.u-1.agent.a.message", full).await;
    let call = json!({ "step_id": "s", "pod": "p", "container": "main",
        "tool": { "call_id": "c", "name": "bash", "arguments": { "command": "ls" } } });
    say("workflow.demo.build.u-1.agent.a.tool_call", call).await;
    let output = "line\n".repeat(60_000);
    say("workflow.demo.build.u-1.agent.a.tool_result", json!({ "tool": { "call_id": "c", "name": "bash", "output": output } }))
        .await;
    say("workflow.demo.build.u-1.agent.b.error", json!({ "content": "x".repeat(300 << 10) })).await;
    say("workflow.general.status.demo.build.u-1.agent.a", json!({ "content": "to all" })).await;
    let end = json!({ "content": "end", "source": source, "attrs": { "complete": false, "last_offset": 9 } });
    say("workflow.demo.build.u-1.agent.a.source-end", end).await;
    let step_end =
        json!({ "step_id": "s", "pod": "p", "container": "main", "attempt": 1, "content": "ended", "attrs": { "exit_code": 1 } });
    say("workflow.demo.build.u-1.agent.a.step-end", step_end).await;
    say("workflow.demo.build.u-1.agent.a.run-outcome", json!({ "status": "failed" })).await;
    say("workflow.other.build.u-2.agent.a.message", json!({ "content": "hello", "run_id": "outer" })).await;
    say("workflow.other.named.unknown.agent.a.message", json!({ "content": "hello" })).await;
}

#[expect(clippy::too_many_lines, reason = "one story, told of every route")]
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_document_says() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    speak(&world).await;
    let subject = "workflow.demo.build.u-1.agent.a.message";
    let headers = async_nats::HeaderMap::from_iter([("Odd".parse().expect("a name"), "odd".parse().expect("a value"))]);
    let ack = world.jetstream.publish_with_headers(subject, headers, "no JSON".into()).await.expect("published");
    ack.await.expect("acknowledged");
    world.publish(subject, "nor this").await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 12).await;
    // One was retried, and one was lost before it could be stored.
    let sql = "UPDATE workflow_comms.dead_letters SET attempts = 1, retried_at = now(), resolved_at = now() WHERE stream_seq = 12; \
               INSERT INTO workflow_comms.dead_letters (epoch, stream_seq, stream_ts, subject, payload, class, error) \
               VALUES (1, 20, now(), '', '', 'discarded', '29'), (1, 30, now(), '', '', 'late', 'late')";
    world.sql.batch_execute(sql).await.expect("changed");
    let mut api = Api::new(running.api).await;

    let runs = api.json("/api/agents/runs", "/api/agents/runs", "RunList").await;
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(3));
    let page = api.json("/api/agents/runs", "/api/agents/runs?limit=1&state=recent&q=build", "RunList").await;
    let more = format!("/api/agents/runs?limit=1&before={}", page["next"].as_str().expect("more"));
    api.json("/api/agents/runs", &more, "RunList").await;
    api.json("/api/agents/runs/{id}", "/api/agents/runs/u-1", "OneRun").await;
    api.json("/api/agents/runs/{id}", "/api/agents/runs/outer?namespace=other", "OneRun").await;
    api.json("/api/agents/runs/{id}", "/api/agents/runs/named", "OneRun").await;
    assert_eq!(api.refused("/api/agents/runs/outer", 409).await["namespaces"], json!(["other", "demo"]));
    api.refused("/api/agents/runs/nobody", 404).await;
    api.refused("/api/agents/runs?state=odd", 400).await;
    api.refused("/api/agents/runs?before=odd", 400).await;

    let messages = "/api/agents/runs/{id}/messages";
    for query in [
        "",
        "?kind=error&kind=message&agent=a&role=user&q=100%25",
        "?since=1h&until=2099-01-01T00:00:00Z&namespace=demo",
        "?limit=1&before=1.8",
    ] {
        let page = api.json(messages, &format!("/api/agents/runs/u-1/messages{query}"), "MessagePage").await;
        assert!(!page["messages"].as_array().expect("a list").is_empty(), "{query}");
    }
    api.refused("/api/agents/runs/u-1/messages?since=odd", 400).await;
    api.refused("/api/agents/runs/u-1/messages?after=odd", 400).await;
    api.refused("/api/agents/runs/nobody/messages", 404).await;
    let lost = api.json(messages, "/api/agents/runs/u-1/messages?after=9.9", "MessagePage").await;
    assert_eq!(lost["missing"], "unknown_epoch");

    let channel = "/api/agents/channels/{channel}/messages";
    let found = api.json(channel, "/api/agents/channels/general/messages?q=ALL", "MessagePage").await;
    assert_eq!((found["messages"].as_array().map(Vec::len), found["since"].is_string()), (Some(1), true));
    api.refused("/api/agents/channels/other/messages", 400).await;

    let around = api.json("/api/agents/messages/{cursor}", "/api/agents/messages/1.2?context=1", "MessageContext").await;
    assert_eq!(around["messages"].as_array().map(Vec::len), Some(3));
    api.refused("/api/agents/messages/1.99", 404).await;
    api.refused("/api/agents/messages/odd", 400).await;
    api.refused("/api/agents/nothing", 404).await;

    api.asked.insert("/api/agents/messages/{cursor}/content".to_owned());
    let arguments = api.get("/api/agents/messages/1.2/content?part=arguments").await;
    assert_eq!((&arguments.content_type[..], &arguments.body[..]), ("text/plain; charset=utf-8", "{\n  \"command\": \"ls\"\n}"));
    assert_eq!(api.get("/api/agents/messages/1.4/content").await.body.len(), 300 << 10);
    assert_eq!(api.get("/api/agents/messages/1.3/content?part=output").await.body.len(), 300_000);
    api.refused("/api/agents/messages/1.4/content?part=odd", 400).await;
    api.refused("/api/agents/messages/1.4/content?part=output", 404).await;

    let letters =
        api.json("/api/agents/dead-letters", "/api/agents/dead-letters?limit=1&class=decode&class=late", "DeadLetterPage").await;
    let older = format!("/api/agents/dead-letters?before={}", letters["next"].as_str().expect("more"));
    api.json("/api/agents/dead-letters", &older, "DeadLetterPage").await;
    let all = api.json("/api/agents/dead-letters", "/api/agents/dead-letters?resolved=true", "DeadLetterPage").await;
    assert_eq!(all["letters"].as_array().map(Vec::len), Some(4));
    let whole = api.json("/api/agents/dead-letters/{cursor}", "/api/agents/dead-letters/1.11", "DeadLettersAt").await;
    assert_eq!(whole["letters"][0]["payload_text"], "no JSON");
    for cursor in ["1.12", "1.20"] {
        api.json("/api/agents/dead-letters/{cursor}", &format!("/api/agents/dead-letters/{cursor}"), "DeadLettersAt").await;
    }
    api.refused("/api/agents/dead-letters/1.1", 404).await;
    api.refused("/api/agents/dead-letters?before=odd", 400).await;

    let exports = [
        ("/api/agents/runs/{id}/export.jsonl", "/api/agents/runs/u-1/export.jsonl", 8),
        ("/api/agents/channels/{channel}/export.jsonl", "/api/agents/channels/general/export.jsonl", 1),
    ];
    for (path, request, expected) in exports {
        api.asked.insert(path.to_owned());
        let answer = api.get(request).await;
        assert_eq!((answer.status, &answer.content_type[..]), (StatusCode::OK, "application/x-ndjson"), "{request}");
        let lines: Vec<Value> = answer.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), expected, "{request}");
        for line in &lines {
            api.hold("Message", line);
        }
    }

    for (path, request, expected) in exports {
        let [path, request] = [path, request].map(|text| text.replace(".jsonl", ".md"));
        let answer = api.get(&request).await;
        assert_eq!((answer.status, &answer.content_type[..]), (StatusCode::OK, "text/markdown; charset=utf-8"), "{request}");
        let is_head = |line: &&str| line.starts_with("**a**") || line.starts_with("**b**");
        assert_eq!(answer.body.lines().filter(is_head).count(), expected, "{request}");
        api.asked.insert(path);
    }

    let request = "/api/agents/events?runId=u-1&channel=general&limit=500&kind=message";
    for data in api.events("/api/agents/events", request, "caught_up", None).await {
        api.hold("Message", &serde_json::from_str(&data).expect("JSON"));
    }
    for refused in ["/api/agents/events", "/api/agents/events?runId=a&view=odd", "/api/agents/events?channel=odd"] {
        api.refused(refused, 400).await;
    }

    let all: BTreeSet<String> = api.document["paths"].as_object().expect("paths").keys().cloned().collect();
    let unasked: Vec<&String> = all.difference(&api.asked).filter(|path| *path != "/api/agents/runs/events").collect();
    assert!(unasked.is_empty(), "nobody asked {unasked:?}");
    let properties = api.document["components"]["schemas"].as_object().expect("schemas").iter().flat_map(|(name, schema)| {
        let properties = schema["properties"].as_object().expect("properties");
        properties.keys().map(move |property| format!("{name}.{property}"))
    });
    let unseen: Vec<String> = properties.filter(|name| !api.shown.contains(name)).collect();
    assert!(unseen.is_empty(), "no answer has shown {unseen:?}");
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_change_are_told_as_the_list_has_them() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..1).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 1).await;
    let mut api = Api::new(running.api).await;
    let request =
        Request::get(format!("http://{}/api/agents/runs/events", running.api)).body(Empty::<Bytes>::new()).expect("one");
    let mut body = api.http.request(request).await.expect("an answer").into_body();
    world.publish_numbered(1..2).await;
    let mut text = String::new();
    while !text.contains("event: run\n") || !text.ends_with("\n\n") {
        let frame = tokio::time::timeout(crate::world::DEADLINE, body.frame()).await.expect("in time");
        let frame = frame.expect("an open stream").expect("a frame");
        text.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text"));
    }
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
    api.hold("Run", &serde_json::from_str(data).expect("JSON"));
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_walk_both_ways_without_gap_or_repeat() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..57).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 57).await;
    let mut api = Api::new(running.api).await;
    let path = "/api/agents/runs/{id}/messages";
    let sequences = |page: &Value| -> Vec<u32> {
        let number = |message: &Value| message["content"].as_str().and_then(|text| text.strip_prefix("number ")?.parse().ok());
        page["messages"].as_array().expect("a list").iter().map(|message| number(message).expect("a number")).collect()
    };

    let (mut down, mut query) = (Vec::new(), String::new());
    loop {
        let page = api.json(path, &format!("/api/agents/runs/u-1/messages?limit=10{query}"), "MessagePage").await;
        assert_eq!(page["previous"].is_null(), query.is_empty());
        down.extend(sequences(&page));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("&before={next}");
    }
    assert_eq!(down, (0..57).rev().collect::<Vec<_>>());

    let (mut up, mut query) = (Vec::new(), "&after=1.0".to_owned());
    let as_of = loop {
        let page = api.json(path, &format!("/api/agents/runs/u-1/messages?limit=10{query}"), "MessagePage").await;
        up.extend(sequences(&page).into_iter().rev());
        let Some(previous) = page["previous"].as_str() else { break page["as_of"].as_str().expect("a position").to_owned() };
        query = format!("&after={previous}");
    };
    assert_eq!(up, (0..57).collect::<Vec<_>>());

    // A page goes on where the one before it was read, whatever was said meanwhile.
    world.publish_numbered(57..60).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 60).await;
    let page = api.json(path, &format!("/api/agents/runs/u-1/messages?after={as_of}"), "MessagePage").await;
    assert_eq!(sequences(&page), [59, 58, 57]);
    let between = api.json(path, "/api/agents/runs/u-1/messages?after=1.10&before=1.15&limit=2", "MessagePage").await;
    assert_eq!((sequences(&between), between["next"].as_str()), (vec![13, 12], Some("1.13")));
    stop.cancel();
    running.wait().await.expect("stopped");
}
