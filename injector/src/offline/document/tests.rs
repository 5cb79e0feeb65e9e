use serde_json::json;

use super::*;

#[test]
fn documents_stand_as_they_were() {
    let text = "# before\n---\na: 1\n---   # mark\nb: |\n  ---\n  text\n---\n# nothing\n";
    let manifest = parse("test", text).unwrap();
    let values: Vec<&Value> = manifest.documents.iter().map(|document| &document.value).collect();
    assert_eq!(values, [&Value::Null, &json!({"a": 1}), &json!({"b": "---\ntext\n"}), &Value::Null]);
    let again: String = manifest.documents.iter().map(|document| document.text.as_str()).collect();
    assert_eq!(again, text);
}

#[test]
fn json_is_told_from_yaml() {
    assert!(parse("test", "{\"a\": 1}\n{\"b\": 2}\n").unwrap().is_json);
    assert!(!parse("test", "{a: 1}\n").unwrap().is_json);
}

#[test]
fn numbers_and_words_mean_what_they_mean_to_kubernetes() {
    let manifest = parse("test", "mode: 0644\nflag: off\nhex: 0x1F\nplain: 10\ntext: '0644'\n").unwrap();
    assert_eq!(manifest.documents[0].value, json!({"mode": 420, "flag": false, "hex": 31, "plain": 10, "text": "0644"}));
}

#[test]
fn what_is_neither_says_where() {
    let error = format!("{:#}", parse("pod.yaml", "a: 1\n b: [\n").unwrap_err());
    assert!(error.contains("pod.yaml") && error.contains("line 2"), "{error}");
}
