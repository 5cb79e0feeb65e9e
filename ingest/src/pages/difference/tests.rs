use serde_json::json;

use super::{change, is_one, of_arguments, render};

#[track_caller]
fn check(text: &str, expected: &str) {
    let html = render(text).into_string();
    let letters: String = text
        .split_inclusive('\n')
        .map(|line| {
            let line = line.trim_end();
            let written = |name: &str| html.contains(&format!("<{name}>{line}\n</"));
            match (written("ins"), written("del"), html.contains(&format!("<span class=\"place\">{line}\n<"))) {
                (true, ..) => '+',
                (_, true, _) => '-',
                (_, _, true) => '@',
                _ => ' ',
            }
        })
        .collect();
    assert_eq!(letters, expected, "{html}");
}

#[test]
fn lines_are_told_apart() {
    check(
        "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@ fn\n a\n-b\n+c\n d\nend of it\n",
        "@@@@@ -+  ",
    );
    // What is removed may look like the head of a file.
    check("@@ -1,2 +1,1 @@\n--- old\n same\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-e\n+f\n", "@- @@@-+");
    check("*** Begin Patch\n*** Add File: x\n+new\n*** Update File: y\n@@\n-old\n+text\n*** End Patch\n", "@@+@@-+@");
}

#[test]
fn other_output_is_none() {
    for text in ["", "- a list\n- of two", "--- a rule\n+ 1", "+1 -1", "12 @@ 4"] {
        assert!(!is_one(text), "{text}");
        assert_eq!(change(text), None, "{text}");
    }
}

#[test]
fn changed_lines_are_counted() {
    let counted = change("@@ -1,2 +1,3 @@\n-a\n+b\n+c\n d\n").unwrap();
    assert_eq!(counted.to_string(), "+2 −1");
    assert_eq!(change("@@ -1,1 +1,1 @@\n same\n"), None);
}

#[test]
fn what_a_tool_is_told_to_change_is_a_difference() {
    let told = |arguments| of_arguments(&arguments);
    let edit = json!({"path": "x", "old_string": "a\nb\nc", "new_string": "a\nB\nB\nc", "replace_all": true});
    assert_eq!(told(edit).unwrap(), "@@ path: x\n@@ replace_all: true\n a\n-b\n+B\n+B\n c\n");
    assert_eq!(told(json!({"old_string": "", "new_string": "a"})).unwrap(), "@@ \n+a\n");
    let edits = json!({"path": "x", "edits": [{"old_string": "a", "new_string": "b"}, {"old_string": "c\n", "new_string": ""}]});
    assert_eq!(told(edits).unwrap(), "@@ path: x\n@@ \n-a\n+b\n@@ \n-c\n");
    let patch = "*** Begin Patch\n*** Add File: x\n+y\n*** End Patch";
    assert_eq!(told(json!(patch)).unwrap(), patch);
    assert_eq!(
        told(json!({"command": ["apply_patch", patch], "workdir": "/w"})).unwrap(),
        format!("@@ workdir: /w\napply_patch\n{patch}")
    );
    for other in [json!({"command": "ls"}), json!(["ls"]), json!({"old_string": "a"}), json!({"edits": ["a"]}), json!(null)] {
        assert_eq!(told(other.clone()), None, "{other}");
    }
}

#[test]
fn nothing_of_a_difference_becomes_markup() {
    let html = render("@@ <b>\n+<script>\n-<i>\n <u>\n").into_string();
    assert!(["<b>", "<script>", "<i>", "<u>"].iter().all(|tag| !html.contains(tag)), "{html}");
}
