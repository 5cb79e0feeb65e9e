use k8s_openapi::api::core::v1::{Node, Secret, Service};
use kube::api::ObjectMeta;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use super::finding::{Level, exit_code, tell};
use super::served::Served;
use super::*;

fn names() -> Names {
    let text = |text: &str| text.to_owned();
    Names { namespace: text("agent-comms"), service: text("injector"), configuration: text("hook"), secret: text("certificate") }
}

fn told(findings: &[Finding]) -> Vec<(&str, Level)> {
    findings.iter().map(|finding| (finding.code, finding.level)).collect()
}

fn webhook() -> Value {
    json!({
        "name": "pods",
        "clientConfig": { "service": { "namespace": "agent-comms", "name": "injector", "path": "/mutate" } },
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
        "failurePolicy": "Ignore",
        "reinvocationPolicy": "IfNeeded",
        "namespaceSelector": { "matchExpressions": [{ "key": "agent-comms.dev/inject", "operator": "In", "values": ["enabled"] }] },
    })
}

#[track_caller]
fn check_webhook(change: impl FnOnce(&mut Value), expected: &[(&str, Level)]) {
    let mut webhook = webhook();
    change(&mut webhook);
    let findings = webhook::judge(&json!({ "webhooks": [webhook] }), &names());
    let unhappy: Vec<_> = told(&findings).into_iter().filter(|(_, level)| *level != Level::Ok).collect();
    assert_eq!(unhappy, expected, "{findings:#?}");
}

#[test]
fn an_entry_must_call_the_injector() {
    check_webhook(|_| (), &[]);
    let at = |pointer: &'static str, value: Value| {
        move |webhook: &mut Value| {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            webhook.pointer_mut(parent).unwrap()[key] = value;
        }
    };
    check_webhook(at("/clientConfig/service/name", json!("other")), &[("webhook_target", Level::Fail)]);
    check_webhook(at("/clientConfig/service/path", json!("/")), &[("webhook_target", Level::Fail)]);
    check_webhook(at("/clientConfig", json!({})), &[("webhook_target", Level::Fail)]);
    check_webhook(at("/clientConfig", json!({ "url": "https://[::1]:9/mutate" })), &[("webhook_target", Level::Warn)]);
    check_webhook(at("/clientConfig", json!({ "url": "https://[::1]:9/" })), &[("webhook_target", Level::Fail)]);
    check_webhook(at("/rules", json!([])), &[("webhook_rules", Level::Fail)]);
    check_webhook(at("/rules/0/operations", json!(["UPDATE"])), &[("webhook_rules", Level::Fail)]);
    check_webhook(at("/rules/0/resources", json!(["*"])), &[]);
    check_webhook(at("/reinvocationPolicy", json!("Never")), &[("webhook_rules", Level::Warn)]);
    check_webhook(at("/failurePolicy", json!("Fail")), &[("failure_policy", Level::Warn)]);
    check_webhook(at("/namespaceSelector", json!({})), &[("namespace_selector", Level::Warn)]);
    assert_eq!(told(&webhook::judge(&json!({}), &names())), [("webhook_configuration", Level::Fail)]);
}

#[test]
fn another_certificate_than_the_secret_has_is_told() {
    let certificate = || rcgen::generate_simple_self_signed(vec!["injector".to_owned()]).unwrap().cert.der().clone();
    let (one, other) = (certificate(), certificate());
    let served =
        |leaf: &CertificateDer<'static>, source: &str| Ok(Served { chain: vec![leaf.clone()], source: source.to_owned() });
    let level = |shown: Result<Served, String>, stored: Result<Served, String>| {
        let mut judge = certificate::Judge::default();
        judge.look(&webhook(), shown, &stored);
        let findings = judge.findings();
        assert_eq!(told(&findings)[1], ("ca_bundle", Level::Fail), "there is none");
        (findings[0].code, findings[0].level)
    };
    let not = || Err("it is not known".to_owned());
    assert_eq!(level(served(&one, "A shows"), served(&one, "S has")), ("served", Level::Ok));
    assert_eq!(level(served(&one, "A shows"), served(&other, "S has")), ("served", Level::Warn));
    assert_eq!(level(served(&one, "A shows"), not()), ("served", Level::Ok));
    assert_eq!(level(not(), served(&one, "S has")), ("served", Level::Unknown));
    assert_eq!(level(not(), not()), ("served", Level::Unknown));
}

