//! What an operator is told, and that it is written down.

use std::collections::BTreeSet;
use std::path::Path;

use crate::world::World;

const HEAD: &str = "# Metrics of ingest\n\n\
    `/metrics` on the admin port (9090) shows them; `/readyz` there says what is not well, each condition with its reason. Worth\n\
    an alert are the lag, the backlog (what is not stored yet fills half of the stream), dead letters, discarded messages, days\n\
    ahead below 2, and store failures that go on: `manifests/monitoring` has them ([more](keeping.md#alerts)). This page is made\n\
    from the program.\n\n";

/// The labels that there may be. Each has few values, known beforehand: runs, namespaces, agents and users are in none.
const LABELS: [&str; 10] = ["class", "code", "le", "outcome", "pool", "reason", "result", "resume", "review", "route"];

async fn scrape(admin: std::net::SocketAddr) -> String {
    crate::world::get(admin, "/metrics").await
}

fn page(text: &str) -> String {
    format!("{HEAD}{}", service::metrics::table(text))
}

/// The names of labels.
fn labels(text: &str) -> BTreeSet<&str> {
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let within = series.filter_map(|line| Some(line.split_once('{')?.1.rsplit_once('}')?.0));
    within.flat_map(|labels| labels.split(',')).map(|label| label.split_once('=').expect("a label").0).collect()
}

fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
    line.rsplit_once(' ').and_then(|(_, value)| value.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_metrics_is_what_the_program_tells() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..30).await;
    world.publish("workflow.demo.build.u-1.agent.a.message", "no JSON").await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 31).await;
    let text = scrape(running.admin).await;
    let unknown: Vec<&str> = labels(&text).into_iter().filter(|label| !LABELS.contains(label)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for said in ["demo", "build", "u-1", "number"] {
        assert!(!text.contains(&format!("\"{said}")), "a label holds what was said: {said}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ingest-metrics.md");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if written != page(&text) {
        std::fs::write(&path, page(&text)).expect("written");
        panic!("{} was out of date and is written anew; look at it and commit it", path.display());
    }
    assert!((value(&text, "agentcomms_ingest_rows_total") - 30.0).abs() < f64::EPSILON);
    assert!((value(&text, "agentcomms_ingest_dead_letters_total{class=\"decode\"}") - 1.0).abs() < f64::EPSILON);
    assert!((value(&text, "agentcomms_ingest_stream_last_sequence") - 31.0).abs() < f64::EPSILON);
    assert!(value(&text, "agentcomms_ingest_database_connections_open{pool=\"storing\"}") >= 1.0);
    stop.cancel();
    running.wait().await.expect("stopped");
}

/// Nothing is acknowledged while the database is away, and that shows as age.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_database_shows_as_lag() {
    let mut postgres = neighbours::Postgres::start(neighbours::postgres::Options::default()).await.expect("postgresql");
    let world = World::with(neighbours::nats::Options::default(), &postgres).await;
    let (running, stop) = world.serve().await;
    world.until_bound().await;
    postgres.stop().await.expect("stopped");
    world.publish_numbered(0..3).await;
    let begun = std::time::Instant::now();
    while value(&scrape(running.admin).await, "agentcomms_ingest_lag_seconds") < 1.0 {
        assert!(begun.elapsed() < crate::world::DEADLINE, "no lag is told");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    postgres.start_again().await.expect("started again");
    while value(&scrape(running.admin).await, "agentcomms_ingest_lag_seconds") > 0.0 {
        assert!(begun.elapsed() < 2 * crate::world::DEADLINE, "the lag stays");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    stop.cancel();
    running.wait().await.expect("stopped");
}
