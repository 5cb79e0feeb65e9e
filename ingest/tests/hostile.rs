//! What a publisher may do with the subjects that it can reach, and what ingest does not do for it.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream;
use futures_util::StreamExt as _;
use neighbours::nats::Options;

use crate::world::{DEADLINE, World, get};

const ASK: &str = "agent-comms.read.general";

/// Subjects that a publisher may not publish to, but could name as the place of an answer.
const ELSEWHERE: [&str; 6] = [
    "$JS.API.STREAM.DELETE.agent-comms",
    "$JS.API.STREAM.PURGE.agent-comms",
    "$JS.API.CONSUMER.DELETE.agent-comms.jangar-agent-comms",
    "workflow.victim.build.u-9.agent.a.message",
    "workflow_comms.agent_messages.general.message",
    "agent-comms.read.general",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_goes_where_its_reader_may_not_publish() {
    let options = Options { namespaces: vec!["demo".to_owned()], ..Options::default() };
    let world = World::with_nats(options).await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..3).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 3).await;
    let before = state(&world).await;

    let publisher = world.nats.publisher("demo").connect().await.expect("connected");
    for reply in ELSEWHERE {
        // One that is answered, and one that hears in a text of its own what is wrong with it.
        for request in ["{}", r#"{"after":"said by nobody"}"#] {
            publisher.publish_with_reply(ASK, reply, request.into()).await.expect("sent");
        }
        // What the stream answers to whoever publishes: it is no request that the stream would obey.
        publisher.publish_with_reply("workflow.demo.build.u-1.agent.a.log", reply, "said".into()).await.expect("sent");
    }
    publisher.flush().await.expect("flushed");
    let refused = 2 * ELSEWHERE.len();
    let told = format!("agentcomms_ingest_readback_requests_total{{outcome=\"misdirected\"}} {refused}\n");
    let start = Instant::now();
    while !get(running.admin, "/metrics").await.contains(&told) {
        assert!(start.elapsed() < DEADLINE, "{refused} requests are not refused");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // One that names its own inbox is answered.
    let inbox = publisher.new_inbox();
    let mut answers = publisher.subscribe(inbox.clone()).await.expect("subscribed");
    publisher.publish_with_reply(ASK, inbox, "{}".into()).await.expect("sent");
    let answer = tokio::time::timeout(DEADLINE, answers.next()).await.expect("in time").expect("an answer");
    assert!(!answer.payload.starts_with(b"{\"error\""), "{answer:?}");

    let said = u64::try_from(ELSEWHERE.len()).expect("few");
    let now = state(&world).await;
    // Two answers of the stream itself came where the stream listens; they are nobody's messages.
    assert_eq!((now.created, now.first, now.messages), (before.created, before.first, before.messages + said + 2));
    let last = i64::try_from(now.messages).expect("few");
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", last).await;
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.agent_messages WHERE workflow_namespace <> 'demo'").await, 0);
    let letters = "SELECT count(*) FROM workflow_comms.dead_letters WHERE class = 'identity'";
    assert_eq!(world.count(letters).await, 2);
    stop.cancel();
    running.wait().await.expect("stopped");
}

struct State {
    created: time::OffsetDateTime,
    first: u64,
    messages: u64,
}

/// How the stream stands; its durable is there.
async fn state(world: &World) -> State {
    let stream: stream::Stream = world.jetstream.get_stream("agent-comms").await.expect("the stream");
    stream.get_consumer::<pull::Config>(ingest::consume::DURABLE).await.expect("the durable");
    let info = stream.cached_info();
    State { created: info.created, first: info.state.first_sequence, messages: info.state.messages }
}
