use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::offline::document::parse;

/// What comes of a text when its value is changed.
#[track_caller]
fn check(before: &str, change: impl FnOnce(&mut Value), expected: &str) {
    let manifest = parse("test", before).unwrap();
    let mut value = manifest.documents[0].value.clone();
    change(&mut value);
    let (text, is_kept) = manifest.documents[0].changed(&value);
    assert!(is_kept, "{text}");
    assert_eq!(text, expected);
}

#[test]
fn comments_order_and_style_are_kept() {
    check(
        "# top\nb: 1 # one\nlist: # all\n- name: x # first\n  v: 'q'\n# between\n- {name: y, v: 2}\na: |\n  text\n# end\n",
        |value| {
            value["list"].as_array_mut().unwrap().insert(1, json!({"name": "z"}));
            value["list"][0]["w"] = json!([1]);
            value["b"] = json!(2);
        },
        "# top\nb: 2 # one\nlist: # all\n- name: x # first\n  v: 'q'\n  w:\n    - 1\n# between\n- name: z\n- {name: y, v: 2}\na: |\n  text\n# end\n",
    );
}

#[test]
fn a_list_in_a_list_is_changed_where_it_is() {
    check(
        "steps:\n- - name: a # one\n    v: [1, 2]\n  - name: b\n",
        |value| value["steps"][0][0]["w"] = json!(true),
        "steps:\n- - name: a # one\n    v: [1, 2]\n    w: true\n  - name: b\n",
    );
}

#[test]
fn what_an_alias_says_changes_in_one_place_alone() {
    let text = "base: &base\n  image: x\nuses:\n- *base\n- name: own\n";
    let manifest = parse("test", text).unwrap();
    let mut value = manifest.documents[0].value.clone();
    value["uses"][0]["image"] = json!("y");
    let (changed, _) = manifest.documents[0].changed(&value);
    assert_eq!(parse("test", &changed).unwrap().documents[0].value, value, "{changed}");
}

fn objects() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![any::<bool>().prop_map(Value::from), "[a-z ]{0,6}".prop_map(Value::from), Just(Value::Null)];
    let inner = leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("(name|a|b|c)", inner), 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    });
    prop::collection::vec(("[a-e]", inner), 1..5).prop_map(|entries| Value::Object(entries.into_iter().collect()))
}

proptest! {
    #[test]
    fn whatever_changes_the_text_says_it(before in objects(), after in objects()) {
        let manifest = parse("test", &yaml::block(&before)).map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
        let (text, _) = manifest.documents[0].changed(&after);
        let read = parse("test", &text).map_err(|error| TestCaseError::fail(format!("{error:#}: {text}")))?;
        prop_assert_eq!(&read.documents[0].value, &after, "{}", text);
    }
}
