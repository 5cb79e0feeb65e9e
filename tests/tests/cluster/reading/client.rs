//! What `tail` and `runs` ask with: an authority of its own, and a token from a file that is renewed.

use std::path::PathBuf;

use clap::Parser as _;
use ingest::args::client::ClientArgs;
use ingest::client::follow::{Followed, Stream, follow};
use ingest::client::http::{AskError, Client};
use neighbours::Kubernetes;

use super::ground::Ground;
use crate::ground::eventually;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    client: ClientArgs,
}

fn client(server: &str, ca: Option<PathBuf>, token: Option<PathBuf>) -> Client {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    let mut words = vec!["tail".to_owned(), "--server".to_owned(), server.to_owned()];
    words.extend(ca.into_iter().flat_map(|path| ["--ca".to_owned(), text(path)]));
    words.extend(token.into_iter().flat_map(|path| ["--token-file".to_owned(), text(path)]));
    Client::new(&Line::parse_from(words).client).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_let_in_by_a_token_and_goes_on_with_the_next_one_without_gap_or_repeat() {
    let kubernetes = Kubernetes::shared().await.unwrap();
    let ground = Ground::new("terminal").await;
    let reader = ground.reader("reader").await;
    reader.has_everywhere("agent-comms-reader").await;
    let server = format!("https://localhost:{}", ground.api.port());
    let (ca, file) = (ground.directory.path().join("ca.crt"), ground.directory.path().join("token"));
    let runs = ["api", "agents", "runs"];

    std::fs::write(&file, "nonsense\n").unwrap();
    let given = client(&server, Some(ca.clone()), Some(file.clone()));
    assert!(matches!(given.json(&runs, &[]).await, Err(AskError::Unknown { given: true, .. })));
    let none = client(&server, Some(ca.clone()), None).json(&runs, &[]).await;
    assert!(matches!(none, Err(AskError::Unknown { given: false, .. })), "{none:?}");
    // Nothing is sent to whom no authority knows.
    std::fs::write(&file, reader.token().await).unwrap();
    let strange = client(&server, Some(strange_authority(&ground)), Some(file.clone())).json(&runs, &[]).await;
    assert!(matches!(strange, Err(AskError::Connect { .. })), "{strange:?}");
    eventually("it is let in", async || given.json(&runs, &[]).await.is_ok()).await;

    // Two tokens of a few seconds, one after the other, as Kubernetes renews a projected one.
    std::fs::write(&file, reader.token_of_seconds(kubernetes, 4).await).unwrap();
    let stream = Stream { path: vec!["api", "agents", "events"], query: vec![("runId", "one-uid".to_owned())] };
    let mut told = follow(given, stream);
    let (mut said, mut heard, mut opened) = (0, Vec::new(), 0);
    while opened < 3 || heard.len() < said {
        match told.recv().await.unwrap().unwrap() {
            Followed::Open => {
                opened += 1;
                let seconds = if opened == 1 { 15 } else { 600 };
                std::fs::write(&file, reader.token_of_seconds(kubernetes, seconds).await).unwrap();
                ground.say("terminal-run", "one", &format!("word {said}")).await;
                said += 1;
            }
            Followed::Event(event) if event.name.is_empty() => {
                let message: serde_json::Value = serde_json::from_str(&event.data).unwrap();
                heard.push(message["content"].as_str().unwrap().to_owned());
            }
            Followed::Event(event) => assert_ne!(event.name, "reset"),
            Followed::Lost { .. } => {
                ground.say("terminal-run", "one", &format!("word {said}")).await;
                said += 1;
            }
        }
    }
    assert_eq!(heard, (0..said).map(|number| format!("word {number}")).collect::<Vec<_>>());
    ground.stopped().await;
}

fn strange_authority(ground: &Ground) -> PathBuf {
    let path = ground.directory.path().join("strange.crt");
    std::fs::write(&path, neighbours::certificates::Authority::new().unwrap().certificate_pem()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_show_over_tls_what_their_token_may_read_and_say_what_is_wrong_with_it() {
    let ground = Ground::new("commands").await;
    let reader = ground.reader("reader").await;
    reader.may_read(ground.name).await;
    let last = ground.say(ground.name, "mine", "a word of mine").await.max(ground.say("commands-other", "two", "theirs").await);
    ground.stored(last).await;
    let (ca, file) = (ground.directory.path().join("ca.crt"), ground.directory.path().join("token"));
    let run = async |words: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ingest-under-test"));
        command.args(words).args(["--server", &format!("https://localhost:{}", ground.api.port())]);
        let output = command.arg("--token-file").arg(&file).arg("--ca").arg(&ca).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let tail = ["tail", "--run", "shared-alias", "--no-follow"];
    std::fs::write(&file, "nonsense").unwrap();
    for words in [&["runs"][..], &tail] {
        let (code, shown, said) = run(words).await;
        assert_eq!((code, shown.as_str()), (Some(1), ""), "{said}");
        assert!(said.contains("does not take the token") && !said.contains("nonsense"), "{said}");
    }
    std::fs::write(&file, reader.token().await).unwrap();
    eventually("the run is shown", async || run(&["runs"]).await.1.contains("a word of mine")).await;
    let (_, shown, _) = run(&["runs"]).await;
    assert!(!shown.contains("commands-other"), "{shown}");
    let (code, shown, said) = run(&tail).await;
    assert!(code == Some(0) && shown.contains("a word of mine") && !shown.contains("theirs"), "{shown}{said}");
    let (code, _, said) = run(&["tail", "--channel", "general", "--no-follow"]).await;
    assert!(code == Some(1) && said.contains("you may not read the shared channel"), "{said}");
    ground.stopped().await;
}
