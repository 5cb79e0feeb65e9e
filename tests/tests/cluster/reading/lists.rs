//! What is read once: lists, runs, messages, exports, pages.

use hyper::StatusCode;
use serde_json::Value;

use super::ground::Ground;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_nothing_or_something_else_is_not_let_in() {
    let ground = Ground::new("stranger").await;
    let reader = ground.reader("reader").await;
    let answer = ground.ask("/api/agents/runs", &[]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"agent-comms\"");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");

    // Known, though it may read nothing.
    let token = reader.token().await;
    let (status, runs) = ground.get(&token, "/api/agents/runs").await;
    assert_eq!((status, &runs["runs"]), (StatusCode::OK, &Value::Array(Vec::new())), "{runs}");

    let (head, _) = token.rsplit_once('.').unwrap();
    let for_another = reader.token_for("https://kubernetes.default.svc.cluster.local", None).await;
    for wrong in ["nonsense", &format!("{head}.c2lnbmF0dXJl"), &for_another] {
        let answer = ground.ask("/api/agents/runs", &[("authorization", &format!("Bearer {wrong}"))]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    }
    ground.stopped().await;
}
