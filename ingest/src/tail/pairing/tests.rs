use proptest::prelude::*;
use tokio::time::Instant;

use super::{HOLD, Line, MOST, Pairing};
use crate::tail::said::Said;

fn said(id: u32, agent: &str, kind: &str, call: Option<u32>) -> Said {
    let tool = call.map(|call| serde_json::json!({ "call_id": call.to_string(), "name": "bash" }));
    serde_json::from_value(serde_json::json!({ "id": id.to_string(), "agent_id": agent, "kind": kind, "tool": tool })).unwrap()
}

fn words(lines: &[Line]) -> String {
    let word = |line: &Line| match line {
        Line::Message(said) => said.id.clone(),
        Line::Open(said) => format!("{}…", said.id),
        Line::Done { call, result, again } => {
            let call = call.as_ref().map_or("?", |call| call.id.as_str());
            format!("{call}+{}{}", result.id, if *again { " again" } else { "" })
        }
    };
    lines.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_quick_result_makes_one_line() {
    let (mut pairing, now) = (Pairing::default(), Instant::now());
    assert_eq!(words(&pairing.take(said(1, "a", "tool_call", Some(7)), now)), "");
    assert_eq!(words(&pairing.take(said(2, "b", "message", None), now)), "2");
    assert_eq!(words(&pairing.take(said(3, "a", "tool_result", Some(7)), now)), "1+3");
    assert_eq!(words(&pairing.flush()), "");
}

#[test]
fn a_slow_call_is_shown_open_and_its_result_by_itself() {
    let (mut pairing, now) = (Pairing::default(), Instant::now());
    pairing.take(said(1, "a", "tool_call", Some(7)), now);
    assert_eq!(pairing.due(), Some(now + HOLD));
    assert_eq!(words(&pairing.expire(now)), "");
    assert_eq!(words(&pairing.expire(now + HOLD)), "1…");
    assert_eq!(words(&pairing.take(said(2, "a", "tool_result", Some(7)), now)), "1+2 again");
    assert_eq!(words(&pairing.take(said(3, "a", "tool_result", Some(8)), now)), "?+3");
}

#[test]
fn what_one_agent_says_stays_in_order() {
    let (mut pairing, now) = (Pairing::default(), Instant::now());
    pairing.take(said(1, "a", "tool_call", Some(7)), now);
    pairing.take(said(2, "b", "tool_call", Some(8)), now);
    assert_eq!(words(&pairing.take(said(3, "a", "message", None), now)), "1…, 3");
    assert_eq!(words(&pairing.flush()), "2…");
}

proptest! {
    #[test]
    fn each_message_is_shown_once(says in prop::collection::vec((0..4_u32, 0..3_u32, 0..6_u32, any::<bool>()), 0..600)) {
        let (mut pairing, mut now) = (Pairing::default(), Instant::now());
        let mut lines = Vec::new();
        for (number, (kind, agent, call, wait)) in (0..).zip(&says) {
            let kind = ["tool_call", "tool_result", "message", "tool_call"][*kind as usize];
            lines.extend(pairing.take(said(number, &agent.to_string(), kind, Some(*call)), now));
            if *wait {
                now += HOLD / 3;
                lines.extend(pairing.expire(now));
            }
            prop_assert!(pairing.held.len() <= MOST && pairing.open.len() <= MOST);
            prop_assert_eq!(pairing.open.len(), pairing.opened.len());
        }
        lines.extend(pairing.flush());
        let mut shown: Vec<u32> = Vec::new();
        for line in &lines {
            let mut add = |said: &Said| shown.push(said.id.parse().unwrap());
            match line {
                Line::Message(said) | Line::Open(said) => add(said),
                Line::Done { call, result, again } => {
                    if let Some(call) = call.as_ref().filter(|_| !again) {
                        add(call);
                    }
                    add(result);
                }
            }
        }
        shown.sort_unstable();
        prop_assert_eq!(shown, (0..u32::try_from(says.len()).unwrap()).collect::<Vec<_>>());
    }
}
