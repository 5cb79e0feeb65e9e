use proptest::prelude::*;
use serde_json::json;

use super::*;

fn values() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[ -~]{0,12}", "(yes|No|on|null|~|0o17|1_0|1e3|-|---|\\.\\.\\.|a: b|a #b|\\*a|&a|!t)", "(.|\n){0,20}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..5).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_as_it_was(value in values()) {
        let text = block(&value);
        let read: Value = serde_saphyr::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        prop_assert_eq!(read, value, "{}", text);
    }
}

#[test]
fn it_looks_as_people_write_it() {
    let value = json!({"a": [{"name": "x", "list": ["on", "plain", "two words"]}], "b": {}, "script": "one\ntwo\n", "count": 1});
    let text = "a:\n- name: x\n  list:\n  - \"on\"\n  - plain\n  - \"two words\"\nb: {}\nscript: |\n  one\n  two\ncount: 1\n";
    assert_eq!(block(&value), text);
}
