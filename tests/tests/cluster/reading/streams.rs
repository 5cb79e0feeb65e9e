//! Event streams: each message is asked for, and a stream ends with what it was opened by.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams};
use neighbours::Kubernetes;

use super::ground::{AUDIENCE, Ground, make_namespace};
use super::wire::{self, Events};
use crate::ground::eventually;

async fn events(ground: &Ground, token: &str, path: &str) -> Events {
    Events::of(ground.ask(path, &[("authorization", &format!("Bearer {token}"))]).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_what_may_be_read_also_of_namespaces_that_come_later() {
    let ground = Ground::new("streams").await;
    for namespace in ["streams-own", "streams-other", "streams-later"] {
        make_namespace(&ground.client, namespace).await;
    }
    let reader = ground.reader("reader").await;
    for namespace in ["streams-own", "streams-later"] {
        reader.may_read(namespace).await;
    }
    let token = reader.token().await;
    ground.say("streams-own", "one", "mine before").await;
    let mut last = 0;
    for number in 0..10 {
        last = ground.say("streams-other", "two", &format!("theirs before, {number}")).await;
    }
    ground.stored(last).await;

    // The newest three are three that may be read, where there are so many.
    let mut stream = events(&ground, &token, "/api/agents/events?runId=shared-alias&limit=3").await;
    let mut rows = events(&ground, &token, "/api/agents/events?runId=shared-alias&view=rows").await;
    let mut runs = events(&ground, &token, "/api/agents/runs/events").await;
    stream.until("caught_up").await;
    rows.until("caught_up").await;
    ground.say("streams-other", "two", "theirs live").await;
    ground.say("streams-later", "three", "mine of a new namespace").await;
    for stream in [&mut stream, &mut rows] {
        stream.until("mine of a new namespace").await;
        assert!(stream.text.contains("mine before") && !stream.text.contains("theirs"), "{}", stream.text);
    }
    runs.until("streams-later").await;
    assert!(!runs.text.contains("streams-other"), "{}", runs.text);

    // A right that is taken away counts no longer, and one that is given again does.
    reader.may_no_longer_read("streams-own").await;
    eventually("the run may not be read", async || {
        ground.get(&token, "/api/agents/runs/one-uid").await.0 == StatusCode::NOT_FOUND
    })
    .await;
    // As long as a stream itself remembers, on top of what everybody does.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    ground.say("streams-own", "one", "mine no longer").await;
    ground.say("streams-later", "three", "mine still").await;
    stream.until("mine still").await;
    assert!(!stream.text.contains("mine no longer"), "{}", stream.text);
    ground.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_token_is_revoked() {
    let ground = Ground::new("revoked").await;
    let reader = ground.reader("reader").await;
    reader.has_everywhere("agent-comms-general-reader").await;
    let token = reader.token_for(AUDIENCE, Some("session")).await;
    eventually("the channel may be read", async || {
        ground.get(&token, "/api/agents/channels/general/messages").await.0.is_success()
    })
    .await;
    let mut stream = events(&ground, &token, "/api/agents/events?channel=general").await;
    let mut runs = events(&ground, &token, "/api/agents/runs/events").await;
    stream.until("caught_up").await;
    // Checked again and again, and found good.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        ground.say_to_all("revoked-run", "one", "still here").await;
        stream.until("still here").await;
        stream.text.clear();
    }
    let secrets = Api::<Secret>::namespaced(ground.client.clone(), ground.name);
    secrets.delete("session", &DeleteParams::default()).await.unwrap();
    stream.read_to_end().await;
    runs.read_to_end().await;
    assert!(stream.text.ends_with("\n\n") && stream.text.contains("retry: "), "{}", stream.text);
    let answer = ground.ask("/api/agents/events?channel=general", &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    ground.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_token_does() {
    let kubernetes = Kubernetes::shared().await.unwrap();
    let ground = Ground::new("expired").await;
    let reader = ground.reader("reader").await;
    reader.has_everywhere("agent-comms-general-reader").await;
    let lasting = reader.token().await;
    let path = "/api/agents/events?channel=general";
    eventually("the channel may be read", async || {
        ground.ask(path, &[("authorization", &format!("Bearer {lasting}"))]).await.status() == StatusCode::OK
    })
    .await;
    let started = Instant::now();
    let token = reader.token_of_seconds(kubernetes, 6).await;
    let mut stream = events(&ground, &token, path).await;
    let mut other = events(&ground, &lasting, path).await;
    stream.until("caught_up").await;
    stream.read_to_end().await;
    // Its end is in whole seconds, so up to one sooner than asked for. The API server would take it for another minute.
    let lasted = started.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(40)).contains(&lasted), "it ended after {lasted:?}");
    assert_eq!(ground.get(&token, path).await.0, StatusCode::UNAUTHORIZED);
    ground.say_to_all("expired-run", "one", "still here").await;
    other.until("still here").await;
    ground.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_one_user_are_limited_and_a_closed_one_makes_room() {
    let arguments = ["--max-streams", "3", "--max-streams-per-user", "2"];
    let ground = Ground::of(Kubernetes::shared().await.unwrap(), "limited", &arguments).await;
    let (one, other) = (ground.reader("one").await, ground.reader("other").await);
    let (first, second, other) = (one.token().await, one.token().await, other.token().await);
    let path = "/api/agents/events?runId=a";
    let a = events(&ground, &first, path).await;
    // Another token of the same user is the same user.
    let _b = events(&ground, &second, path).await;
    let refused = ground.ask(path, &[("authorization", &format!("Bearer {first}"))]).await;
    assert_eq!((refused.status(), refused.headers()["retry-after"].to_str().unwrap()), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let c = events(&ground, &other, path).await;
    let (status, problem) = ground.get(&other, "/api/agents/runs/events").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(problem["detail"].as_str().unwrap().contains("3 streams are open"), "{problem}");
    // Other requests have room of their own.
    assert_eq!(ground.get(&other, "/api/agents/runs").await.0, StatusCode::OK);
    drop((a, c));
    eventually("there is room again", async || {
        let answer = ground.ask(path, &[("authorization", &format!("Bearer {first}"))]).await;
        answer.status() == StatusCode::OK
    })
    .await;
    ground.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_are_spoken_and_nothing_is_compressed_or_held_back() {
    let ground = Ground::new("versions").await;
    let reader = ground.reader("reader").await;
    reader.has_everywhere("agent-comms-general-reader").await;
    let bearer = format!("Bearer {}", reader.token().await);
    eventually("the channel may be read", async || {
        let answer = ground.ask("/api/agents/channels/general/messages", &[("authorization", &bearer)]).await;
        answer.status().is_success()
    })
    .await;
    let path = "/api/agents/events?channel=general";
    let headers = [("authorization", bearer.as_str()), ("accept-encoding", "gzip, br")];
    let first = ground.ask(path, &headers).await;
    let mut sender = wire::http2(ground.api, &ground.roots).await;
    let mut request = wire::get(ground.api, path, &headers);
    *request.uri_mut() = format!("https://localhost:{}{path}", ground.api.port()).parse().unwrap();
    request.headers_mut().remove("host");
    let second = sender.send_request(request).await.unwrap();
    assert_eq!((first.version(), second.version()), (hyper::Version::HTTP_11, hyper::Version::HTTP_2));
    let mut streams = [Events::of_either(first), Events::of_either(second)];
    for stream in &mut streams {
        stream.until("caught_up").await;
    }
    ground.say_to_all("versions-run", "one", "a word").await;
    for stream in &mut streams {
        stream.until("a word").await;
    }
    // Told to stop, streams end one after the other, each with when to come back.
    ground.stop();
    for stream in &mut streams {
        stream.read_to_end().await;
        assert!(stream.text.contains("retry: "));
    }
    ground.stopped().await;
}
