//! The alerts that are shipped, as Prometheus takes them: each comes when it should, none comes when all is well, and what
//! they look at are metrics that there are.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");
const METRICS: &str = include_str!("../../../docs/ingest-metrics.md");
const DOCUMENTED: &str = include_str!("../../../docs/keeping.md");

/// A replica that is well, told every minute.
const WELL: [(&str, &str); 14] = [
    ("watermark_sequence", "1+100x120"),
    ("discarded_messages_total", "0x120"),
    ("stream_backlog_ratio", "0.01x120"),
    ("lag_seconds", "0.2x120"),
    ("pending_messages", "10x120"),
    ("store_failures_total{class=\"connection\"}", "3x120"),
    ("dead_letters_total{class=\"decode\"}", "7x120"),
    ("live_open", "1x120"),
    ("partitions_ahead", "7x120"),
    ("epoch_changes_total{reason=\"recreated\"}", "0x120"),
    ("rebinds_total{reason=\"stalled\"}", "0x120"),
    ("http_requests_total{route=\"streamMessages\",code=\"503\"}", "2x120"),
    ("database_connections_wanted", "0x120"),
    ("access_reviews_total{review=\"token\",result=\"error\"}", "0x120"),
];

/// The name of an alert, what is told otherwise then, and the labels that the alert has.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

/// For each alert, how a replica is ill.
const ILL: [Case; 14] = [
    ("AgentCommsIngestAbsent", &[], &[]),
    ("AgentCommsMessagesLost", &[("discarded_messages_total", "0x60 2000x60")], &["namespace"]),
    ("AgentCommsStreamFills", &[("stream_backlog_ratio", "0.6x120")], &["namespace"]),
    ("AgentCommsStoringLags", &[("lag_seconds", "0+10x120")], &["namespace"]),
    ("AgentCommsStoringFails", &[("store_failures_total{class=\"connection\"}", "3+1x120")], &["namespace"]),
    ("AgentCommsDeadLetters", &[("dead_letters_total{class=\"decode\"}", "7x110 8x10")], &["namespace", "class=decode"]),
    ("AgentCommsNotLive", &[("live_open", "0x120")], &["namespace", "pod"]),
    (
        "AgentCommsLiveIsLate",
        &[
            ("live_delivery_delay_seconds_bucket{le=\"1\"}", "0+50x120"),
            ("live_delivery_delay_seconds_bucket{le=\"4\"}", "0+100x120"),
            ("live_delivery_delay_seconds_bucket{le=\"+Inf\"}", "0+100x120"),
        ],
        &["namespace"],
    ),
    ("AgentCommsNoPartitionsAhead", &[("partitions_ahead", "1x120")], &["namespace"]),
    (
        "AgentCommsStreamBeganAnew",
        &[("epoch_changes_total{reason=\"recreated\"}", "0x100 1x20")],
        &["namespace", "reason=recreated"],
    ),
    ("AgentCommsConsumerStalls", &[("rebinds_total{reason=\"stalled\"}", "0+1x120")], &["namespace"]),
    ("AgentCommsStreamsFull", &[("http_requests_total{route=\"streamMessages\",code=\"503\"}", "2+1x120")], &["namespace"]),
    ("AgentCommsDatabaseConnectionsTaken", &[("database_connections_wanted", "4x120")], &["namespace", "pod"]),
    ("AgentCommsAccessUnknown", &[("access_reviews_total{review=\"token\",result=\"error\"}", "0+1x120")], &["namespace"]),
];

/// The series of a replica.
fn series(name: &str, values: &str) -> Value {
    let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
    let labels = format!("namespace=\"agent-comms\",pod=\"ingest-0\",{labels}");
    json!({ "series": format!("agentcomms_ingest_{name}{{{labels}"), "values": values })
}

fn expected(rule: &Value, labels: &[&str]) -> Value {
    let mut given = json!({ "severity": rule["labels"]["severity"] });
    for label in labels {
        let (name, value) = label.split_once('=').unwrap_or((label, if *label == "pod" { "ingest-0" } else { "agent-comms" }));
        given[name] = json!(value);
    }
    json!({ "exp_labels": given, "exp_annotations": rule["annotations"] })
}

fn asked(alert: &Value, expected: &[Value]) -> Value {
    json!({ "eval_time": "2h", "alertname": alert, "exp_alerts": expected })
}

