//! What every test here stands on: namespaces of its own in the shared API server, a webhook configuration that speaks for
//! them alone, and injectors as a cluster would run them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Parser as _;
use injector::cli::{Cli, Command};
use injector::serve;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use neighbours::Kubernetes;
use neighbours::kubernetes::Access;
use serde_json::{Value, json};
use service::admin::Readiness;
use tokio_util::sync::CancellationToken;

/// How long what follows from a change may take, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// One test's part of the cluster.
pub struct Ground {
    pub name: &'static str,
    pub client: kube::Client,
    /// The namespace of injectors.
    namespace: &'static str,
    /// The webhook configuration.
    configuration: &'static str,
    /// Who injectors are.
    account: Access,
}

/// An injector, which ends with this value.
pub struct Replica {
    pub address: SocketAddr,
    pub admin_address: SocketAddr,
    pub readiness: Readiness,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl Ground {
    /// A namespace `NAME` for injectors, and `NAME-steps` for pods, whose label the webhook asks for.
    pub async fn new(name: &'static str) -> Self {
        Self::of(Kubernetes::shared().await.unwrap(), name).await
    }

    /// The same in an API server of the test's own.
    pub async fn of(kubernetes: &Kubernetes, name: &'static str) -> Self {
        service::tls::install_provider();
        let account = kubernetes.admin().clone();
        let client = account.client().await.unwrap();
        let ground = Self { name, client, namespace: name, configuration: name, account };
        ground.make_namespace(name, &json!({})).await;
        ground.make_namespace(&ground.steps(), &json!({ "test": name })).await;
        ground
    }

    /// The same under the names of our manifests, with injectors that are their service account.
    pub async fn installed(kubernetes: &Kubernetes, name: &'static str, install: impl AsyncFnOnce(&kube::Client)) -> Self {
        let mut ground = Self::of(kubernetes, name).await;
        (ground.namespace, ground.configuration) = ("agent-comms", "agent-comms-injector");
        ground.make_namespace(ground.namespace, &json!({})).await;
        install(&ground.client).await;
        ground.account = kubernetes.service_account(ground.namespace, "agent-comms-injector").await.unwrap();
        ground
    }

    /// Who injectors are.
    pub fn account(&self) -> &Access {
        &self.account
    }

    /// The namespace of pods.
    pub fn steps(&self) -> String {
        format!("{}-steps", self.name)
    }

    pub async fn make_namespace(&self, name: &str, labels: &Value) {
        let namespace = serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } })).unwrap();
        Api::<Namespace>::all(self.client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    }

    /// Starts an injector that manages its own certificate, with further arguments.
    pub async fn start(&self, arguments: &[&str]) -> Replica {
        let kubeconfig = self.account.kubeconfig().to_str().unwrap();
        let fixed = ["injector", "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--kubeconfig", kubeconfig];
        let own =
            ["--namespace", self.namespace, "--webhook-configuration", self.configuration, "--certificate-names", "localhost"];
        let words = fixed.iter().chain(&own).chain(arguments);
        let Command::Serve(arguments) = Cli::parse_from(words).command else { panic!("this is no `serve`") };
        let bound = serve::bind(*arguments).await.unwrap();
        let (address, admin_address, readiness) = (bound.address, bound.admin_address, bound.readiness.clone());
        let stop = CancellationToken::new();
        let serving = tokio::spawn(bound.serve(stop.clone(), Duration::ZERO));
        Replica { address, admin_address, readiness, stop, serving }
    }

    /// Makes the webhook configuration: one entry for each replica, the first one first, none with a `caBundle`.
    pub async fn install(&self, replicas: &[&Replica]) {
        let webhooks: Vec<Value> = replicas.iter().enumerate().map(|(index, replica)| self.entry(index, replica)).collect();
        let configuration = json!({ "metadata": { "name": self.configuration }, "webhooks": webhooks });
        let configuration: MutatingWebhookConfiguration = serde_json::from_value(configuration).unwrap();
        Api::all(self.client.clone()).create(&PostParams::default(), &configuration).await.unwrap();
    }

    fn entry(&self, index: usize, replica: &Replica) -> Value {
        json!({
            "name": format!("replica-{index}.agent-comms.dev"),
            "clientConfig": { "url": format!("https://localhost:{}/mutate", replica.address.port()) },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
            "namespaceSelector": { "matchLabels": { "test": self.name } },
            "admissionReviewVersions": ["v1"],
            "sideEffects": "NoneOnDryRun",
            "failurePolicy": "Ignore",
            "reinvocationPolicy": "IfNeeded",
            "timeoutSeconds": 10,
        })
    }

    /// Starts an injector, makes the configuration for it and waits until it is ready and called.
    pub async fn serve(&self, arguments: &[&str]) -> Replica {
        let replica = self.start(arguments).await;
        self.install(&[&replica]).await;
        self.wait_until_called(&[&replica]).await;
        replica
    }

    /// Waits until the replicas are ready, and until the API server, which follows configurations with a watch, calls.
    pub async fn wait_until_called(&self, replicas: &[&Replica]) {
        eventually("the replicas are ready", async || replicas.iter().all(|replica| replica.readiness.is_ready())).await;
        let probe = step("probe");
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        eventually("the webhook is called", async || {
            is_injected(&self.pods(&self.steps()).create(&dry_run, &probe).await.unwrap())
        })
        .await;
    }

    /// Pods of a namespace, as JSON with all fields.
    pub fn pods(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &ApiResource::erase::<Pod>(&()))
    }

    pub fn configurations(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::erase::<MutatingWebhookConfiguration>(&()))
    }

    /// The `caBundle` of each entry, base64.
    pub async fn bundles(&self) -> Vec<String> {
        let configuration = self.configurations().get(self.configuration).await.unwrap();
        let webhooks = configuration.data["webhooks"].as_array().unwrap().clone();
        webhooks.iter().map(|entry| entry["clientConfig"]["caBundle"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Writes a `caBundle` into one entry.
    pub async fn overwrite_bundle(&self, index: usize, bundle: &str) {
        let patch = json!([{ "op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": bundle }]);
        let patch: Patch<Value> = Patch::Json(serde_json::from_value(patch).unwrap());
        self.configurations().patch(self.configuration, &PatchParams::default(), &patch).await.unwrap();
    }
}

impl Replica {
    /// All metrics.
    pub async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.admin_address);
        let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
            .build_http::<http_body_util::Empty<bytes::Bytes>>();
        let response = client.get(url.parse().unwrap()).await.unwrap();
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    /// One metric's value, summed over its labels.
    pub async fn metric(&self, name: &str) -> u64 {
        let is_its = |line: &&str| line.split(['{', ' ']).next() == Some(name);
        let metrics = self.metrics().await;
        metrics.lines().filter(is_its).map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Ends it as SIGTERM does.
    pub async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.serving).await.expect("the injector ends when told to").unwrap();
    }
}

