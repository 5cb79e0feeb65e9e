use super::*;

#[test]
fn answers_are_put_together_and_messages_kept_as_they_came() {
    let mut history = History::default();
    let message = |number: u128| {
        let id = Uuid::from_u128(number);
        format!(r#"{{"id":"{id}","workflow_namespace":"de\u006do","content":"n{number}","seq":null}}"#)
    };
    for (first, more) in [(1, true), (3, false)] {
        let answer =
            format!(r#"{{"messages":[{},{}],"as_of":"1.9","more":{more},"behind":true}}"#, message(first), message(first + 1));
        history.add(&answer.into()).unwrap();
    }
    assert_eq!((history.as_of.as_deref(), history.more, history.behind), (Some("1.9"), false, true));
    let ids: Vec<u128> = history.messages.iter().map(|told| told.id.as_u128()).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    assert_eq!(history.messages[0].namespace, "demo");
    assert_eq!(history.messages[2].json, message(3));
}

#[test]
fn what_is_no_answer_is_told() {
    let check = |payload: &str, expected: NoHistory| {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        assert_eq!(History::default().add(&payload), Err(expected), "{payload:?}");
    };
    check(r#"{"error":"busy"}"#, NoHistory::Refused("busy".to_owned()));
    check("nonsense", NoHistory::Unreadable);
    check(r#"{"messages":[{"id":"1"}]}"#, NoHistory::Unreadable);
}