/// Of what an expression looks at, the metrics.
fn metrics_of(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with("agentcomms_")).collect()
}

/// The objects of the base with the component.
fn render(directory: &Path) -> Vec<Value> {
    // kustomize follows no absolute path.
    let copied = Command::new("cp").arg("-R").arg(MANIFESTS).arg(directory).status().unwrap();
    assert!(copied.success());
    let overlay = directory.join("overlay");
    std::fs::create_dir(&overlay).unwrap();
    let (resources, components) = (["../manifests/base"], ["../manifests/monitoring"]);
    let kustomization = json!({ "namespace": "agent-comms", "resources": resources, "components": components });
    std::fs::write(overlay.join("kustomization.yaml"), kustomization.to_string()).unwrap();
    let stream = neighbours::kustomize::build(&overlay).unwrap();
    stream.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

#[test]
fn each_alert_comes_when_it_should_and_none_when_all_is_well() {
    let directory = tempfile::tempdir().unwrap();
    let objects = render(directory.path());
    let of_kind = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    let rules = &of_kind("PrometheusRule")["spec"];
    let list: Vec<&Value> =
        rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    let file = directory.path().join("rules.json");
    std::fs::write(&file, rules.to_string()).unwrap();
    neighbours::promtool::check_rules(&file).unwrap();

    let names: Vec<&str> = list.iter().map(|rule| rule["alert"].as_str().unwrap()).collect();
    assert_eq!(names, ILL.map(|(name, _, _)| name), "each has its case");
    for (rule, name) in list.iter().zip(&names) {
        for metric in metrics_of(rule["expr"].as_str().unwrap()) {
            let documented = metric.trim_end_matches("_bucket");
            assert!(METRICS.contains(&format!("| `{documented}` |")), "{name}: {metric}");
        }
        assert!(DOCUMENTED.contains(&format!("| `{name}` |")), "{name} is not in docs/keeping.md");
    }

    let well: Vec<Value> = WELL.iter().map(|(name, values)| series(name, values)).collect();
    let none: Vec<Value> = list.iter().map(|rule| asked(&rule["alert"], &[])).collect();
    let mut tests = vec![json!({ "name": "all is well", "interval": "1m", "input_series": well, "alert_rule_test": none })];
    for (rule, (name, changes, labels)) in list.iter().zip(&ILL) {
        let changes: Vec<Value> = changes.iter().map(|(name, values)| series(name, values)).collect();
        let others = well.iter().filter(|series| !changes.iter().any(|change| change["series"] == series["series"]));
        let absent = changes.is_empty();
        let input: Vec<&Value> = others.filter(|_| !absent).chain(&changes).collect();
        let asked = asked(&rule["alert"], &[expected(rule, labels)]);
        tests.push(json!({ "name": name, "interval": "1m", "input_series": input, "alert_rule_test": [asked] }));
    }
    let test = directory.path().join("test.json");
    let document = json!({ "rule_files": [file], "evaluation_interval": "1m", "tests": tests });
    std::fs::write(&test, document.to_string()).unwrap();
    neighbours::promtool::test_rules(&test).unwrap();
}

#[test]
fn what_is_scraped_are_the_ports_that_tell_metrics() {
    let directory = tempfile::tempdir().unwrap();
    let objects = render(directory.path());
    let monitor = objects.iter().find(|object| object["kind"] == "PodMonitor").unwrap();
    let wanted = monitor.pointer("/spec/selector/matchLabels").and_then(Value::as_object).unwrap();
    let port = monitor.pointer("/spec/podMetricsEndpoints/0/port").unwrap();
    let mut scraped = BTreeSet::new();
    for object in objects.iter().filter(|object| object["kind"] == "Deployment") {
        let labels = &object["spec"]["template"]["metadata"]["labels"];
        assert!(wanted.iter().all(|(name, value)| labels[name] == *value), "{}", object["metadata"]["name"]);
        let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array).unwrap();
        let ports = containers.iter().filter_map(|container| container["ports"].as_array()).flatten();
        assert_eq!(ports.filter(|there| there["name"] == *port).count(), 1);
        scraped.insert(object["metadata"]["name"].as_str().unwrap());
    }
    assert_eq!(scraped, BTreeSet::from(["agent-comms-ingest", "agent-comms-injector"]));
}
