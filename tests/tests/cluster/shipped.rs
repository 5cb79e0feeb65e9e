//! The manifests that are shipped: an API server takes them field by field, Pod Security lets their pods in, what they name is
//! there, and the programs know their settings.
//!
//! Streams and consumers of the NACK controller are left to the tests of ingest, which make them in a real NATS server: the
//! definitions of these kinds are in no registry of packages.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::strict::{Unknown, apart, refusal_of_pod, resource};

const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");
const NAMESPACE: &str = "agent-comms";

/// What a directory of the manifests becomes.
fn render(directory: &Path) -> Vec<Value> {
    let stream = neighbours::kustomize::build(directory).unwrap();
    let objects = stream.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap());
    let (of_nack, objects): (Vec<Value>, Vec<Value>) =
        objects.partition(|object: &Value| object["apiVersion"] == "jetstream.nats.io/v1beta2");
    let kinds: Vec<&str> = of_nack.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(kinds, ["Consumer", "Stream"], "{}", directory.display());
    objects
}

/// The manifests in a directory of their own, with the secrets that the demo makes.
fn with_secrets(directory: &Path) {
    let copied = Command::new("cp").arg("-R").arg(MANIFESTS).arg(directory).status().unwrap();
    assert!(copied.success());
    let demo = directory.join("manifests/demo");
    if demo.join("secrets").exists() {
        std::fs::remove_dir_all(demo.join("secrets")).unwrap();
    }
    for _ in ["once", "again"] {
        let made = Command::new("sh").arg("secrets.sh").current_dir(&demo).output().unwrap();
        assert!(made.status.success(), "secrets.sh needs openssl: {}", String::from_utf8_lossy(&made.stderr));
    }
}

/// Applies objects as `kubectl apply --server-side --validate=strict` does.
async fn apply(client: &kube::Client, objects: &[Value]) {
    let (first, then): (Vec<&Value>, Vec<&Value>) = objects.iter().partition(|object| object["kind"] == "Namespace");
    for object in first.into_iter().chain(then) {
        let (resource, name) = (resource(object), object["metadata"]["name"].as_str().unwrap());
        let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let parameters = PatchParams::apply("platform").validation_strict();
        let applied = api.patch(name, &parameters, &Patch::Apply(object)).await;
        assert!(applied.is_ok(), "{} {name}: {:#}", resource.kind, applied.unwrap_err());
    }
}

/// The pods that controllers would make, each with its name.
fn pods(objects: &[Value]) -> Vec<(&str, Value)> {
    let mut pods = Vec::new();
    for object in objects {
        let Some(template) = object.pointer("/spec/template") else { continue };
        let name = object["metadata"]["name"].as_str().unwrap();
        let mut pod = json!({ "metadata": template["metadata"], "spec": template["spec"] });
        pod["metadata"]["name"] = json!(name);
        for claim in list(&object["spec"]["volumeClaimTemplates"]) {
            let volume = json!({ "name": claim["metadata"]["name"], "persistentVolumeClaim": { "claimName": "claimed" } });
            if !pod["spec"]["volumes"].is_array() {
                pod["spec"]["volumes"] = json!([]);
            }
            pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
        }
        pods.push((name, pod));
    }
    pods
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// `Kind/name` of all that the objects name of each other.
fn named(objects: &[Value]) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (_, pod) in pods(objects) {
        for volume in list(&pod["spec"]["volumes"]) {
            for (kind, pointer) in [("Secret", "/secret/secretName"), ("ConfigMap", "/configMap/name")] {
                named.extend(volume.pointer(pointer).and_then(Value::as_str).map(|name| format!("{kind}/{name}")));
            }
        }
        named.extend(pod["spec"]["serviceAccountName"].as_str().map(|name| format!("ServiceAccount/{name}")));
    }
    for object in objects {
        named.extend(object["spec"]["serviceName"].as_str().map(|name| format!("Service/{name}")));
        let role = &object["roleRef"];
        named.extend(role["name"].as_str().map(|name| format!("{}/{name}", role["kind"].as_str().unwrap())));
        for subject in list(&object["subjects"]) {
            assert_eq!(subject["namespace"], NAMESPACE);
            named.insert(format!("{}/{}", subject["kind"].as_str().unwrap(), subject["name"].as_str().unwrap()));
        }
        for webhook in list(&object["webhooks"]) {
            let service = &webhook["clientConfig"]["service"];
            assert_eq!(service["namespace"], NAMESPACE);
            named.insert(format!("Service/{}", service["name"].as_str().unwrap()));
        }
    }
    named
}

