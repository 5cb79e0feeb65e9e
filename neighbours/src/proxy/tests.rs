use std::time::Duration;

use async_nats::jetstream::{self, stream};

use super::{Fault, Proxy};
use crate::Nats;
use crate::nats::Options;

async fn world() -> (Nats, Proxy, async_nats::Client) {
    let nats = Nats::start(Options::default()).await.unwrap();
    let admin = jetstream::new(nats.admin().connect().await.unwrap());
    let config = stream::Config { name: "s".into(), subjects: vec!["workflow.>".into()], ..stream::Config::default() };
    admin.create_stream(config).await.unwrap();
    let proxy = nats.proxy("demo").await.unwrap();
    let credentials = nats.publisher("demo");
    let client = credentials.connect_options().connect(proxy.url()).await.unwrap();
    (nats, proxy, client)
}

async fn messages(nats: &Nats) -> u64 {
    let admin = jetstream::new(nats.admin().connect().await.unwrap());
    admin.get_stream("s").await.unwrap().get_info().await.unwrap().state.messages
}

#[tokio::test]
async fn a_network_that_works_passes_everything_and_one_that_loses_answers_nothing_but_answers() {
    let (nats, proxy, client) = world().await;
    let jetstream = jetstream::ContextBuilder::new().timeout(Duration::from_millis(500)).build(client.clone());
    let large = vec![b'x'; 300_000];
    let ack = jetstream.publish("workflow.demo.a", large.into()).await.unwrap().await.unwrap();
    assert_eq!(ack.sequence, 1);
    proxy.set(Fault::LoseAnswers);
    jetstream.publish("workflow.demo.a", "b".into()).await.unwrap().await.unwrap_err();
    assert_eq!((proxy.lost_answers(), messages(&nats).await), (1, 2));
    proxy.set(Fault::None);
    assert_eq!(jetstream.publish("workflow.demo.a", "c".into()).await.unwrap().await.unwrap().sequence, 3);
}

#[tokio::test]
async fn a_connection_is_reset_in_the_middle_of_a_frame_and_the_server_has_no_part_of_it() {
    let (nats, proxy, client) = world().await;
    proxy.reset_after(1_000);
    client.publish("workflow.demo.a", vec![b'x'; 5_000].into()).await.unwrap();
    drop(client.flush().await);
    let jetstream = jetstream::new(client);
    let ack = jetstream.publish("workflow.demo.a", "after".into()).await.unwrap().await;
    // Whether this one came too early for the next connection is the client's matter; what was cut is not there.
    assert!(messages(&nats).await <= u64::from(ack.is_ok()));
}
