//! Bytes to messages: nothing that a step writes ends the process, grows without bound or gets lost, and how it arrives
//! changes nothing.

use std::sync::{Arc, LazyLock};

use message::{Message, PodIdentity, RunIdentity, Timestamp, wire};
use records::{Cutter, Line, Origin, Recorder, RecorderState, Redactor, Rules, SourceIdentity};

/// Rules for each way of reading; the number of bytes chooses one.
static RULES: LazyLock<Vec<Arc<Rules>>> = LazyLock::new(|| {
    let lines = "[lines]\nstart = ['^\\d', '^\\w']\n[[rule]]\npattern = '^(?P<timestamp>\\S+) (?P<kind>\\w+)'\n";
    let texts = ["", "format = 'text'", "format = 'codex'", "format = 'claude'", "format = 'gemini'", "format = 'runner'", lines];
    texts.iter().map(|text| Arc::new(Rules::parse(text).unwrap())).collect()
});

static REDACTOR: LazyLock<Arc<Redactor>> = LazyLock::new(Arc::default);

#[test]
fn records() {
    fuzz::target!("records", |bytes: &[u8]| {
        let rules = &RULES[bytes.len() % RULES.len()];
        let (whole, redacted) = read(bytes, bytes.len().max(1), rules, false);
        let chunk = 1 + bytes.first().map_or(0, |byte| usize::from(*byte));
        assert_eq!(read(bytes, chunk, rules, false).0, whole, "in chunks of {chunk} bytes");
        assert_eq!(read(bytes, chunk, rules, true).0, whole, "with a restart at every line");
        let mut size = 0;
        for (number, message) in (1..).zip(&whole) {
            let json = wire::to_json(message);
            assert!(json.len() <= records::split::MESSAGE_LIMIT && message.seq == Some(number));
            assert!(message.content.is_some() || message.tool.is_some(), "it says something");
            size += json.len();
        }
        // An escape is six bytes, a byte that is no UTF-8 becomes three, and an event may be kept beside what it says.
        assert!(size <= 20 * bytes.len() + 2_000 * whole.len(), "{} bytes became {size}", bytes.len());
        if bytes.len() % RULES.len() == 1 && !redacted && !bytes.iter().any(|byte| matches!(byte, 0 | 0x1b | b'\r' | 0x9b)) {
            let said: Vec<&str> = whole.iter().filter_map(|message| message.content.as_deref()).collect();
            assert_eq!(letters(&said.concat()), letters(&String::from_utf8_lossy(bytes)), "no text is lost");
        }
    });
}

#[test]
fn rules() {
    fuzz::target!("rules", |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        match Rules::parse(&text) {
            Ok(rules) => assert!(rules.wait().as_millis() <= 60_000 && Redactor::new(rules.redactions()).is_ok()),
            Err(error) => assert!((1..=1 + text.lines().count()).contains(&error.line) && !error.reason.is_empty(), "{error}"),
        }
    });
}

fn letters(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

/// The messages, and whether a secret was replaced in them.
fn read(bytes: &[u8], chunk: usize, rules: &Arc<Rules>, restart: bool) -> (Vec<Message>, bool) {
    let (mut cutter, mut recorder) = (Cutter::new(0), recorder(rules, RecorderState::default()));
    let read_at = Timestamp::from_unix_micros(1_700_000_000_000_000).unwrap();
    let mut messages = Vec::new();
    let mut record = |recorder: &mut Recorder, line: &Line<'_>| {
        if restart {
            let state = serde_json::to_string(&recorder.state()).unwrap();
            *recorder = self::recorder(rules, serde_json::from_str(&state).unwrap());
        }
        messages.extend(recorder.record(line, read_at, Origin::File));
    };
    for chunk in bytes.chunks(chunk) {
        cutter.push(chunk);
        while let Some(line) = cutter.next_line() {
            record(&mut recorder, &line);
        }
    }
    while let Some(line) = cutter.finish() {
        record(&mut recorder, &line);
    }
    messages.extend(recorder.finish(cutter.position(), read_at));
    (messages, !recorder.counts().redactions.is_empty())
}

fn recorder(rules: &Arc<Rules>, state: RecorderState) -> Recorder {
    let pod = PodIdentity {
        run: RunIdentity { namespace: "ns".into(), name: "run".into(), uid: "u".into() },
        run_id: None,
        step_id: None,
        pod: None,
        pod_uid: "p".into(),
        attempt: None,
        agent_id: None,
        stage: None,
        channel: None,
        runtime: None,
    };
    let source = SourceIdentity { label: "main:/log".into(), generation: 1, container: Some("main".into()) };
    Recorder::new(Arc::new(pod), source, Arc::clone(&REDACTOR), state).with_rules(Arc::clone(rules))
}
