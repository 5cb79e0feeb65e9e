use message::{PodIdentity, Timestamp};
use records::{Cutter, Origin, Recorder, RecorderState, SourceIdentity};

use super::*;

/// The messages of a file.
fn messages(bytes: &[u8]) -> Vec<Message> {
    let pod = PodIdentity::unknown("p");
    let source = SourceIdentity { label: "l".to_owned(), generation: 1, container: None };
    let mut recorder = Recorder::new(pod.into(), source, std::sync::Arc::default(), RecorderState::default());
    let mut cutter = Cutter::new(0);
    cutter.push(bytes);
    let mut messages = Vec::new();
    while let Some(line) = cutter.next_line() {
        messages.extend(recorder.record(&line, Timestamp::from_unix_micros(0).unwrap(), Origin::File));
    }
    messages
}

#[test]
fn a_message_is_there_by_its_id_and_missing_where_nothing_was_made_of_its_bytes() {
    let said = messages(b"one\ntwo\nthree\n");
    let mut held = Held::default();
    held.add(said[1].source.as_ref().unwrap());
    let none = HashSet::new();
    assert_eq!(held.fate(&said[1], &HashSet::from([said[1].id])), Fate::There);
    assert_eq!(
        said.iter().map(|message| held.fate(message, &none)).collect::<Vec<_>>(),
        [Fate::Missing, Fate::Otherwise, Fate::Missing]
    );
    // Another part of the same line.
    let mut other = said[1].clone();
    other.source.as_mut().unwrap().part = 1;
    assert_eq!(held.fate(&other, &none), Fate::Missing);
    // A range that reaches into another.
    for (start, end, fate) in [(0, 4, Fate::Missing), (0, 5, Fate::Otherwise), (7, 9, Fate::Otherwise), (8, 9, Fate::Missing)] {
        let mut message = said[0].clone();
        (message.source.as_mut().unwrap().start, message.source.as_mut().unwrap().end) = (start, end);
        assert_eq!(held.fate(&message, &none), fate, "{start} to {end}");
    }
    assert_eq!((held.next_cut(0), held.next_cut(4), held.next_cut(8)), (Some(4), Some(8), None));
}
