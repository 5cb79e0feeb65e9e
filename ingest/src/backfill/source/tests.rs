use proptest::prelude::*;

use message::PodIdentity;

use super::*;

fn reading() -> Reading {
    let pod = PodIdentity::unknown("p");
    let rules = Rules::parse("[lines]\nstart = '^\\S'\n").expect("rules");
    Reading { pod: pod.into(), redactor: Arc::default(), rules: rules.into() }
}

fn identity() -> SourceIdentity {
    SourceIdentity { label: "main:/a.log".to_owned(), generation: 1, container: Some("main".to_owned()) }
}

fn at() -> Timestamp {
    Timestamp::from_unix_micros(1).expect("a time")
}

/// As a sidecar reads it that ends what it holds at these places, because nothing came for long.
fn as_sidecar(bytes: &[u8], ends: &[usize]) -> Vec<Message> {
    let Reading { pod, redactor, rules } = reading();
    let mut recorder = Recorder::new(pod, identity(), redactor, RecorderState::default()).with_rules(rules);
    let mut cutter = Cutter::new(0);
    let mut messages = Vec::new();
    let mut from = 0;
    for end in ends.iter().copied().chain([bytes.len()]) {
        cutter.push(&bytes[from..end]);
        while let Some(line) = cutter.next_line() {
            messages.extend(recorder.record(&line, at(), Origin::File));
        }
        while let Some(line) = cutter.finish() {
            messages.extend(recorder.record(&line, at(), Origin::File));
        }
        messages.extend(recorder.finish(cutter.position(), at()));
        from = end;
    }
    messages
}

/// What a backfill finds missing, beside these that are there.
fn missing(bytes: &[u8], there: &[Message]) -> (Vec<Message>, Counts) {
    let mut held = Held::default();
    there.iter().filter_map(|message| message.source.as_ref()).for_each(|source| held.add(source));
    let ids: HashSet<Uuid> = there.iter().map(|message| message.id).collect();
    let mut file = SourceFile::new(Path::new("a.log"), bytes, identity(), &reading(), held, at());
    let mut found = Vec::new();
    while let Some(message) = file.next_missing(&ids).expect("read") {
        found.push(message);
    }
    (found, file.counts())
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]{1,3}\n",
        4 => " at [a-c]{1,3}\n",
        1 => Just("\n".to_owned()),
        1 => Just("{\"content\":\"said\",\"kind\":\"status\"}\n".to_owned()),
        1 => Just("{\"id\":\"x\",\"content\":\"said once\"}\n".to_owned()),
    ]
}

proptest! {
    /// Whatever the sidecar ended by time and wherever it was stopped: what is missing is published, each once, with the id
    /// that it would have had, and nothing else.
    #[test]
    fn what_is_missing_is_made_as_the_sidecar_would_have_and_nothing_twice(
        lines in proptest::collection::vec(line(), 1..30),
        ends in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        there in proptest::collection::vec(any::<bool>(), 60),
    ) {
        let bytes = lines.concat().into_bytes();
        let mut ends: Vec<usize> = ends.iter().map(|end| end.index(bytes.len())).collect();
        ends.sort_unstable();
        let all = as_sidecar(&bytes, &ends);
        // Everything there: nothing is missing.
        let (found, counts) = missing(&bytes, &all);
        prop_assert!(found.is_empty() && counts.otherwise == 0, "{found:#?} {counts:?}");
        // A prefix there, as when it was killed: the rest is missing, cut as its bytes say.
        let count = there.iter().filter(|there| **there).count() * all.len() / there.len();
        let (found, counts) = missing(&bytes, &all[..count]);
        prop_assert_eq!(counts.otherwise, 0);
        let covered: u64 = all[count..].iter().filter(|message| !all[..count].iter().any(|known| known.id == message.id)).count() as u64;
        prop_assert!(covered > 0 || found.is_empty(), "nothing is missing, {} found", found.len());
        // A line that gives its own id, ended by time in its middle, is read whole now: it may have been said before.
        let says_once = !ends.is_empty() && lines.iter().any(|line| line.contains("\"id\""));
        prop_assert!(covered == 0 || !found.is_empty() || says_once, "{} missing, none found", covered);
        // Any of them missing, with its neighbours there: exactly these come, with their numbers.
        let single: Vec<usize> = (0..all.len()).filter(|index| !there[*index % there.len()]).step_by(2).collect();
        let neighbours = |index: &usize| !single.contains(&(index + 1)) && (*index == 0 || !single.contains(&(index - 1)));
        let single: Vec<usize> = single.iter().copied().filter(|index| neighbours(index)).collect();
        let kept: Vec<Message> = (0..all.len()).filter(|index| !single.contains(index)).map(|index| all[index].clone()).collect();
        let (found, counts) = missing(&bytes, &kept);
        prop_assert_eq!(counts.otherwise, 0);
        let expected: Vec<Message> = single
            .iter()
            .map(|index| all[*index].clone())
            .filter(|message| !kept.iter().any(|known| known.id == message.id))
            .collect();
        // Where it ended by time what is missing now, and nothing that is there shows it, the bytes alone decide: it may reach
        // further then, over what says nothing. It never reaches into what is there.
        let range = |message: &Message| message.source.as_ref().map(|source| (source.start, source.end)).expect("a range");
        let reaches = |(start, end): (u64, u64), (from, to): (u64, u64)| start <= from && to <= end;
        for message in &expected {
            prop_assert!(found.iter().any(|found| reaches(range(found), range(message))), "{message:#?} is not in {found:#?}");
        }
        for message in &kept {
            let (start, end) = range(message);
            prop_assert!(found.iter().all(|found| range(found).1 <= start || end <= range(found).0), "{message:#?} in {found:#?}");
        }
        if ends.is_empty() {
            let named = |messages: &[Message]| messages.iter().map(|message| (message.id, message.seq)).collect::<Vec<_>>();
            prop_assert_eq!(named(&found), named(&expected));
        }
    }
}
