use proptest::prelude::*;
use serde_json::{Map, Value};
use time::macros::datetime;

use super::*;
use crate::{Kind, Received, Role, RunIdentity, Timestamp, Tool, decode, id};

fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.-]{1,20}", "\\PC{1,20}"]
        .prop_filter("these words say nothing", |text| !matches!(text.as_str(), "unknown" | "run"))
}

prop_compose! {
    fn messages()(
        (namespace, name, uid) in (texts(), texts(), texts()),
        (run_id, step_id, pod, container, stage) in (proptest::option::of(texts()), proptest::option::of(texts()),
            proptest::option::of(texts()), proptest::option::of(texts()), proptest::option::of(texts())),
        (agent_id, kind) in (texts(), "[a-z_-]{1,20}"),
        role in proptest::sample::select(vec![Role::System, Role::User, Role::Assistant, Role::Tool]),
        (micros, seq, attempt) in (0_i64..4_000_000_000_000_000, proptest::option::of(any::<u64>()), proptest::option::of(any::<u32>())),
        (general, content) in (any::<bool>(), any::<String>()),
        tool in proptest::option::of(any::<i64>()),
        key in "x_[a-z]{1,5}",
    ) -> Message {
        let source = Source { pod_uid: "p".into(), label: "l".into(), generation: 1, start: 2, end: 3, part: 4 };
        Message {
            id: id::of_bytes(&source, content.as_bytes()),
            run: RunIdentity { namespace, name, uid },
            run_id, step_id, pod, container, attempt,
            source: Some(source),
            agent_id, role, stage,
            kind: Kind::new(&kind).unwrap(),
            timestamp: Timestamp::from_unix_micros(micros).unwrap(),
            seq,
            channel: general.then(|| crate::GENERAL_CHANNEL.to_owned()),
            content: Some(content).filter(|text| !text.is_empty()).or(Some("c".to_owned())),
            tool: tool.map(|number| Tool::default().with("name", "bash").with("call_id", number.to_string())),
            attrs: Map::from_iter([(key, Value::from(micros))]),
            runtime: Some("native".to_owned()),
        }
    }
}

proptest! {
    #[test]
    fn a_template_serves_whatever_else_the_same_source_says(first in messages(), second in messages()) {
        let source = second.source.clone().map(|source| Source { start: 20, end: 30, part: 0, ..source });
        let Message { run, run_id, step_id, pod, container, attempt, .. } = first.clone();
        let message = Message { run, run_id, step_id, pod, container, attempt, source, ..second };
        let mut body = b"[".to_vec();
        BodyTemplate::of(&first).write(&message, &mut body);
        prop_assert_eq!(&body[1..], to_json(&message));
    }

    #[test]
    fn what_is_published_is_read_back_whole(message in messages()) {
        let (subject, payload) = (subject(&message), to_json(&message));
        let stored_at = datetime!(2026-11-23 10:00 UTC);
        prop_assert!(crate::body::Body::read_plain(&payload).is_some(), "it takes the short way");
        let decoded = decode(&Received { subject: &subject, payload: &payload, stored_at, sequence: 1 });
        prop_assert!(decoded.is_ok(), "{:?}", decoded);
        prop_assert_eq!(decoded.unwrap().message, message);
    }
}

fn message_of(source: Source) -> Message {
    Message {
        id: id::of_bytes(&source, b""),
        run: RunIdentity { namespace: "n".to_owned(), name: "w".to_owned(), uid: "u".to_owned() },
        run_id: None,
        step_id: None,
        pod: None,
        container: None,
        attempt: None,
        source: Some(source),
        agent_id: "a".to_owned(),
        role: Role::Assistant,
        stage: None,
        kind: Kind::message(),
        timestamp: Timestamp::from_unix_micros(0).unwrap(),
        seq: None,
        channel: None,
        content: None,
        tool: None,
        attrs: Map::new(),
        runtime: None,
    }
}

#[test]
fn a_source_is_written_as_the_table_holds_it_and_texts_are_escaped() {
    let source =
        Source { pod_uid: "p\"".into(), label: "l\\\n\u{7f}é".into(), generation: 0, start: 10, end: u64::MAX, part: 7 };
    let written: Value = serde_json::from_slice(&to_json(&message_of(source.clone()))).unwrap();
    assert_eq!(written["source"], serde_json::to_value(WireSource::from(&source)).unwrap());
}