#[test]
fn the_service_is_there_or_not_or_not_known() {
    let level = |service: &Read<Service>| webhook::of_service(service, &names()).level;
    assert_eq!(level(&Read::Found(Service::default())), Level::Ok);
    assert_eq!(level(&Read::Absent), Level::Fail);
    assert_eq!(level(&Read::Forbidden), Level::Unknown);
}

#[test]
fn kubelets_must_know_native_sidecars() {
    let nodes = |versions: &[&str]| -> Vec<Node> {
        let node = |(number, version): (usize, &&str)| {
            json!({ "metadata": { "name": format!("node-{number}") }, "status": { "nodeInfo": {
            "kubeletVersion": version, "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "",
            "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": "",
        } } })
        };
        versions.iter().enumerate().map(node).map(|node| serde_json::from_value(node).unwrap()).collect()
    };
    let levels = |versions: &[&str]| nodes::judge(&nodes(versions)).iter().map(|finding| finding.level).collect::<Vec<_>>();
    assert_eq!(levels(&["v1.31.0", "v1.31.0", "v1.36.2-eks-7f9249a", "v2.0.0"]), [Level::Ok; 3]);
    assert_eq!(levels(&["v1.28.15", "v1.29.0+k3s1", "v1.30.1"]), [Level::Fail, Level::Warn, Level::Warn]);
    assert_eq!(levels(&["unknown"]), [Level::Warn]);
    let findings = nodes::judge(&nodes(&["v1.28.15", "v1.28.15"]));
    assert_eq!(findings[0].words, "2 nodes have the kubelet v1.28.15");
    assert!(findings[0].advice.as_ref().unwrap().ends_with("node-0, node-1"), "{findings:?}");
    assert_eq!(nodes::of_api_server("v1.28.0").level, Level::Fail);
    assert_eq!(nodes::of_api_server("v1.36.2").level, Level::Ok);
}

fn namespace(name: &str, key: &str, value: &str) -> ObjectMeta {
    let time = "2026-01-01T00:00:00Z";
    serde_json::from_value(json!({ "name": name, "labels": { key: value }, "creationTimestamp": time })).unwrap()
}

#[track_caller]
fn check_label(namespace: ObjectMeta, expected: Option<&str>) {
    let enabled = self::namespace("steps", "agent-comms.dev/inject", "enabled");
    let findings = namespaces::judge(&[enabled, namespace], "agent-comms");
    assert_eq!(findings[0].level, Level::Ok);
    assert_eq!(findings.get(1).map(|finding| finding.words.as_str()), expected);
}

#[test]
fn a_label_that_means_nothing_is_told() {
    check_label(namespace("more", "agent-comms.dev/inject", "disabled"), None);
    check_label(namespace("more", "team", "a"), None);
    let words = "its label agent-comms.dev/inject says `true`, which means nothing; `enabled` or `disabled` do";
    check_label(namespace("more", "agent-comms.dev/inject", "true"), Some(words));
    let words = "its label `agentcomms.dev/injection` means nothing; agent-comms.dev/inject does";
    check_label(namespace("more", "agentcomms.dev/injection", "enabled"), Some(words));
    let words = "it is labelled, and the webhook is never called for it: it belongs to the cluster or to the injector";
    check_label(namespace("agent-comms", "agent-comms.dev/inject", "enabled"), Some(words));
    let nobody = namespaces::judge(&[namespace("more", "team", "a")], "agent-comms");
    assert_eq!(told(&nobody), [("namespaces", Level::Warn)]);
}

#[test]
fn sidecars_need_the_secret_of_their_namespace() {
    let asking =
        [namespace("steps", "agent-comms.dev/inject", "enabled"), namespace("more", "agent-comms.dev/inject", "enabled")];
    let enabled = namespaces::enabled(&asking, "agent-comms");
    let findings = namespaces::judge_secrets(&enabled, &[Read::Absent, Read::Found(Secret::default())]);
    assert_eq!(told(&findings), [("credentials", Level::Fail); 2]);
    let findings = namespaces::judge_secrets(&enabled, &[Read::Forbidden, Read::Forbidden]);
    assert_eq!(told(&findings), [("credentials", Level::Unknown)]);
    assert_eq!(findings[0].words, "you may not read the Secret agent-comms-nats of: steps, more");
}

