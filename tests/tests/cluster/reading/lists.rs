//! What is read once: lists, runs, messages, exports, pages.

use hyper::StatusCode;
use ingest::http::routes::{Body, ROUTES};
use neighbours::Kubernetes;
use serde_json::Value;

use super::ground::{AUDIENCE, Ground, make_namespace};
use crate::ground::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_nothing_or_something_else_is_not_let_in() {
    let ground = Ground::new("stranger").await;
    let reader = ground.reader("reader").await;
    let token = reader.token().await;
    let (head, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.c2lnbmF0dXJl");
    let for_another = reader.token_for("https://kubernetes.default.svc.cluster.local", None).await;
    for path in ["/api/agents/runs", "/api/agents/events?channel=general", "/api/agents/runs/events", "/openapi.json"] {
        let answer = ground.ask(path, &[]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"agent-comms\"");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        for wrong in ["Bearer nonsense", &format!("Bearer {forged}"), &format!("Bearer {for_another}"), &format!("Basic {token}")]
        {
            let answer = ground.ask(path, &[("authorization", wrong)]).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path} {wrong}");
            assert!(answer.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
        }
        // What a proxy would say proves nothing where no proxy is trusted.
        let claimed = ground.ask(path, &[("x-forwarded-user", "admin"), ("x-forwarded-groups", "system:masters")]).await;
        assert_eq!(claimed.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    // Known, though it may read nothing.
    let (status, runs) = ground.get(&token, "/api/agents/runs").await;
    assert_eq!((status, &runs["runs"]), (StatusCode::OK, &Value::Array(Vec::new())), "{runs}");
    ground.stopped().await;
}

/// The namespaces of a list of runs.
fn namespaces(list: &Value) -> Vec<&str> {
    list["runs"].as_array().unwrap().iter().map(|run| run["workflow_namespace"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_not_there_and_not_named() {
    let ground = Ground::new("lists").await;
    for namespace in ["lists-own", "lists-other"] {
        make_namespace(&ground.client, namespace).await;
    }
    let reader = ground.reader("reader").await;
    reader.may_read("lists-own").await;
    let token = reader.token().await;
    let own = ground.say("lists-own", "mine", "a word of mine").await;
    let other = ground.say("lists-other", "theirs", "a word of theirs").await;
    let general = ground.say_to_all("lists-other", "theirs", "a word to all").await;
    ground.stored(general).await;

    let (_, list) = ground.get(&token, "/api/agents/runs").await;
    assert_eq!(namespaces(&list), ["lists-own"], "{list}");
    let (_, list) = ground.get(&token, "/api/agents/runs?q=word&namespace=lists-other").await;
    assert_eq!(namespaces(&list), [""; 0]);
    // An id that both know names one run for whoever may read one.
    let (status, run) = ground.get(&token, "/api/agents/runs/shared-alias").await;
    assert_eq!((status, run["workflow_namespace"].as_str()), (StatusCode::OK, Some("lists-own")), "{run}");
    let allowed = [
        "/api/agents/runs/mine-uid".to_owned(),
        "/api/agents/runs/mine-uid/messages".to_owned(),
        "/api/agents/runs/mine-uid/messages/export.jsonl".to_owned(),
        format!("/api/agents/messages/1.{own}"),
        format!("/api/agents/messages/1.{own}/content"),
    ];
    for path in &allowed {
        let (status, document) = ground.get(&token, path).await;
        assert!(status.is_success(), "{path}: {document}");
    }
    let hidden = [
        "/api/agents/runs/theirs-uid".to_owned(),
        "/api/agents/runs/theirs-uid?namespace=lists-other".to_owned(),
        "/api/agents/runs/theirs-uid/messages".to_owned(),
        "/api/agents/runs/theirs-uid/messages/export.jsonl".to_owned(),
        format!("/api/agents/messages/1.{other}"),
        format!("/api/agents/messages/1.{other}/content"),
        format!("/api/agents/messages/1.{general}"),
        format!("/api/agents/messages/1.{general}/content"),
    ];
    for path in &hidden {
        let (status, document) = ground.get(&token, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {document}");
        // Word for word what is said of what nobody has ever heard of.
        let unknown = path
            .replace("theirs-uid", "nobody-uid")
            .replace(&format!("1.{other}"), "1.900")
            .replace(&format!("1.{general}"), "1.900");
        let (_, of_unknown) = ground.get(&token, &unknown).await;
        let text = |document: &Value| {
            document
                .to_string()
                .replace("theirs-uid", "nobody-uid")
                .replace(&format!("1.{other}"), "1.900")
                .replace(&format!("1.{general}"), "1.900")
        };
        assert_eq!(text(&document), text(&of_unknown), "{path}");
    }
    for path in [
        "/api/agents/channels/general/messages",
        "/api/agents/channels/general/messages/export.jsonl",
        "/api/agents/events?channel=general",
    ] {
        let (status, document) = ground.get(&token, path).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}: {document}");
    }
    for path in ["/agents", "/agents/theirs-uid", "/agents/general"] {
        let (_, page) = ground.get(&token, path).await;
        let page = page.as_str().unwrap();
        assert!(
            !page.contains("a word of theirs") && !page.contains("a word to all") && !page.contains("lists-other"),
            "{path}: {page}"
        );
    }
    let (_, page) = ground.get(&token, "/agents/mine-uid").await;
    assert!(page.as_str().unwrap().contains("a word of mine"), "{page}");

    // The channel is a right of its own, whichever namespace speaks there, and shows nothing else of it.
    reader.has_everywhere("agent-comms-general-reader").await;
    eventually("the channel may be read", async || {
        ground.get(&token, "/api/agents/channels/general/messages").await.0.is_success()
    })
    .await;
    let (_, found) = ground.get(&token, &format!("/api/agents/messages/1.{general}")).await;
    assert!(found.to_string().contains("a word to all") && !found.to_string().contains("a word of theirs"), "{found}");
    assert_eq!(ground.get(&token, &format!("/api/agents/messages/1.{other}")).await.0, StatusCode::NOT_FOUND);

    // Somebody who may read both is told of both.
    reader.may_read("lists-other").await;
    eventually("both are told", async || ground.get(&token, "/api/agents/runs/shared-alias").await.0 == StatusCode::CONFLICT)
        .await;
    let (_, several) = ground.get(&token, "/api/agents/runs/shared-alias").await;
    assert_eq!(several["namespaces"].as_array().unwrap().len(), 2);
    reader.may_no_longer_read("lists-own").await;
    eventually("a right is taken away", async || namespaces(&ground.get(&token, "/api/agents/runs").await.1) == ["lists-other"])
        .await;
    ground.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_in_the_whole_cluster_reads_every_namespace() {
    let ground = Ground::new("everywhere").await;
    let reader = ground.reader("reader").await;
    reader.has_everywhere("agent-comms-reader").await;
    let token = reader.token_for(AUDIENCE, None).await;
    let last = ground.say("nobody-made-this-namespace", "mine", "a word").await;
    ground.stored(last).await;
    eventually("the run is listed", async || {
        namespaces(&ground.get(&token, "/api/agents/runs").await.1) == ["nobody-made-this-namespace"]
    })
    .await;
    ground.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_at_once_is_asked_for_once() {
    let arguments = ["--access-cache-seconds", "600"];
    let ground = Ground::of(Kubernetes::shared().await.unwrap(), "asked", &arguments).await;
    let reader = ground.reader("reader").await;
    reader.may_read(ground.name).await;
    let last = ground.say(ground.name, "one", "a word").await;
    ground.stored(last).await;
    let path = format!("/api/agents/messages/1.{last}");
    // Before ingest asks, or it would keep the answer of a server that does not know of the right yet.
    let client = ground.client.clone();
    let may = async || reader.is_permitted(&client, ground.name).await;
    eventually("the right is known to the API server", may).await;
    let reviews = async |review: &str, result: &str| {
        ground.metric(&format!("agentcomms_ingest_access_reviews_total{{review=\"{review}\",result=\"{result}\"}}")).await
    };
    let (tokens, rights) = (reviews("token", "allowed").await, reviews("permission", "allowed").await);
    let token = reader.token().await;
    let answers = futures_util::future::join_all((0..30).map(|_| ground.get(&token, &path))).await;
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK), "{answers:?}");
    assert_eq!((reviews("token", "allowed").await, reviews("permission", "allowed").await), (tokens + 1, rights + 1));
    // A refusal is kept as well.
    let denied = reviews("token", "denied").await;
    for _ in 0..5 {
        assert_eq!(ground.get("a.b.c", &path).await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(reviews("token", "denied").await, denied + 1);
    ground.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_of_the_api_tells_anything_to_whom_it_may_not() {
    let ground = Ground::new("routes").await;
    let reader = ground.reader("reader").await;
    let last = ground.say("routes-other", "theirs", "a secret word").await;
    // A dead letter of the same namespace: no JSON of a message.
    let dead =
        ground.publish("workflow.routes-other.theirs.theirs-uid.agent.a.message".to_owned(), "{\"content\":".to_owned()).await;
    ground.stored(dead).await;
    let token = reader.token().await;
    for route in ROUTES {
        for path in [Some(route.path), route.alias].into_iter().flatten() {
            let cursor = if path.contains("dead-letters") { dead } else { last };
            let path =
                path.replace("{id}", "theirs-uid").replace("{channel}", "general").replace("{cursor}", &format!("1.{cursor}"));
            let path = format!("{path}?runId=theirs-uid");
            assert_eq!(ground.ask(&path, &[]).await.status(), StatusCode::UNAUTHORIZED, "{path}");
            if matches!(route.body, Body::Events(_)) {
                continue;
            }
            let (status, told) = ground.get(&token, &path).await;
            let empty = path.starts_with("/api/agents/runs?") || path.starts_with("/openapi.json");
            let refused = matches!(status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN);
            assert!(if empty { status == StatusCode::OK } else { refused }, "{path} is {status}: {told}");
            let told = told.to_string();
            assert!(!told.contains("a secret word") && !told.contains("routes-other"), "{path}: {told}");
        }
    }
    reader.has_everywhere("agent-comms-dead-letter-reader").await;
    let path = format!("/api/agents/dead-letters/1.{dead}");
    eventually("dead letters may be read", async || ground.get(&token, &path).await.0 == StatusCode::OK).await;
    assert_eq!(ground.get(&token, &format!("/api/agents/messages/1.{last}")).await.0, StatusCode::NOT_FOUND);
    ground.stopped().await;
}
