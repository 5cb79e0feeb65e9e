use serde_json::json;

use super::*;

#[test]
fn rules_and_patterns_that_cannot_be_used_are_told_and_left_out() {
    let annotated =
        |name: &str, value: &str| json!({ "metadata": { "annotations": { format!("{ANNOTATION_PREFIX}{name}"): value } } });
    let told = |name: &str, value: &str| {
        let (overrides, notes) = read(Pod(&annotated(name, value)));
        (overrides.rules.is_some() || overrides.redact.is_some(), format!("{notes:?}"))
    };
    let (used, notes) = told("rules", "[lines]\nstart = '('\n");
    assert!(!used && notes.contains("line 2: the pattern `(` cannot be used"), "{notes}");
    assert!(told("rules", "[lines]\nstart = '^\\S'\n").0);
    let (used, notes) = told("redact", "(");
    assert!(!used && notes.contains("cannot be used"), "{notes}");
    assert!(told("redact", "TICKET-\\d+").0);
}
