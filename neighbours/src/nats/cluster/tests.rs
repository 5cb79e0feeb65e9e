use async_nats::jetstream::consumer::{AckPolicy, pull};

use super::*;

const SUBJECT: &str = "workflow.demo.r.u.agent.a.message";

async fn leader(jetstream: &jetstream::Context) -> Option<String> {
    let stream = jetstream.get_stream("agent-comms").await.ok()?;
    stream.cached_info().cluster.as_ref()?.leader.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_three_replicas_outlives_each_server_and_its_leader_moves() {
    let mut cluster = Cluster::start(3, Options::default()).await.unwrap();
    let admin = jetstream::new(cluster.admin().connect().await.unwrap());
    let config = stream::Config {
        name: "agent-comms".to_owned(),
        subjects: vec!["workflow.>".to_owned()],
        num_replicas: 3,
        max_bytes: 10 << 30,
        ..Default::default()
    };
    let stream = admin.create_stream(config).await.unwrap();
    let durable = pull::Config { durable_name: Some("d".to_owned()), ack_policy: AckPolicy::Explicit, ..Default::default() };
    stream.create_consumer(durable).await.unwrap();
    let publisher = jetstream::new(cluster.publisher("demo").connect().await.unwrap());
    let mut stored = 0;
    for index in 0..cluster.size() {
        cluster.until_current("agent-comms", "d").await.unwrap();
        cluster.kill(index).unwrap();
        // What is said while leaders are elected has no answer and is said again.
        let start = Instant::now();
        loop {
            let answer = publisher.publish(SUBJECT, "kept".into()).await.unwrap();
            if answer.await.is_ok() {
                break;
            }
            assert!(start.elapsed() < DEADLINE, "two servers of three store nothing");
        }
        stored += 1;
        cluster.start_again(index).await.unwrap();
    }
    cluster.until_current("agent-comms", "d").await.unwrap();
    assert!(admin.get_stream("agent-comms").await.unwrap().cached_info().state.messages >= stored);
    let before = leader(&admin).await.unwrap();
    cluster.step_down_stream("agent-comms").await.unwrap();
    cluster.step_down_consumer("agent-comms", "d").await.unwrap();
    cluster.until_current("agent-comms", "d").await.unwrap();
    assert_ne!(leader(&admin).await.unwrap(), before);
}
