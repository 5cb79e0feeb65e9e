//! How long the handler takes for reviews of several sizes: from a body in memory to an answer in memory, all of it.
//!
//! `cargo xtask bench injector` runs it; alone it prints one line of JSON with, for each size, the median and the 99th percentile in
//! microseconds and the reviews a second.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark that cannot run says so by ending")]

use std::time::{Duration, Instant};

use clap::Parser as _;
use futures_util::FutureExt as _;
use injector::cli::{Cli, Command};
use injector::metrics::Metrics;
use injector::server::Webhook;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A pod of an Argo workflow, as a real API server sent it, 11 KB; and one of a Job, 3 KB.
const ARGO: &str = include_str!("../tests/fixtures/argo-container.json");
const JOB: &str = include_str!("../tests/fixtures/native-job.json");
const SIZES: [(&str, usize); 3] = [(JOB, 5_000), (ARGO, 50_000), (ARGO, 500_000)];
const WARM_UP: Duration = Duration::from_millis(200);
const TIME: Duration = Duration::from_secs(2);

fn main() {
    let Command::Serve(arguments) = Cli::parse_from(["injector", "serve"]).command else { return };
    let options = arguments.pods.options().expect("the defaults are settings");
    let webhook = Webhook { options, metrics: Metrics::register(&mut Registry::default()), owners: None, events: None };
    let sizes: Vec<Value> = SIZES.iter().map(|(fixture, size)| measure(&webhook, &body_of(fixture, *size))).collect();
    println!("{}", Value::Array(sizes));
}

/// The review, with variables in its first container until it has the size.
fn body_of(fixture: &str, size: usize) -> Vec<u8> {
    let mut review: Value = serde_json::from_str(fixture).expect("the fixture is JSON");
    let missing = size.saturating_sub(review.to_string().len());
    let container = &mut review["request"]["object"]["spec"]["containers"][0];
    let mut variables = container["env"].as_array().cloned().unwrap_or_default();
    let variable = |number: usize| json!({ "name": format!("VARIABLE_{number:05}"), "value": "a value of the usual length" });
    let count = missing / (variable(0).to_string().len() + 1);
    variables.extend((0..count).map(variable));
    container["env"] = Value::Array(variables);
    review.to_string().into_bytes()
}

fn measure(webhook: &Webhook, body: &[u8]) -> Value {
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < WARM_UP + TIME {
        let one = Instant::now();
        let answer = webhook.answer(std::hint::black_box(body)).now_or_never().expect("without owners nothing is waited for");
        std::hint::black_box(answer);
        if start.elapsed() > WARM_UP {
            times.push(one.elapsed());
        }
    }
    times.sort_unstable();
    let at = |hundredths: usize| times[(times.len() * hundredths / 100).min(times.len() - 1)].as_secs_f64() * 1e6;
    let total: Duration = times.iter().sum();
    let count = u32::try_from(times.len()).expect("fewer than 4 billion reviews were measured");
    json!({ "bytes": body.len(), "p50_us": at(50), "p99_us": at(99), "per_second": f64::from(count) / total.as_secs_f64() })
}
