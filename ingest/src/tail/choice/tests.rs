use serde_json::json;

use super::latest;

#[test]
fn a_name_is_its_latest_run_in_one_namespace() {
    let run = |namespace: &str, name: &str, uid: &str| json!({ "workflow_namespace": namespace, "workflow_name": name, "workflow_uid": uid });
    let list = json!({ "runs": [run("a", "nightly-2", "u9"), run("a", "nightly", "u2"), run("a", "nightly", "u1")] });
    assert_eq!(latest(&list, "nightly").unwrap().as_deref(), Some("u2"));
    assert_eq!(latest(&list, "night").unwrap(), None);
    let list = json!({ "runs": [run("a", "nightly", "unknown")] });
    assert_eq!(latest(&list, "nightly").unwrap().as_deref(), Some("nightly"));
    let list = json!({ "runs": [run("b", "nightly", "u3"), run("a", "nightly", "u2")] });
    let error = latest(&list, "nightly").unwrap_err().to_string();
    assert_eq!(error, "runs of several namespaces are known by `nightly`: a, b; name one with --namespace");
}
