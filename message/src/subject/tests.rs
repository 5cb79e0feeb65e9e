use proptest::prelude::*;

use super::*;

fn run(namespace: &str, name: &str, uid: &str) -> RunIdentity {
    RunIdentity { namespace: namespace.into(), name: name.into(), uid: uid.into() }
}

fn identity(tokens: RunTokens<'_>) -> RunIdentity {
    run(&tokens.namespace.text(), &tokens.name.text(), &tokens.uid.text())
}

#[test]
fn the_three_forms_are_read() {
    let subject = Subject::parse("workflow.demo.fix-bug.u1.agent.coder.tool_call").unwrap();
    assert_eq!(subject.run().map(identity), Some(run("demo", "fix-bug", "u1")));
    assert_eq!((subject.agent(), subject.kind.as_str(), subject.is_general()), (Some("coder"), "tool_call", false));

    let subject = Subject::parse("workflow.general.status.demo.fix-bug.u1.agent.coder").unwrap();
    assert_eq!(subject.run().map(identity), Some(run("demo", "fix-bug", "u1")));
    assert_eq!((subject.agent(), subject.kind.as_str(), subject.is_general()), (Some("coder"), "status", true));

    let subject = Subject::parse("workflow.general.status").unwrap();
    assert_eq!((subject.run(), subject.agent(), subject.is_general()), (None, None, true));
}

#[test]
fn older_prefixes_tell_the_runtime() {
    for (prefix, runtime) in PREFIXES {
        let text = format!("{prefix}ns.wf.uid.agent.a.log");
        let subject = Subject::parse(&text).unwrap();
        assert_eq!(subject.runtime, runtime, "{text}");
        assert_eq!(subject.run().map(identity), Some(run("ns", "wf", "uid")));
    }
}

#[test]
fn an_agent_with_dots_is_read_whole() {
    let subject = Subject::parse("workflow.ns.wf.uid.agent.gpt-5.1.codex.message").unwrap();
    assert_eq!((subject.agent(), subject.kind.as_str()), (Some("gpt-5.1.codex"), "message"));
}

#[test]
fn a_namespace_called_general_is_no_channel() {
    let text = of_run(&run("general", "wf", "uid"), "a", "log");
    assert_eq!(text, "workflow.%67eneral.wf.uid.agent.a.log");
    assert!(!Subject::parse(&text).unwrap().is_general());
}

#[test]
fn what_has_no_form_is_nothing() {
    for text in [
        "",
        "workflow",
        "workflow.",
        "workflow.a.b.c.d",
        "workflow.a.b.c.agent.x",
        "workflow..b.c.agent.x.y",
        "other.a.b.c.agent.x.y",
    ] {
        assert_eq!(Subject::parse(text), None, "{text}");
    }
    assert_eq!(Subject::parse("workflow.general.a.b.c"), None);
}

#[test]
fn a_token_agrees_with_its_name_and_with_nothing_else() {
    let long = "n".repeat(400);
    let text = of_run(&run("ns", &long, "unknown"), "a", "log");
    let tokens = Subject::parse(&text).unwrap().run().unwrap();
    assert!(tokens.name.agrees_with(&long));
    assert!(!tokens.name.agrees_with(&"n".repeat(401)));
    assert!(tokens.uid.agrees_with("anything"), "unknown names nothing");
    assert!(tokens.namespace.agrees_with("") && tokens.namespace.agrees_with("unknown"));
    assert!(!tokens.namespace.agrees_with("other"));
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9.-]{0,40}", "\\PC{0,10}", Just("general".to_owned()), Just("agent".to_owned()), Just("*".to_owned())]
}

proptest! {
    #[test]
    fn what_is_made_is_read_again(ns in name(), wf in name(), uid in name(), agent in name(), kind in "[a-z_-]{1,30}", general: bool) {
        let made = run(&ns, &wf, &uid);
        let text = if general { of_general(&made, &agent, &kind) } else { of_run(&made, &agent, &kind) };
        let subject = Subject::parse(&text);
        prop_assert!(subject.is_some(), "{}", text);
        let subject = subject.unwrap();
        prop_assert_eq!(subject.run().map(identity), Some(made));
        prop_assert_eq!(&subject.kind, &kind);
        prop_assert_eq!(subject.is_general(), general);
        let named = Some(agent.as_str()).filter(|agent| !names_nothing(agent));
        prop_assert_eq!(subject.agent(), named);
    }

    #[test]
    fn nothing_escapes_its_token(ns in any::<String>(), wf in any::<String>(), uid in any::<String>(), agent in any::<String>(), kind in any::<String>()) {
        let made = run(&ns, &wf, &uid);
        for (text, count) in [(of_run(&made, &agent, &kind), 7), (of_general(&made, &agent, &kind), 8)] {
            prop_assert_eq!(text.split('.').count(), count, "{}", text);
            prop_assert!(text.split('.').all(|token| !token.is_empty()), "{}", text);
            prop_assert!(!text.contains(['*', '>', ' ']) && text.is_ascii(), "{}", text);
            prop_assert!(text.len() <= 8 + 8 + 6 + 7 + 3 * NAME_LIMIT + AGENT_LIMIT + KIND_LIMIT, "{}", text.len());
        }
    }
}
