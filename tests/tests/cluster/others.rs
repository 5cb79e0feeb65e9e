//! Another webhook that comes after ours and spoils its work: the API server calls ours again, which mends it.

use std::convert::Infallible;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::ground::{Ground, eventually, from_json, is_injected, step};

/// What another webhook does to a pod: JSON patch operations.
type Mischief = fn(&Value) -> Vec<Value>;

/// Position of our container among the pod's init containers.
fn ours(pod: &Value) -> usize {
    let containers = pod["spec"]["initContainers"].as_array().unwrap();
    containers.iter().position(|container| container["name"] == "agent-comms").unwrap()
}

/// What models that are older than native sidecars do, and more of the kind.
fn damage(pod: &Value) -> Vec<Value> {
    let container = format!("/spec/initContainers/{}", ours(pod));
    vec![
        json!({ "op": "remove", "path": format!("{container}/restartPolicy") }),
        json!({ "op": "remove", "path": format!("{container}/lifecycle") }),
        json!({ "op": "remove", "path": format!("{container}/securityContext") }),
        json!({ "op": "remove", "path": format!("{container}/env") }),
        json!({ "op": "replace", "path": format!("{container}/volumeMounts"), "value": [] }),
    ]
}

fn shift(pod: &Value) -> Vec<Value> {
    let index = ours(pod);
    let container = pod["spec"]["initContainers"][index].clone();
    vec![
        json!({ "op": "remove", "path": format!("/spec/initContainers/{index}") }),
        json!({ "op": "add", "path": "/spec/initContainers/-", "value": container }),
    ]
}

fn duplicate(pod: &Value) -> Vec<Value> {
    let container = pod["spec"]["initContainers"][ours(pod)].clone();
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|volume| volume["name"] == "agent-comms").unwrap();
    vec![
        json!({ "op": "add", "path": "/spec/initContainers/-", "value": container }),
        json!({ "op": "add", "path": "/spec/volumes/-", "value": volume }),
    ]
}

/// A mesh that is called after us.
fn add_proxy(_: &Value) -> Vec<Value> {
    let proxy = json!({ "name": "istio-proxy", "image": "proxy:1", "restartPolicy": "Always" });
    vec![json!({ "op": "add", "path": "/spec/initContainers/-", "value": proxy })]
}

async fn answer(request: Request<Incoming>, mischief: Mischief) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    let patch = Value::Array(mischief(&review["request"]["object"])).to_string();
    let response =
        json!({ "uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(patch) });
    let answer = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
    Ok(Response::new(Full::new(Bytes::from(answer.to_string()))))
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, mischief: Mischief) {
    let stream = acceptor.accept(stream).await.unwrap();
    let answer = service_fn(move |request| answer(request, mischief));
    // An error says that the API server has closed the connection.
    drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await);
}

/// Starts the other webhook and has it called for the pods of this ground, after ours.
async fn start(ground: &Ground, mischief: Mischief) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let served = service::tls::served::Served::default();
    let key = service::tls::certified_key(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    served.swap(Arc::new(key));
    let acceptor = TlsAcceptor::from(Arc::new(service::tls::server_config(Arc::new(served), &["h2", "http/1.1"]).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, acceptor.clone(), mischief));
        }
    });
    // Configurations are called in the order of their names.
    let configuration = json!({
        "metadata": { "name": format!("{}-then", ground.name) },
        "webhooks": [{
            "name": "mischief.example.org",
            "clientConfig": {
                "url": format!("https://localhost:{port}/"),
                "caBundle": STANDARD.encode(made.cert.pem()),
            },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
            "namespaceSelector": { "matchLabels": { "test": ground.name } },
            "objectSelector": { "matchLabels": { "mischief": "yes" } },
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
        }],
    });
    let configuration: MutatingWebhookConfiguration = serde_json::from_value(configuration).unwrap();
    Api::all(ground.client.clone()).create(&PostParams::default(), &configuration).await.unwrap();
}

/// A pod with an init container of its own, as it is stored with the other webhook and without it.
async fn stored(name: &'static str, mischief: Mischief) -> (Value, Value) {
    let ground = Ground::new(name).await;
    let replica = ground.serve(&[]).await;
    start(&ground, mischief).await;
    let mut pod = serde_json::to_value(step("crawl")).unwrap();
    pod["spec"]["initContainers"] = json!([{ "name": "prepare", "image": "prepare:1" }]);
    pod["metadata"]["name"] = json!("plain");
    let pods = ground.pods(&ground.steps());
    let plain = pods.create(&PostParams::default(), &from_json(pod.clone())).await.unwrap();
    pod["metadata"]["labels"]["mischief"] = json!("yes");
    let mut spoilt = None;
    // Until the API server has heard of the other webhook, nothing is spoilt, and nothing mended.
    eventually("the injector has mended a pod", async || {
        pod["metadata"]["name"] = json!(format!("spoilt-{}", uuid::Uuid::new_v4()));
        spoilt = Some(pods.create(&PostParams::default(), &from_json(pod.clone())).await.unwrap());
        replica.metrics().await.lines().any(|line| line.contains(r#"reason="repair""#) && !line.ends_with(" 0"))
    })
    .await;
    let spoilt = spoilt.unwrap();
    assert!(is_injected(&plain) && is_injected(&spoilt));
    replica.end().await;
    (serde_json::to_value(plain).unwrap(), serde_json::to_value(spoilt).unwrap())
}

#[tokio::test]
async fn a_damaged_sidecar_is_mended() {
    let (plain, spoilt) = stored("damaged", damage).await;
    assert_eq!(plain["spec"]["initContainers"], spoilt["spec"]["initContainers"]);
    assert_eq!(plain["spec"]["volumes"], spoilt["spec"]["volumes"]);
}

#[tokio::test]
async fn a_sidecar_that_was_moved_is_moved_back() {
    let (plain, spoilt) = stored("moved", shift).await;
    assert_eq!(plain["spec"]["initContainers"], spoilt["spec"]["initContainers"]);
}

#[tokio::test]
async fn a_sidecar_that_was_made_twice_is_there_once() {
    let (plain, spoilt) = stored("doubled", duplicate).await;
    assert_eq!(plain["spec"]["initContainers"], spoilt["spec"]["initContainers"]);
    assert_eq!(plain["spec"]["volumes"], spoilt["spec"]["volumes"]);
}

#[tokio::test]
async fn a_sidecar_goes_behind_a_proxy_that_came_later() {
    let (_, spoilt) = stored("proxied", add_proxy).await;
    let names: Vec<&Value> = spoilt["spec"]["initContainers"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["prepare", "istio-proxy", "agent-comms"]);
}
