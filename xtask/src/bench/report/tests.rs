use super::{Bar, Row, median, percentile};

#[track_caller]
fn check(figures: &[(f64, f64)]) {
    for (figure, expected) in figures {
        assert!((figure - expected).abs() < 1e-9, "{figure}, not {expected}");
    }
}

#[test]
fn a_median_is_the_middle_or_the_mean_of_the_two_in_the_middle() {
    check(&[(median(&[3.0, 1.0, 2.0]), 2.0), (median(&[4.0, 1.0, 2.0, 3.0]), 2.5)]);
    assert!(median(&[]).is_nan());
}

#[test]
fn a_percentile_is_a_value_that_was_measured() {
    let values: Vec<f64> = (1..=200).map(f64::from).collect();
    check(&[(percentile(&values, 50), 100.0), (percentile(&values, 99), 198.0), (percentile(&values, 100), 200.0)]);
}

#[test]
fn a_ratio_is_taken_within_a_round_and_decides() {
    let mut row = Row::new("throughput-256", "lines/s", Bar::Ratio(0.8));
    // The second round was disturbed, for both.
    for (value, bare) in [(90.0, 100.0), (9.0, 10.0), (95.0, 100.0)] {
        row.value(value);
        row.bare(bare);
    }
    let json = row.to_json();
    assert_eq!((&json["ratio"], &json["value"], &json["bare"]), (&0.9.into(), &90.0.into(), &100.0.into()));
    assert_eq!((&json["bar"], &json["holds"]), (&">= 0.8 x bare".into(), &true.into()));
    let mut row = Row::new("exit-idle", "ms", Bar::Below(100.0));
    row.value(100.0);
    let json = row.to_json();
    assert_eq!((&json["ratio"], &json["holds"]), (&serde_json::Value::Null, &false.into()));
}
