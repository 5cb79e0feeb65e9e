use crate::parse::tests::{drafts, said};

#[test]
fn a_process_that_uses_ids_again_opens_calls_of_its_own() {
    let started = r#"{"type":"item.started","item":{"id":"item_0","type":"command_execution","command":"ls"}}"#;
    let completed = r#"{"type":"item.completed","item":{"id":"item_0","type":"command_execution","command":"ls","aggregated_output":"a\n","exit_code":0,"status":"completed"}}"#;
    let thread = r#"{"type":"thread.started","thread_id":"t"}"#;
    let made = drafts(&[thread, started, thread, completed, started, completed]);
    let tool = |index: usize| made[index].tool.as_ref().unwrap();
    let offset = |lines: usize| [thread, started, thread, completed][..lines].iter().map(|line| line.len() + 1).sum::<usize>();
    assert_eq!(tool(1).call_id(), Some(format!("item_0@{}", offset(1)).as_str()));
    assert_eq!(tool(3).call_id(), Some(format!("item_0@{}", offset(3)).as_str()), "the first process's call never ends");
    assert_eq!(tool(3).arguments().unwrap()["command"], "ls", "a result without its call says what was called");
    assert_eq!(tool(4).call_id(), tool(5).call_id());
    assert_eq!((tool(5).duration_ms(), tool(5).arguments()), (Some(1000.0), None));
}

#[test]
fn sub_agents_are_tools() {
    let made = drafts(&[
        r#"{"type":"item.started","item":{"id":"i","type":"collab_tool_call","tool":"spawn_agent","sender_thread_id":"a","receiver_thread_ids":[],"prompt":"look","agents_states":{},"status":"in_progress"}}"#,
        r#"{"type":"item.completed","item":{"id":"i","type":"collab_tool_call","tool":"spawn_agent","sender_thread_id":"a","receiver_thread_ids":["b"],"prompt":"look","agents_states":{"b":{"status":"pending_init"}},"status":"completed"}}"#,
    ]);
    let tool = |index: usize| made[index].tool.as_ref().unwrap();
    assert_eq!((tool(0).name(), &tool(0).arguments().unwrap()["prompt"]), (Some("spawn_agent"), &"look".into()));
    assert_eq!(tool(1).output().unwrap()["b"]["status"], "pending_init");
    assert_eq!(made[1].attrs["sender_thread_id"], "a");
}

#[test]
fn a_warning_does_not_fail_the_turn_and_needs_codex_to_be_known() {
    let error = r#"{"type":"error","message":"Reconnecting... 1/1"}"#;
    let made = drafts(&[error, r#"{"type":"turn.started"}"#, error]);
    assert_eq!(said(&made), [("log", "Reconnecting... 1/1"), ("status", "turn started"), ("status", "Reconnecting... 1/1")]);
    assert_eq!(made[2].attrs["level"], "warning");
}

#[test]
fn fields_that_are_new_are_kept() {
    let made =
        drafts(&[r#"{"type":"item.completed","item":{"id":"i","type":"agent_message","text":"t","phase":"final"},"n":1}"#]);
    assert_eq!((&made[0].attrs["phase"], &made[0].attrs["n"]), (&"final".into(), &1.into()));
}
