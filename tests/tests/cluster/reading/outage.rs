//! An API server that is away lets nobody in, and is asked again.

use hyper::StatusCode;
use neighbours::Kubernetes;

use super::ground::Ground;
use super::wire::Events;
use crate::ground::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn while_the_api_server_is_away_nothing_is_read_and_then_all_is_well_again() {
    let mut kubernetes = Kubernetes::start().await.unwrap();
    let ground = Ground::of(&kubernetes, "outage", &[]).await;
    let reader = ground.reader("reader").await;
    reader.has_everywhere("agent-comms-general-reader").await;
    let token = reader.token().await;
    let path = "/api/agents/channels/general/messages";
    eventually("the channel may be read", async || ground.get(&token, path).await.0 == StatusCode::OK).await;
    let bearer = format!("Bearer {token}");
    let mut stream = Events::of(ground.ask("/api/agents/events?channel=general", &[("authorization", &bearer)]).await);
    stream.until("caught_up").await;

    kubernetes.kill().unwrap();
    eventually("what was known counts no longer", async || ground.get(&token, path).await.0 == StatusCode::SERVICE_UNAVAILABLE)
        .await;
    let answer = ground.ask(path, &[("authorization", &bearer)]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    // Somebody who was never seen is not let in either, and a page is no way around.
    assert_eq!(ground.get("a.b.c", path).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ground.get(&token, "/agents/general").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ground.ask(path, &[]).await.status(), StatusCode::UNAUTHORIZED);
    stream.read_to_end().await;

    kubernetes.start_again().await.unwrap();
    eventually("the channel may be read again", async || ground.get(&token, path).await.0 == StatusCode::OK).await;
    let mut stream = Events::of(ground.ask("/api/agents/events?channel=general", &[("authorization", &bearer)]).await);
    ground.say_to_all("outage-run", "one", "back again").await;
    stream.until("back again").await;
    ground.stopped().await;
}
