//! History as it is asked for over HTTP: it ends at the watermark, whatever the table holds above.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ingest::access::Access;
use ingest::consume::life::Life;
use ingest::cursor::Cursor;
use ingest::http::limits::{Limits, Most};
use ingest::http::session::Drain;
use ingest::http::{Server as HttpServer, State};
use ingest::live::Hub;
use ingest::settled::Settled;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::table::{Table, stored};

const RUN: &str = "workflow.demo.build.u1.agent.codex.log";
const GENERAL: &str = "workflow.general.log.demo.build.u1.agent.codex";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    settled: watch::Sender<Settled>,
    stop: CancellationToken,
}

impl Server {
    pub(crate) async fn start(table: &Table, settled: Settled) -> Self {
        let stop = CancellationToken::new();
        let settled = watch::Sender::new(settled);
        let hub = Hub::new(table.pools(), settled.subscribe(), Arc::new(Life::new(None)), stop.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let drain = Drain { stop: stop.clone(), time: Duration::ZERO };
        let state = State::new(table.pool.clone(), hub, settled.subscribe(), Limits::new(Most::default()), drain);
        tokio::spawn(HttpServer::new(state, Access::Open).serve(listener, None));
        Self { address, settled, stop }
    }

    async fn get(&self, path: &str) -> String {
        crate::world::get(self.address, path).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn at(sequence: i64) -> Cursor {
    Cursor { epoch: 1, sequence }
}

async fn nine_messages(name: &str) -> Table {
    let table = Table::new(name).await;
    for sequence in 1..=9 {
        let subject = if sequence % 2 == 0 { GENERAL } else { RUN };
        table.insert(&stored(sequence, subject, &format!(r#"{{"content":"said {sequence}"}}"#))).await;
    }
    table
}

#[tokio::test]
async fn nothing_is_told_of_history_before_it_is_known_how_far_it_goes() {
    let table = nine_messages("history_unknown").await;
    let server = Server::start(&table, Settled::default()).await;
    let paths = [
        "/api/agents/runs/u1/messages",
        "/api/agents/channels/general/messages",
        "/api/agents/runs/u1/messages/export.jsonl",
        "/api/agents/channels/general/messages/export.jsonl",
        "/api/agents/messages/1.4",
        "/api/agents/messages/1.4/content",
        "/agents/u1",
        "/agents/general",
    ];
    let answers = futures_util::future::join_all(paths.map(|path| server.get(path))).await;
    for (path, answer) in paths.iter().zip(answers) {
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\r\nretry-after: 1\r\n"), "{path}: {answer}");
    }
    // Known a moment later, it is answered: no reader has to ask twice right after a start.
    let asked = server.get(paths[0]);
    let told = async { server.settled.send_replace(Settled::at(at(9))) };
    let (answer, _) = tokio::join!(asked, told);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("said 9"), "{answer}");
}

#[tokio::test]
async fn what_lies_above_the_watermark_is_left_to_the_live_stream() {
    let table = nine_messages("history_bounded").await;
    let server = Server::start(&table, Settled::at(at(6))).await;
    let page = server.get("/api/agents/runs/u1/messages").await;
    assert!(page.contains("said 6") && !page.contains("said 7") && page.contains(r#""as_of":"1.6""#), "{page}");
    let export = server.get("/api/agents/runs/u1/messages/export.jsonl").await;
    assert!(export.contains("said 6") && !export.contains("said 7"), "{export}");
    let around = server.get("/api/agents/messages/1.5").await;
    assert!(around.contains("said 6") && !around.contains("said 7"), "{around}");
    assert!(around.contains(r#""newer":false"#), "{around}");
    // It may be the message, and it may be a copy of one that is still to come.
    for path in ["/api/agents/messages/1.8", "/api/agents/messages/1.8/content"] {
        let answer = server.get(path).await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\r\nretry-after: 1\r\n"), "{path}: {answer}");
    }
    server.settled.send_replace(Settled::at(at(9)));
    let content = server.get("/api/agents/messages/1.8/content").await;
    assert!(content.starts_with("HTTP/1.1 200") && content.ends_with("said 8"), "{content}");
}

#[tokio::test]
async fn a_search_that_takes_long_is_ended_and_says_so() {
    let table = nine_messages("history_search").await;
    let server = Server::start(&table, Settled::at(at(9))).await;
    let found = server.get("/api/agents/channels/general/messages?q=SAID%204&since=2026-01-01T00:00:00Z").await;
    assert!(found.contains("said 4") && !found.contains("said 6"), "{found}");
    // Nothing can be read while this lasts, and what lasts too long is what is tested.
    let mut client = table.pool.get().await.unwrap();
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE workflow_comms.agent_messages, workflow_comms.runs IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let paths = [
        "/api/agents/channels/general/messages?q=said&since=2026-01-01T00:00:00Z",
        "/agents/general?q=said",
        "/api/agents/runs?q=build",
    ];
    let asked = futures_util::future::join_all(paths.map(|path| server.get(path)));
    let answers = tokio::time::timeout(std::time::Duration::from_secs(10), asked).await.expect("the search ends by itself");
    for (path, answer) in paths.iter().zip(answers) {
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("he search took too long"), "{path}: {answer}");
    }
    lock.rollback().await.unwrap();
    // The limit was the search's, not the connection's.
    let limit: String = client.query_one("SHOW statement_timeout", &[]).await.unwrap().get(0);
    assert_eq!(limit, "0");
}
