use message::Received;
use serde_json::json;
use time::OffsetDateTime;

use super::*;

fn stored(body: &Value) -> StoredMessage {
    let payload = body.to_string();
    let received = Received {
        subject: "workflow.general.message.demo.build.u1.agent.a",
        payload: payload.as_bytes(),
        stored_at: OffsetDateTime::UNIX_EPOCH,
        sequence: 7,
    };
    StoredMessage::decode(1, &received).unwrap()
}

fn found(lengths: &[usize]) -> Found {
    let event = |length: &usize| Bytes::from(format!("\"{}\"", "x".repeat(length - 2)));
    Found { events: lengths.iter().map(event).collect(), as_of: "1.7".parse().unwrap(), ..Found::default() }
}

/// The lengths of the messages in each answer.
fn packed(lengths: &[usize], limit: usize) -> Vec<Vec<usize>> {
    let answers = pack(&found(lengths), true, limit);
    let read = |answer: &Bytes| {
        assert!(answer.len() <= limit, "{} bytes", answer.len());
        let answer: Value = serde_json::from_slice(answer).unwrap();
        let told = [&answer["as_of"], &answer["more"], &answer["behind"]];
        assert_eq!(told, [&json!("1.7"), &json!(false), &json!(true)]);
        answer["messages"].as_array().unwrap().iter().map(|event| event.as_str().unwrap().len() + 2).collect()
    };
    answers.iter().map(read).collect()
}

#[test]
fn answers_hold_as_many_messages_as_fit_and_there_is_always_one() {
    assert_eq!(packed(&[], 500), [Vec::<usize>::new()]);
    assert_eq!(packed(&[100, 100], 500), [vec![100, 100]]);
    assert_eq!(packed(&[300, 300, 50, 400], 500), [vec![300], vec![300, 50], vec![400]]);
}

#[test]
fn a_message_is_told_as_everywhere_else_when_it_fits() {
    let message = stored(&json!({ "content": "hello", "attrs": { "n": 1 } }));
    assert_eq!(event_within(&message, 4_096), event::data(&message));
}

#[test]
fn a_message_that_is_longer_than_an_answer_is_shortened_and_says_so() {
    let limit = 512 * 1024 - FRAME;
    // Escaped, a control character is six bytes; nothing but its length shortens an attribute.
    let cases = [
        json!({ "content": "\u{1}".repeat(200_000) }),
        json!({ "content": "short", "attrs": { "small": 1, "large": "x".repeat(700_000) } }),
        json!({ "content": "short", "tool": { "name": "bash", "arguments": { "script": "y".repeat(700_000) } } }),
    ];
    for case in &cases {
        let message = stored(case);
        assert!(event::data(&message).len() > limit);
        let event = event_within(&message, limit);
        assert!(event.len() <= limit, "{} bytes", event.len());
        let event: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(event["truncated"], json!(true));
        let length = case["content"].as_str().unwrap().len();
        assert_eq!(event["content_bytes"], json!(length));
        assert_eq!(event["id"], json!(message.message.id.to_string()));
    }
    let shortened: Value = serde_json::from_slice(&event_within(&stored(&cases[1]), limit)).unwrap();
    assert_eq!(shortened["attrs"]["small"], json!(1));
    let shortened: Value = serde_json::from_slice(&event_within(&stored(&cases[2]), limit)).unwrap();
    assert_eq!(shortened["tool"], json!({ "name": "bash" }));
}
