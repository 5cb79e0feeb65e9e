//! The ground that the watermark stands on: what the server says of the durable and of the stream when the stream discarded
//! what the durable had delivered, and what it had not. If a later server reckons otherwise, this fails.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::PullConsumer;
use futures_util::StreamExt as _;
use ingest::args::Command;
use ingest::consume::{DURABLE, STREAM};
use neighbours::nats::{Cluster, Options};

use crate::world::World;

const MANIFEST: &str = include_str!("../../manifests/nats/agent-comms.yaml");

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    floor: u64,
    unacknowledged: usize,
    pending: u64,
    first: u64,
    last: u64,
}

/// The consumer first, then the stream, as ingest asks.
async fn said(jetstream: &jetstream::Context) -> Option<Said> {
    let durable: PullConsumer = jetstream.get_consumer_from_stream(DURABLE, STREAM).await.ok()?;
    let stream = jetstream.get_stream(STREAM).await.ok()?;
    let (info, state) = (durable.cached_info(), &stream.cached_info().state);
    Some(Said {
        floor: info.ack_floor.stream_sequence,
        unacknowledged: info.num_ack_pending,
        pending: info.num_pending,
        first: state.first_sequence,
        last: state.last_sequence,
    })
}

/// Waits until the server says this: floor, unacknowledged, pending, first, last.
async fn until_said(jetstream: &jetstream::Context, (floor, unacknowledged, pending, first, last): (u64, usize, u64, u64, u64)) {
    let (start, expected) = (Instant::now(), Some(Said { floor, unacknowledged, pending, first, last }));
    loop {
        let said = said(jetstream).await;
        if said == expected {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "the server says {said:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Holds as many messages as these, acknowledging none.
async fn hold(jetstream: &jetstream::Context, count: usize) -> Vec<jetstream::Message> {
    let durable: PullConsumer = jetstream.get_consumer_from_stream(DURABLE, STREAM).await.expect("the durable");
    let messages = durable.fetch().max_messages(count).messages().await.expect("a request");
    let held: Vec<_> = messages.map(|message| message.expect("a message")).collect().await;
    assert_eq!(held.len(), count);
    held
}

async fn publish(jetstream: &jetstream::Context, count: usize) {
    let mut acks = Vec::new();
    for number in 0..count {
        let body = format!("{number}").into();
        acks.push(jetstream.publish("workflow.demo.build.u-1.agent.a.message", body).await.expect("published"));
    }
    for ack in acks {
        ack.await.expect("acknowledged");
    }
}

async fn keep_messages(jetstream: &jetstream::Context, max_messages: i64) {
    let stream = jetstream.get_stream(STREAM).await.expect("the stream");
    let config = jetstream::stream::Config { max_messages, ..stream.cached_info().config.clone() };
    jetstream.update_stream(config).await.expect("updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_counts_what_it_discarded_as_acknowledged() {
    let world = World::start().await;
    let held = lose_what_is_held(&world.jetstream).await;
    acknowledge_what_is_left(&world.jetstream, &held).await;
}

/// Of 200 messages, 1 to 100 were delivered and are not acknowledged: once discarded, they count as acknowledged at once, although
/// somebody holds them.
async fn lose_what_is_held(jetstream: &jetstream::Context) -> Vec<jetstream::Message> {
    publish(jetstream, 200).await;
    let held = hold(jetstream, 100).await;
    until_said(jetstream, (0, 100, 100, 1, 200)).await;
    keep_messages(jetstream, 50).await;
    until_said(jetstream, (100, 0, 50, 151, 200)).await;
    held
}

/// 101 to 150 were discarded and never delivered: they count as acknowledged as soon as something above them is.
async fn acknowledge_what_is_left(jetstream: &jetstream::Context, held: &[jetstream::Message]) {
    let rest = hold(jetstream, 50).await;
    until_said(jetstream, (100, 50, 0, 151, 200)).await;
    rest[0].double_ack().await.expect("acknowledged");
    until_said(jetstream, (151, 49, 0, 151, 200)).await;
    // An acknowledgement of what is gone changes nothing.
    held[99].ack().await.expect("sent");
    rest[1].double_ack().await.expect("acknowledged");
    until_said(jetstream, (152, 48, 0, 151, 200)).await;
}

/// The same of a stream on three servers, whichever of them leads.
#[tokio::test(flavor = "multi_thread")]
async fn three_servers_count_what_they_discarded_as_acknowledged_whichever_leads() {
    service::tls::install_provider();
    let cluster = Cluster::start(3, Options::default()).await.expect("a cluster");
    let directory = tempfile::tempdir().expect("a directory");
    let manifest = directory.path().join("agent-comms.yaml");
    std::fs::write(&manifest, MANIFEST.replace("replicas: 1", "replicas: 3")).expect("written");
    let words = ["setup", "--manifest", manifest.to_str().expect("text")];
    let Command::Setup(args) = World::args(&cluster.admin(), &words).command else { panic!("no setup") };
    ingest::setup::run(&args).await.expect("set up");
    let jetstream = &jetstream::new(cluster.admin().connect().await.expect("a client"));
    let replicas = jetstream.get_stream(STREAM).await.expect("the stream").cached_info().config.num_replicas;
    assert_eq!(replicas, 3);
    let held = lose_what_is_held(jetstream).await;
    lead_elsewhere(&cluster).await;
    until_said(jetstream, (100, 0, 50, 151, 200)).await;
    acknowledge_what_is_left(jetstream, &held).await;
    lead_elsewhere(&cluster).await;
    until_said(jetstream, (152, 48, 0, 151, 200)).await;
}

/// Lets the durable and the stream be led by other servers.
async fn lead_elsewhere(cluster: &Cluster) {
    cluster.until_current(STREAM, DURABLE).await.expect("current");
    cluster.step_down_consumer(STREAM, DURABLE).await.expect("stepped down");
    cluster.step_down_stream(STREAM).await.expect("stepped down");
    cluster.until_current(STREAM, DURABLE).await.expect("current");
}
