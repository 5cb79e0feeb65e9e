use serde_json::json;

use super::*;

#[test]
fn the_built_in_manifest_has_the_stream_and_its_consumer() {
    let manifest = Manifest::parse(BUILT_IN).expect("readable");
    let [stream] = &manifest.streams[..] else { panic!("one stream") };
    assert_eq!(stream.name, crate::consume::STREAM);
    assert_eq!(stream.max_age, Duration::from_secs(168 * 3600));
    assert_eq!(stream.duplicate_window, Duration::from_secs(600));
    let [(name, consumer)] = &manifest.consumers[..] else { panic!("one consumer") };
    assert_eq!(name, crate::consume::STREAM);
    assert_eq!(consumer.durable_name.as_deref(), Some(crate::consume::DURABLE));
    assert_eq!((consumer.max_deliver, consumer.max_ack_pending), (-1, 5_000));
    assert_eq!(consumer.ack_wait, Duration::from_secs(60));
}

#[test]
fn a_setting_that_is_not_known_is_an_error() {
    let text = BUILT_IN.replace("allowDirect: true", "allowDirekt: true");
    let error = Manifest::parse(&text).expect_err("unknown setting");
    assert!(format!("{error:#}").contains("allowDirekt"), "{error:#}");
}

#[track_caller]
fn check(wanted: &Value, found: &Value, expected: &[&str]) {
    let outcome = compare(wanted, found);
    let differences = if let Outcome::Differs(differences) = &outcome { &differences[..] } else { &[] };
    let text = as_text(&Resource { stream: "s", consumer: None }, &outcome, differences);
    let lines: Vec<&str> = text.lines().skip(1).map(str::trim_start).collect();
    assert_eq!(lines, expected);
}

#[test]
fn only_what_is_wanted_and_is_not_so_differs() {
    check(&json!({"a": 1}), &json!({"a": 1, "metadata": {"x": "y"}}), &[]);
    check(&json!({"subjects": ["a", "b"]}), &json!({"subjects": ["b", "a"]}), &[]);
    check(&json!({"flag": false, "limit": 0}), &json!({}), &[]);
    check(&json!({"a": 1}), &json!({"a": 2}), &["a: is 2, should be 1"]);
    check(&json!({"a": 1}), &json!({}), &["a: is null, should be 1"]);
}

#[test]
fn durations_are_read_as_go_writes_them() {
    assert_eq!(duration::parse("1h30m"), Some(Duration::from_secs(5_400)));
    assert_eq!(duration::parse("500ms"), Some(Duration::from_millis(500)));
    for wrong in ["", "h", "5", "1.5h", "3 s", "-1s"] {
        assert_eq!(duration::parse(wrong), None, "{wrong:?}");
    }
}
