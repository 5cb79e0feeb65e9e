use std::path::Path;
use std::time::{Duration, Instant};

use records::Counts;
use uuid::Uuid;

use super::{Metrics, Oldest, page};

#[test]
fn the_page_of_metrics_is_what_the_program_registers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sidecar-metrics.md");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if written != page() {
        std::fs::write(&path, page()).unwrap();
        panic!("{} was out of date and is written anew; look at it and commit it", path.display());
    }
}

#[test]
fn what_was_read_is_counted_up_and_never_down() {
    let metrics = Metrics::default();
    let exposition = metrics.register();
    let counts = |parse_errors: u64, secrets: u64| Counts {
        parse_errors,
        redactions: [("jwt".to_owned(), secrets)].into(),
        ..Counts::default()
    };
    metrics.seen.set(&counts(3, 1));
    metrics.seen.set(&counts(5, 2));
    metrics.seen.set(&counts(4, 2));
    let text = exposition.render();
    assert!(text.contains("agentcomms_sidecar_parse_errors_total 5\n"), "{text}");
    assert!(text.contains("agentcomms_sidecar_redactions_total{pattern=\"jwt\"} 2\n"), "{text}");
}

#[test]
fn a_message_ages_from_when_it_is_the_oldest() {
    let (mut oldest, start) = (Oldest::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    let ages: Vec<u64> = [(None, 0), (Some(1), 1), (Some(1), 4), (Some(2), 5), (Some(2), 7), (None, 9)]
        .into_iter()
        .map(|(id, seconds)| oldest.age(id.map(Uuid::from_u128), at(seconds)).as_secs())
        .collect();
    assert_eq!(ages, [0, 0, 3, 0, 2, 0]);
}