/// A pod of a Job.
pub fn step(name: &str) -> DynamicObject {
    let owner = json!({ "apiVersion": "batch/v1", "kind": "Job", "name": "crawl", "uid": "0b5c8a52-8f2a-4c8e-9a39-3c2f3c1a6d10", "controller": true });
    from_json(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "batch.kubernetes.io/job-name": "crawl" }, "ownerReferences": [owner] },
        "spec": {
            "restartPolicy": "Never",
            "containers": [{ "name": "main", "image": "main:1", "command": ["/bin/crawl", "--deep"] }],
        },
    }))
}

pub fn from_json(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}

/// Whether a pod has our sidecar.
pub fn is_injected(pod: &DynamicObject) -> bool {
    let containers = pod.data["spec"]["initContainers"].as_array();
    containers.is_some_and(|containers| {
        containers.iter().any(|container| container["name"] == "agent-comms" && container["restartPolicy"] == "Always")
    })
}

/// Waits until something holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "in vain for {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(POLL).await;
    }
}

/// Makes etcd forget its history, so that no watch can go on where it was.
pub async fn compact(kubernetes: &Kubernetes) {
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Full<bytes::Bytes>>();
    let ask = async |path: &str, body: Value| -> Value {
        let request = hyper::Request::post(format!("{}{path}", kubernetes.etcd_url())).body(body.to_string().into()).unwrap();
        let response = client.request(request).await.unwrap();
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    };
    // Any key will do: the answer's header has the revision.
    let answer = ask("/v3/kv/range", json!({ "key": "Lw==", "limit": "1" })).await;
    let revision = answer["header"]["revision"].clone();
    ask("/v3/kv/compaction", json!({ "revision": revision, "physical": true })).await;
}
