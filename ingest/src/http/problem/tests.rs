use hyper::StatusCode;
use serde_json::{Value, json};

use super::Problem;

#[test]
fn a_problem_speaks_to_new_and_old_readers() {
    let problem = Problem::bad_request("`limit` is `x`, no number").with("parameter", "limit");
    let document: Value = serde_json::from_slice(&problem.body()).unwrap();
    let expected = json!({
        "type": "about:blank", "title": "Bad Request", "status": 400,
        "detail": "`limit` is `x`, no number", "ok": false, "error": "`limit` is `x`, no number",
        "parameter": "limit",
    });
    assert_eq!(document, expected);
}

#[test]
fn what_is_missing_is_not_found() {
    assert_eq!(Problem::not_found("no run `x`").status, StatusCode::NOT_FOUND);
}
