use std::sync::Arc;

use message::{PodIdentity, RunIdentity, Source};
use uuid::Uuid;

use super::Acknowledged;
use crate::ledger::SourceKey;
use crate::reader::{Outgoing, Speaker};

fn pod() -> PodIdentity {
    PodIdentity {
        run: RunIdentity::unknown(),
        run_id: None,
        step_id: None,
        pod: None,
        pod_uid: "pod-1".to_owned(),
        attempt: None,
        agent_id: None,
        stage: None,
        channel: None,
        runtime: None,
    }
}

fn outgoing(key: u32, label: &str, start: u64, end: u64) -> Outgoing {
    let source = Source { pod_uid: "pod-1".to_owned(), label: label.to_owned(), generation: 1, start, end, part: 0 };
    Outgoing {
        source: Some(SourceKey(key)),
        speaker: Arc::new(Speaker { source, container: None }),
        start,
        end,
        id: Uuid::nil(),
        subject: "workflow.x".into(),
        payload: "{}".into(),
        resend: false,
        then: None,
    }
}

#[test]
fn a_sequence_that_runs_backwards_tells_what_was_acknowledged_by_source_and_range() {
    let mut acknowledged = Acknowledged::default();
    assert_eq!(acknowledged.stored(&outgoing(1, "a.log", 100, 120), 7, false), None);
    assert_eq!(acknowledged.stored(&outgoing(1, "a.log", 120, 150), 8, false), None);
    assert_eq!(acknowledged.stored(&outgoing(2, "spool", 0, 40), 9, false), None);
    let loss = acknowledged.stored(&outgoing(2, "spool", 40, 60), 1, false).unwrap();
    assert_eq!((loss.last_sequence, loss.sequence), (9, 1));
    // An earlier process sent the first hundred bytes to the same stream.
    assert_eq!(loss.to_string(), "a.log 1 0..150, spool 1 0..40");
    let gaps: Vec<_> = loss.gaps(&pod()).map(|gap| String::from_utf8_lossy(&gap.payload).into_owned()).collect();
    assert!(gaps[0].contains("bytes 0 to 150 of `a.log`") && gaps[0].contains("\"reason\":\"stream_lost\""), "{gaps:?}");
    assert!(gaps[1].contains("\"bytes\":40") && gaps[1].contains("\"records\":1"), "{gaps:?}");
    // A second loss is about what the second stream had.
    assert_eq!(acknowledged.stored(&outgoing(1, "a.log", 150, 170), 2, false), None);
    let loss = acknowledged.stored(&outgoing(1, "a.log", 170, 180), 2, false).unwrap();
    assert_eq!(loss.to_string(), "a.log 1 150..170, spool 1 40..60");
}

#[test]
fn a_copy_has_the_sequence_of_the_first_and_shows_no_loss() {
    let mut acknowledged = Acknowledged::default();
    assert_eq!(acknowledged.stored(&outgoing(1, "a.log", 0, 10), 5, false), None);
    assert_eq!(acknowledged.stored(&outgoing(1, "a.log", 10, 20), 6, false), None);
    assert_eq!(acknowledged.stored(&outgoing(1, "a.log", 0, 10), 5, true), None);
    assert_eq!(acknowledged.stored(&outgoing(1, "a.log", 20, 30), 7, false), None);
}
