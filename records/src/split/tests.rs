use serde_json::json;

use super::*;

/// The pieces of a field, joined.
fn joined(drafts: &[Draft], field: &str) -> String {
    let of_field = drafts.iter().filter(|draft| draft.attrs["split"]["field"] == field);
    let text = |draft: &Draft| match (field, &draft.tool) {
        ("tool.output", Some(tool)) => tool.output().unwrap().as_str().unwrap().to_owned(),
        _ => draft.content.clone().unwrap(),
    };
    of_field.map(text).collect()
}

#[track_caller]
fn check_sizes(drafts: &[Draft]) {
    for (index, draft) in drafts.iter().enumerate() {
        assert!(draft_size(draft) <= MESSAGE_LIMIT - ENVELOPE_LIMIT, "piece {index} has {} bytes", draft_size(draft));
        assert_eq!(draft.attrs["split"]["index"], index);
        assert_eq!(draft.attrs["split"]["count"], drafts.len());
    }
}

#[test]
fn a_small_message_is_left_alone() {
    let draft = Draft::new("message", "x".repeat(1000));
    assert!(!is_too_large(&draft));
}

#[test]
fn long_content_is_split_between_characters() {
    let content = "é\"\u{1}\n".repeat(300_000);
    let drafts = split(Draft::new("message", content.as_str()).with_attr("a", 1));
    check_sizes(&drafts);
    assert_eq!(joined(&drafts, "content"), content);
    assert_eq!((drafts[0].attrs.get("a"), drafts[1].attrs.get("a")), (Some(&json!(1)), None));
}

#[test]
fn long_output_is_split_and_each_piece_knows_its_call() {
    let output = "line of output\n".repeat(100_000);
    let tool = Tool::default().with("call_id", "c1").with("name", "shell").with("status", "ok").with("output", output.as_str());
    let drafts = split(Draft { tool: Some(tool), ..Draft::new("tool_result", "") });
    check_sizes(&drafts);
    assert_eq!(joined(&drafts, "tool.output"), output);
    assert!(drafts.iter().all(|draft| draft.tool.as_ref().unwrap().call_id() == Some("c1")));
    assert_eq!(drafts[0].tool.as_ref().unwrap().status(), Some("ok"));
}

#[test]
fn what_is_neither_content_nor_output_is_split_as_its_json_text() {
    let items: Vec<_> = (0..200_000).collect();
    let drafts = split(Draft::new("message", "short").with_attr("items", items.clone()).with_attr("other", 1));
    check_sizes(&drafts);
    assert_eq!(joined(&drafts, "attrs.items"), json!(items).to_string());
    assert_eq!(drafts[0].attrs["other"], 1);
}