#[test]
fn a_pod_that_asks_where_nobody_hears_is_told() {
    let pod = |namespace: &str, name: &str| json!({ "metadata": { "namespace": namespace, "name": name } });
    let list = |pods: Value| Read::Found(serde_json::from_value(json!({ "metadata": {}, "items": pods })).unwrap());
    let enabled = namespaces::enabled(&[namespace("steps", "agent-comms.dev/inject", "enabled")], "agent-comms");
    assert_eq!(pods::judge(&list(json!([pod("steps", "a")])), &enabled).level, Level::Ok);
    let told = pods::judge(&list(json!([pod("steps", "a"), pod("other", "b")])), &enabled);
    assert_eq!(told.level, Level::Warn);
    assert!(told.words.starts_with("1 pod asks by the label") && told.words.ends_with(": other/b"), "{told:?}");
    assert_eq!(pods::judge(&Read::Forbidden, &enabled).level, Level::Unknown);
}

#[track_caller]
fn check_range(limits: &Value, expected: Option<&str>) {
    let ranges = json!({ "metadata": {}, "items": [{ "metadata": { "name": "all" }, "spec": { "limits": [limits] } }] });
    let enabled = namespaces::enabled(&[namespace("steps", "agent-comms.dev/inject", "enabled")], "agent-comms");
    let findings =
        ranges::judge(&enabled, &[Read::Found(serde_json::from_value(ranges).unwrap())], &crate::options::Resources::default());
    let demand = findings.iter().find(|finding| finding.level == Level::Fail).map(|finding| finding.words.as_str());
    assert_eq!(demand, expected);
}

#[test]
fn a_limit_range_that_refuses_the_sidecar_is_told() {
    check_range(&json!({ "type": "Container", "min": { "memory": "24Mi" }, "max": { "cpu": "500m", "memory": "64Mi" } }), None);
    check_range(
        &json!({ "type": "Container", "min": { "memory": "128Mi" } }),
        Some(
            "its LimitRange all gives a container at least 128Mi of memory, and a sidecar has 24Mi/64Mi: pods with one are refused",
        ),
    );
    check_range(
        &json!({ "type": "Container", "max": { "cpu": "0.1" } }),
        Some("its LimitRange all gives a container at most 0.1 of cpu, and a sidecar has 10m/500m: pods with one are refused"),
    );
    check_range(
        &json!({ "type": "Container", "maxLimitRequestRatio": { "cpu": "4" } }),
        Some(
            "its LimitRange all lets a limit of cpu be 4 times the request, and a sidecar has 10m/500m: pods with one are refused",
        ),
    );
    check_range(&json!({ "type": "Container", "maxLimitRequestRatio": { "cpu": "50" } }), None);
    check_range(&json!({ "type": "Pod", "min": { "memory": "1Gi" } }), None);
    let enabled = namespaces::enabled(&[namespace("steps", "agent-comms.dev/inject", "enabled")], "agent-comms");
    let unknown = ranges::judge(&enabled, &[Read::Forbidden], &crate::options::Resources::default());
    assert_eq!(told(&unknown), [("limit_range", Level::Unknown)]);
}

#[test]
fn findings_are_told_with_what_to_do_and_coloured_on_a_terminal_alone() {
    let findings = [Finding::ok(Code::Nodes, "fine"), Finding::fail(Code::Credentials, "none", "make some").of("steps")];
    let text = |has_colours| {
        let mut out = Vec::new();
        tell(&mut out, &findings, has_colours).unwrap();
        String::from_utf8(out).unwrap()
    };
    let plain = "✓ nodes  fine\n✗ credentials steps  none\n    make some\n1 wrong, 0 to look at, 0 unknown, 1 right";
    assert_eq!(text(false), plain);
    assert!(text(true).starts_with("\x1b[32m✓ nodes\x1b[0m  fine\n\x1b[31m✗ credentials steps\x1b[0m  none\n"));
    assert_eq!((exit_code(&findings), exit_code(&findings[..1])), (3, 0));
    let json = serde_json::to_value(&findings).unwrap();
    let expected = json!({ "code": "credentials", "level": "fail", "object": "steps", "words": "none", "advice": "make some" });
    assert_eq!(json[1], expected);
}
