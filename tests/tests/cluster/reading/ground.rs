//! What every test here stands on: ingest over TLS between its own NATS server and database, readers known by tokens, and a
//! client that is nobody until it shows one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use ingest::serve::Running;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use neighbours::certificates::Authority;
use neighbours::kubernetes::{Access, TokenOf};
use neighbours::{Kubernetes, Nats, Postgres};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::wire::{self, Body};
use crate::access::may;
use crate::ground::eventually;
use crate::strict::resource;

pub const AUDIENCE: &str = "agent-comms-ingest";
const RBAC: &str = include_str!("../../../../manifests/access/rbac.yaml");
const READERS: &str = include_str!("../../../../manifests/access/readers.yaml");

/// Everything around one test's ingest.
pub struct Ground {
    pub name: &'static str,
    pub api: SocketAddr,
    pub client: kube::Client,
    pub roots: Arc<rustls::RootCertStore>,
    pub directory: tempfile::TempDir,
    publisher: jetstream::Context,
    running: Running,
    stop: CancellationToken,
    nats: Nats,
    postgres: Arc<Postgres>,
    /// Its name.
    database: String,
}

impl Ground {
    /// In the API server that all tests share.
    pub async fn new(name: &'static str) -> Self {
        Self::of(Kubernetes::shared().await.unwrap(), name, &[]).await
    }

    /// With further arguments of ingest.
    pub async fn of(kubernetes: &Kubernetes, name: &'static str, arguments: &[&str]) -> Self {
        service::tls::install_provider();
        let client = kubernetes.admin().client().await.unwrap();
        make_namespace(&client, name).await;
        // Applied as `kubectl apply` would, in this test's own namespace.
        for document in RBAC.split("\n---\n").chain(READERS.split("\n---\n")) {
            apply(&client, name, document).await;
        }
        let account = kubernetes.service_account(name, "agent-comms-ingest").await.unwrap();
        let asking = account.client().await.unwrap();
        for review in
            [("create", "authentication.k8s.io", "tokenreviews"), ("create", "authorization.k8s.io", "subjectaccessreviews")]
        {
            eventually("ingest may ask", async || may(&asking, (review.0, review.1, review.2, "", "")).await).await;
        }
        let nats = Nats::start(neighbours::nats::Options::default()).await.unwrap();
        let postgres = Postgres::shared().await.unwrap();
        let database = format!("reading_{name}_{}", std::process::id()).replace('-', "_");
        let url = postgres.create_database(&database).await.unwrap();
        tests::replica::set_up(&nats.admin()).await.unwrap();
        let publisher = jetstream::new(nats.admin().connect().await.unwrap());
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new().unwrap();
        authority.server(&[]).unwrap().write(directory.path(), "tls").unwrap();
        std::fs::write(directory.path().join("ca.crt"), authority.certificate_pem()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(service::tls::certificates(&directory.path().join("ca.crt")).unwrap());
        let (running, stop) = serve(&nats, &url, &account, directory.path(), arguments).await;
        let roots = Arc::new(roots);
        Self { name, api: running.api, client, roots, directory, publisher, running, stop, nats, postgres, database }
    }

    /// A metric of ingest, by its name and labels as they are written.
    pub async fn metric(&self, name: &str) -> u64 {
        let text = wire::admin(self.running.admin, "/metrics").await.1;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Tells ingest to stop; what is left of it.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has.
    pub async fn stopped(self) {
        self.stop.cancel();
        self.running.wait().await.unwrap();
        drop((self.nats, self.postgres));
    }

    /// Says something in a run of a namespace.
    pub async fn say(&self, namespace: &str, run: &str, content: &str) -> u64 {
        let body = json!({ "content": content, "agent_id": "a", "run_id": "shared-alias" }).to_string();
        self.publish(format!("workflow.{namespace}.{run}.{run}-uid.agent.a.message"), body).await
    }

    /// Says something in the shared channel.
    pub async fn say_to_all(&self, namespace: &str, run: &str, content: &str) -> u64 {
        let body = json!({ "content": content, "agent_id": "a" }).to_string();
        self.publish(format!("workflow.general.message.{namespace}.{run}.{run}-uid.agent.a"), body).await
    }

    /// Publishes anything.
    pub async fn publish(&self, subject: String, body: String) -> u64 {
        self.publisher.publish(subject, body.into()).await.unwrap().await.unwrap().sequence
    }

    /// Waits until everything up to here is stored.
    pub async fn stored(&self, sequence: u64) {
        let sql = self.postgres.connect(&self.database).await.unwrap();
        let sequence = i64::try_from(sequence).unwrap();
        eventually("everything is stored", async || {
            let row = sql.query_opt("SELECT watermark FROM workflow_comms.stream_epochs", &[]).await;
            row.ok().flatten().is_some_and(|row| row.get::<_, i64>(0) >= sequence)
        })
        .await;
    }

    /// A reader: a service account, of this test's namespace, that may read nothing yet.
    pub async fn reader(&self, name: &str) -> Reader<'_> {
        let account = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), self.name);
        accounts.create(&PostParams::default(), &account).await.unwrap();
        Reader { ground: self, name: name.to_owned() }
    }

    /// Asks for a path, with these headers.
    pub async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
        wire::send(self.api, &self.roots, wire::get(self.api, path, headers)).await
    }

    /// The same, with a token, and what came: the status, and a document.
    pub async fn get(&self, token: &str, path: &str) -> (StatusCode, Value) {
        let answer = self.ask(path, &[("authorization", &format!("Bearer {token}"))]).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let document =
            serde_json::from_slice(&body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        (status, document)
    }

    /// Sends a request.
    pub async fn send(&self, request: Request<Body>) -> Response<Incoming> {
        wire::send(self.api, &self.roots, request).await
    }
}

