//! How long the handler takes for reviews: from a body in memory to an answer in memory, all of it.
//!
//! `cargo xtask bench injector` runs it. Each argument is a file with a review; it prints one line of JSON with, for each, the median and
//! the 99th percentile in microseconds and the reviews a second.
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

const WARM_UP: Duration = Duration::from_millis(200);
const TIME: Duration = Duration::from_secs(2);

fn main() {
    let Command::Serve(arguments) = Cli::parse_from(["injector", "serve"]).command else { return };
    let options = arguments.pods.options().expect("the defaults are settings");
    let webhook = Webhook { options, metrics: Metrics::register(&mut Registry::default()), owners: None, events: None };
    // Cargo adds a flag of its own.
    let files = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let bodies = files.map(|file| std::fs::read(&file).expect("the arguments are files with a review each"));
    let figures: Vec<Value> = bodies.map(|body| measure(&webhook, &body)).collect();
    println!("{}", Value::Array(figures));
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
