//! A proxy that says who asks. All of these tests come from a loopback address, as everything does behind a mesh.

use hyper::StatusCode;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, PostParams};
use neighbours::Kubernetes;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ground::{Ground, make_namespace};
use crate::ground::eventually;

const SECRET: &str = "only the proxy knows it";

/// A file with the secret, in a directory of its own.
fn secret_file() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (directory, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loopback_peer_is_believed_with_the_secret_alone_and_its_users_have_their_rights() {
    let (_directory, file) = secret_file();
    let arguments = ["--trusted-proxy", "127.0.0.0/8", "--trusted-proxy-secret-file", &file];
    let ground = Ground::of(Kubernetes::shared().await.unwrap(), "by-proxy", &arguments).await;
    make_namespace(&ground.client, "by-proxy-own").await;
    let binding = json!({
        "metadata": { "name": "team" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "agent-comms-reader" },
        "subjects": [{ "kind": "Group", "name": "team", "apiGroup": "rbac.authorization.k8s.io" }],
    });
    let bindings = Api::<RoleBinding>::namespaced(ground.client.clone(), "by-proxy-own");
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    let own = ground.say("by-proxy-own", "one", "a word").await;
    let last = ground.say("by-proxy-other", "two", "another word").await;
    ground.stored(last).await;

    let (user, group, secret) =
        (("x-forwarded-user", "alice"), ("x-forwarded-groups", "team"), ("x-agent-comms-proxy-secret", SECRET));
    let status = async |path: String, headers: &[(&str, &str)]| ground.ask(&path, headers).await.status();
    let (own, other) = (format!("/api/agents/messages/1.{own}"), format!("/api/agents/messages/1.{last}"));
    eventually("alice may read", async || status(own.clone(), &[user, group, secret]).await == StatusCode::OK).await;
    assert_eq!(status(other, &[user, group, secret]).await, StatusCode::NOT_FOUND);
    assert_eq!(status(own.clone(), &[user, secret]).await, StatusCode::NOT_FOUND);
    for headers in [
        &[user, group][..],
        &[user, group, ("x-agent-comms-proxy-secret", "guessed")],
        &[group, secret],
        &[("x-forwarded-user", "system:admin"), group, secret],
    ] {
        assert_eq!(status(own.clone(), headers).await, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    // Tokens count beside.
    let reader = ground.reader("reader").await;
    reader.may_read("by-proxy-own").await;
    let token = reader.token().await;
    eventually("a token is taken too", async || ground.get(&token, &own).await.0 == StatusCode::OK).await;
    ground.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_api_server_whom_the_proxy_knows_reads_everything() {
    let (_directory, file) = secret_file();
    let proxy = ["--access", "proxy", "--trusted-proxy", "127.0.0.1/32", "--trusted-proxy-secret-file", &file];
    let arguments = [&proxy[..], &["--identity-header", "x-user"]].concat();
    let ground = Ground::of(Kubernetes::shared().await.unwrap(), "plain-proxy", &arguments).await;
    let last = ground.say("plain-proxy-run", "one", "a word").await;
    ground.stored(last).await;
    let path = format!("/api/agents/messages/1.{last}");
    let secret = ("x-agent-comms-proxy-secret", SECRET);
    assert_eq!(ground.ask(&path, &[("x-user", "alice"), secret]).await.status(), StatusCode::OK);
    for headers in [&[][..], &[secret], &[("x-user", "alice")], &[("x-forwarded-user", "alice"), secret]] {
        assert_eq!(ground.ask(&path, headers).await.status(), StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    // A token is nothing here, and there is nothing to sign in with.
    assert_eq!(ground.get("a.b.c", &path).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ground.ask("/agents", &[]).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ground.ask("/login", &[]).await.status(), StatusCode::UNAUTHORIZED);
    ground.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_would_let_anybody_in_are_refused() {
    service::tls::install_provider();
    let nats = neighbours::Nats::start(neighbours::nats::Options::default()).await.unwrap();
    let refused: [(&[&str], &str); 3] = [
        (&["--trusted-proxy", "10.0.0.0/8"], "means nothing with --access open"),
        (&["--access", "proxy"], "needs --trusted-proxy"),
        (&["--access", "proxy", "--trusted-proxy", "127.0.0.1/32"], "holds loopback addresses"),
    ];
    for (arguments, words) in refused {
        let started = tests::replica::serve_with(
            &nats.ingest(),
            "postgres://nobody@127.0.0.1:1/none",
            arguments,
            &CancellationToken::new(),
        )
        .await;
        let error = started.expect_err("it is refused").to_string();
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}