/// A service account.
pub struct Reader<'a> {
    ground: &'a Ground,
    name: String,
}

impl Reader<'_> {
    /// A token for ingest that ends in an hour.
    pub async fn token(&self) -> String {
        self.token_for(AUDIENCE, None).await
    }

    /// A token for somebody, that ends with a Secret where one is named.
    pub async fn token_for(&self, audience: &str, secret: Option<&str>) -> String {
        let namespace = self.ground.name;
        let bound = match secret {
            None => None,
            Some(name) => {
                let secrets = Api::<Secret>::namespaced(self.ground.client.clone(), namespace);
                let secret = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
                let uid = secrets.create(&PostParams::default(), &secret).await.unwrap().metadata.uid;
                Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Secret".to_owned()),
                    name: Some(name.to_owned()),
                    uid,
                })
            }
        };
        let spec =
            TokenRequestSpec { audiences: Some(vec![audience.to_owned()]), bound_object_ref: bound, expiration_seconds: None };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let accounts = Api::<ServiceAccount>::namespaced(self.ground.client.clone(), namespace);
        let answer = accounts.create_token_request(&self.name, &PostParams::default(), &request).await.unwrap();
        answer.status.unwrap().token.unwrap()
    }

    /// A token that ends in so many seconds.
    pub async fn token_of_seconds(&self, kubernetes: &Kubernetes, seconds: u64) -> String {
        let accounts = Api::<ServiceAccount>::namespaced(self.ground.client.clone(), self.ground.name);
        let uid = accounts.get(&self.name).await.unwrap().metadata.uid.unwrap();
        let (namespace, name, audience) = (self.ground.name, self.name.as_str(), AUDIENCE);
        kubernetes.token(&TokenOf { namespace, name, uid: &uid, audience, lasts: Duration::from_secs(seconds) }).unwrap()
    }

    /// Lets it read the messages of a namespace, as whoever owns that would.
    pub async fn may_read(&self, namespace: &str) {
        let binding = json!({
            "metadata": { "name": self.binding() },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "agent-comms-reader" },
            "subjects": [{ "kind": "ServiceAccount", "name": self.name, "namespace": self.ground.name }],
        });
        let bindings = Api::<RoleBinding>::namespaced(self.ground.client.clone(), namespace);
        bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    }

    /// Whether the API server knows that it may read the messages of a namespace.
    pub async fn is_permitted(&self, client: &kube::Client, namespace: &str) -> bool {
        let attributes =
            json!({ "group": "agent-comms.dev", "resource": "agentmessages", "verb": "get", "namespace": namespace });
        let user = format!("system:serviceaccount:{}:{}", self.ground.name, self.name);
        let review = json!({ "metadata": {}, "spec": { "user": user, "resourceAttributes": attributes } });
        let review: SubjectAccessReview = serde_json::from_value(review).unwrap();
        let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.unwrap();
        answer.status.unwrap().allowed
    }

    /// Takes that away again.
    pub async fn may_no_longer_read(&self, namespace: &str) {
        let bindings = Api::<RoleBinding>::namespaced(self.ground.client.clone(), namespace);
        bindings.delete(&self.binding(), &DeleteParams::default()).await.unwrap();
    }

    /// Gives it a role in the whole cluster.
    pub async fn has_everywhere(&self, role: &str) {
        let binding = json!({
            "metadata": { "name": format!("{}-{role}", self.binding()) },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": "ServiceAccount", "name": self.name, "namespace": self.ground.name }],
        });
        let bindings = Api::<ClusterRoleBinding>::all(self.ground.client.clone());
        bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    }

    fn binding(&self) -> String {
        format!("{}-{}", self.ground.name, self.name)
    }
}

/// A namespace.
pub async fn make_namespace(client: &kube::Client, name: &str) {
    let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(client.clone());
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
}

/// Applies a manifest in a namespace; tests that share a server share what belongs to no namespace.
async fn apply(client: &kube::Client, namespace: &str, document: &str) {
    let mut object: Value = serde_saphyr::from_str(document).unwrap();
    if object["kind"] == "ClusterRoleBinding" {
        object["metadata"]["name"] = format!("{namespace}-ingest").into();
        object["subjects"][0]["namespace"] = namespace.into();
    }
    let resource = resource(&object);
    let api: Api<DynamicObject> = if resource.kind.starts_with("Cluster") {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    };
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    api.patch(&name, &PatchParams::apply("platform").force(), &Patch::Apply(&object)).await.unwrap();
}

async fn serve(
    nats: &Nats,
    database: &str,
    account: &Access,
    directory: &std::path::Path,
    arguments: &[&str],
) -> (Running, CancellationToken) {
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("tls.crt"), path("tls.key"));
    let kubeconfig = account.kubeconfig().to_str().unwrap();
    let access = if arguments.contains(&"--access") { &[][..] } else { &["--access", "kubernetes"] };
    let kept = if arguments.contains(&"--access-cache-seconds") { &[][..] } else { &["--access-cache-seconds", "1"] };
    let fixed = ["--kubeconfig", kubeconfig];
    let tls = ["--tls-cert", &certificate, "--tls-key", &key];
    let all = [access, kept, &fixed[..], &tls, arguments].concat();
    let stop = CancellationToken::new();
    let running = tests::replica::serve_with(&nats.ingest(), database, &all, &stop).await.unwrap();
    eventually("ingest is ready", async || wire::is_ready(running.admin).await).await;
    (running, stop)
}
