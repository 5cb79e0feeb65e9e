//! How fast bytes become messages on one core: `cargo run --release -p records --example throughput`.
//!
//! Each figure is the best of several rounds of the thread's own time on a processor, since whatever else a machine does can
//! only slow it down. An argument shows only the rows whose name has it. The first row is the least that anything can cost that looks at every byte.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures, and ends where it cannot go on")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use message::{PodIdentity, RunIdentity, Timestamp, wire};
use records::redact::Redactions;
use records::{Cutter, Line, Origin, Recorder, RecorderState, Redactor, SourceIdentity};

/// Bytes of each sort of text.
const BYTES: usize = 4 << 20;

const ROUNDS: usize = 3;

/// Words of a log without anything that looks like a secret.
const PLAIN: &str = "2026-11-23 14:29:19 INFO step 5/500 loss=2.31 lr=3.0e-04 epoch 3 reading shard data/train-00017.tar.gz \
    from cache (hit rate 0.87), 1284 samples in 0.43 s; GET /api/v2/runs/8f14e45f/messages?limit=50 HTTP/1.1 200 5123; ";

/// The same with words that secrets have around them.
const NEAR: &str = "max_tokens=4096 tokenizer.next_token() input_tokens: 142740 the secret of success, task-force sk-learn \
    password prompt shown; access denied for key id 17; authorization is checked by the gateway; bearer of news; ";

fn main() {
    let redactor = Arc::new(Redactor::default());
    println!("{:<44} {:>10} {:>12}", "", "MB/s", "ns a line");
    for (name, words) in [("plain", PLAIN), ("near misses", NEAR)] {
        for length in [100, 256, 1024] {
            let lines = lines(words, length);
            let text = lines.join("\n");
            if name == "plain" {
                report(&format!("find line ends, {length} B"), &lines, || {
                    black_box(memchr::memchr_iter(b'\n', text.as_bytes()).count());
                });
            }
            report(&format!("redact {name}, {length} B"), &lines, || {
                let mut redactions = Redactions::new();
                for line in &lines {
                    black_box(redactor.text(line, &mut redactions));
                }
                assert!(redactions.is_empty(), "{redactions:?}");
            });
        }
    }
    let whole = PLAIN.repeat(BYTES / PLAIN.len());
    report("redact plain, one text", std::slice::from_ref(&whole), || {
        black_box(redactor.text(&whole, &mut Redactions::new()));
    });
    for length in [100, 256, 1024] {
        let text = lines(PLAIN, length);
        let json: Vec<String> = text.iter().map(|line| format!("{{\"content\":\"{}\"}}", &line[14..])).collect();
        for (name, lines) in [("text", &text), ("JSON", &json)] {
            let bytes = lines.join("\n").into_bytes();
            report(&format!("cut {name}, {length} B"), lines, || each_line(&bytes, |line| _ = black_box(line)));
            report(&format!("record {name}, {length} B"), lines, || {
                let mut recorder = recorder(&redactor);
                let read_at = Timestamp::from_unix_micros(1_800_000_000_000_000).unwrap();
                each_line(&bytes, |line| drop(black_box(recorder.record(&line, read_at, Origin::File))));
            });
            report(&format!("record, serialise {name}, {length} B"), lines, || {
                let mut recorder = recorder(&redactor);
                let read_at = Timestamp::from_unix_micros(1_800_000_000_000_000).unwrap();
                each_line(&bytes, |line| {
                    for message in recorder.record(&line, read_at, Origin::File) {
                        black_box((wire::subject(&message), wire::to_json(&message), recorder.state()));
                    }
                });
            });
        }
    }
}

/// Different lines of this length.
fn lines(words: &str, length: usize) -> Vec<String> {
    let line = |number: usize| {
        let start = number * 7 % words.len();
        words[start..].chars().chain(words.chars().cycle()).take(length).collect()
    };
    (0..BYTES / length).map(line).collect()
}

fn each_line(bytes: &[u8], mut take: impl FnMut(Line<'_>)) {
    let mut cutter = Cutter::new(0);
    for chunk in bytes.chunks(32 * 1024) {
        cutter.push(chunk);
        while let Some(line) = cutter.next_line() {
            take(line);
        }
    }
}

fn recorder(redactor: &Arc<Redactor>) -> Recorder {
    let text = |text: &str| Some(text.to_owned());
    let pod = PodIdentity {
        run: RunIdentity {
            namespace: "team-a".into(),
            name: "train-8f14e".into(),
            uid: "5a1c0b0e-6f0b-4a43-9f1a-0c6f0e0b8f14".into(),
        },
        run_id: text("run-17"),
        step_id: text("train-step-1"),
        pod: text("train-8f14e-step-1-attempt-1-x7k2p"),
        pod_uid: "0c6f0e0b-8f14-4a43-9f1a-5a1c0b0e6f0b".into(),
        attempt: Some(1),
        agent_id: None,
        stage: text("train"),
        channel: None,
        runtime: text("native"),
    };
    let label = "main:/workspace/lab/.codex-implementation-agent.log".to_owned();
    let source = SourceIdentity { label, generation: 1, container: text("main") };
    Recorder::new(Arc::new(pod), source, Arc::clone(redactor), RecorderState::default())
}

/// How long this thread has been on a processor.
fn on_processor() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(statistics.split(' ').next().unwrap().parse().unwrap())
}

fn report(name: &str, lines: &[String], mut run: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let time = |run: &mut dyn FnMut()| {
        let start = on_processor();
        // The clock moves in steps of several milliseconds.
        for count in 1.. {
            run();
            let passed = on_processor().saturating_sub(start);
            if passed > Duration::from_millis(60) {
                return passed / count;
            }
        }
        Duration::MAX
    };
    let best = (0..ROUNDS).map(|_| time(&mut run)).min().unwrap_or(Duration::MAX).as_secs_f64();
    let bytes: usize = lines.iter().map(String::len).sum();
    #[expect(clippy::cast_precision_loss, reason = "figures are rounded")]
    let (bytes, count) = (bytes as f64, lines.len() as f64);
    println!("{name:<44} {:>10.0} {:>12.0}", bytes / best / 1e6, best / count * 1e9);
}