/// What is named and not there.
fn missing(objects: &[Value]) -> Vec<String> {
    let name = |object: &Value| format!("{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
    let there: BTreeSet<String> = objects.iter().map(name).collect();
    named(objects).difference(&there).cloned().collect()
}

/// Every Service leads to a pod, and every port of it to one of the pod's.
fn check_services(objects: &[Value]) {
    let pods = pods(objects);
    let services: Vec<&Value> = objects.iter().filter(|object| object["kind"] == "Service").collect();
    assert!(!services.is_empty());
    for service in services {
        let name = &service["metadata"]["name"];
        let selector = service["spec"]["selector"].as_object().unwrap();
        let is_selected = |pod: &Value| selector.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value);
        let selected: Vec<&Value> = pods.iter().map(|(_, pod)| pod).filter(|pod| is_selected(pod)).collect();
        assert_eq!(selected.len(), 1, "pods of the Service {name}");
        let ports: Vec<&Value> =
            list(&selected[0]["spec"]["containers"]).iter().flat_map(|container| list(&container["ports"])).collect();
        for target in list(&service["spec"]["ports"]).iter().map(|port| &port["targetPort"]) {
            assert!(ports.iter().any(|port| port["name"] == *target), "{name}: {target}");
        }
    }
}

/// The command line that a container's variables and arguments stand for, every variable being a setting that there is.
fn command_line(command: &clap::Command, container: &Value) -> Vec<String> {
    let arguments: Vec<String> = list(&container["args"]).iter().map(|word| word.as_str().unwrap().to_owned()).collect();
    let command = command.find_subcommand(&arguments[0]).unwrap();
    let mut line = vec!["program".to_owned()];
    line.extend(arguments);
    for variable in list(&container["env"]) {
        let (name, value) = (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
        let setting = command.get_arguments().find(|argument| argument.get_env().is_some_and(|known| known == name));
        let setting = setting.unwrap_or_else(|| panic!("{name} is no setting"));
        line.extend([format!("--{}", setting.get_long().unwrap()), value.to_owned()]);
    }
    line
}

/// The settings in the manifests are settings of our programs, with values that these can use.
fn check_settings(objects: &[Value]) {
    let pods = pods(objects);
    let container = |name: &str| &pods.iter().find(|(pod, _)| *pod == name).unwrap().1["spec"]["containers"][0];
    let line = command_line(&injector::cli::Cli::command(), container("agent-comms-injector"));
    injector::cli::Cli::command().try_get_matches_from(line).unwrap();
    let line = command_line(&ingest::args::Args::command(), container("agent-comms-ingest"));
    ingest::args::Args::command().try_get_matches_from(line).unwrap();
}

#[tokio::test]
async fn the_shipped_manifests_are_whole_and_taken_by_a_strict_api_server() {
    let ground = Ground::of(apart().await, "shipped").await;
    let directory = tempfile::tempdir().unwrap();
    tokio::task::spawn_blocking(neighbours::kustomize::program).await.unwrap().unwrap();
    with_secrets(directory.path());

    let base = render(&directory.path().join("manifests/base"));
    ground.make_namespace(NAMESPACE, &json!({})).await;
    apply(&ground.client, &base).await;
    check_services(&base);
    check_settings(&base);
    assert_eq!(
        missing(&base),
        ["ConfigMap/agent-comms-nats-ca", "Secret/agent-comms-database", "Secret/agent-comms-ingest-nats"],
        "what the comments of the manifests ask whoever applies them for"
    );

    let demo = render(&directory.path().join("manifests/demo"));
    apply(&ground.client, &demo).await;
    check_services(&demo);
    assert_eq!(missing(&demo), [""; 0]);
    let pods = pods(&demo);
    assert_eq!(
        pods.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["agent-comms-ingest", "agent-comms-injector", "nats", "postgres"]
    );
    for (name, pod) in pods {
        // The namespace of the demo enforces `restricted`.
        assert_eq!(refusal_of_pod(&ground.client, NAMESPACE, &pod, Unknown::Refused).await, None, "{name}");
    }
    check_access(&ground.client, directory.path()).await;

    let privileged = json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "main", "image": "main:1" }] } });
    let refusal = refusal_of_pod(&ground.client, NAMESPACE, &privileged, Unknown::Refused).await;
    assert!(refusal.is_some_and(|refusal| refusal.contains("violates PodSecurity")));
}

/// The base with the component that lets others reach ingest.
async fn check_access(client: &kube::Client, directory: &Path) {
    let overlay = directory.join("manifests/overlay");
    std::fs::create_dir(&overlay).unwrap();
    let kustomization = json!({ "namespace": NAMESPACE, "resources": ["../base"], "components": ["../access"] });
    std::fs::write(overlay.join("kustomization.yaml"), kustomization.to_string()).unwrap();
    let objects = render(&overlay);
    apply(client, &objects).await;
    check_services(&objects);
    check_settings(&objects);
    let asked = [
        "ClusterRole/system:auth-delegator",
        "ConfigMap/agent-comms-nats-ca",
        "Secret/agent-comms-database",
        "Secret/agent-comms-ingest-nats",
        "Secret/agent-comms-ingest-tls",
    ];
    assert_eq!(missing(&objects), asked, "what Kubernetes has, and what the comments ask whoever applies them for");
    for (name, pod) in pods(&objects) {
        assert_eq!(refusal_of_pod(client, NAMESPACE, &pod, Unknown::Refused).await, None, "{name}");
    }
    let ingest = objects.iter().find(|object| object["kind"] == "Service" && object["metadata"]["name"] == "agent-comms-ingest");
    let ports = list(&ingest.unwrap()["spec"]["ports"]);
    assert_eq!(ports.iter().map(|port| &port["port"]).collect::<Vec<_>>(), [443, 9090]);
}
