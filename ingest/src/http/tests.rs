use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connection::Patience;
use super::limits::{Limits, Most};
use super::session::Drain;
use super::{Server, State};
use crate::access::Access;
use crate::consume::life::Life;
use crate::live::Hub;
use crate::settled::Settled;

/// A server whose database is away: what is asked here needs none.
async fn start() -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    start_with(Most::default(), Patience::default(), Duration::ZERO).await
}

async fn start_with(most: Most, patience: Patience, drain: Duration) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let config: tokio_postgres::Config = "postgres://nobody@127.0.0.1:1/none".parse().unwrap();
    let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
    let stop = CancellationToken::new();
    let settled = watch::Sender::new(Settled::default()).subscribe();
    let live = Hub::new(pool.clone(), settled.clone(), Arc::new(Life::new(None)), CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let state = State::new(pool, live, settled, Limits::new(most), Drain { stop: stop.clone(), time: drain });
    let server = Server { patience, ..Server::new(state, Access::Open) };
    let served = tokio::spawn(server.serve(listener, None));
    (address, stop, served)
}

async fn ask(address: SocketAddr, method: &str, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn what_is_refused_is_a_problem_with_every_protection() {
    let (address, stop, served) = start().await;
    let cases = [
        ("GET", "/agents", "evil.example", "421 Misdirected Request"),
        ("POST", "/agents", "localhost", "405 Method Not Allowed"),
        ("GET", "/api/agents/events", "localhost:99", "400 Bad Request"),
        ("GET", "/api/agents/events?channel=general&after=x", "localhost", "400 Bad Request"),
        ("GET", "/api/agents/nothing", "[::1]", "404 Not Found"),
        ("GET", "/api/agents/messages/x", "127.0.0.1", "400 Bad Request"),
        ("GET", "/api/agents/runs", "127.0.0.1", "503 Service Unavailable"),
    ];
    for (method, path, host, status) in cases {
        let answer = ask(address, method, path, host).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path}: {answer}");
        for part in ["application/problem+json", "\"ok\":false", "\"error\":", "default-src 'none'", "nosniff", "no-referrer"] {
            assert!(answer.contains(part), "{method} {path} has no {part}: {answer}");
        }
    }
    stop.cancel();
    served.await.unwrap();
}

#[tokio::test]
async fn the_root_leads_to_the_runs_and_a_page_that_cannot_be_shown_is_a_page() {
    let (address, stop, served) = start().await;
    let answer = ask(address, "GET", "/", "localhost").await;
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("location: /agents\r\n"), "{answer}");
    let answer = ask(address, "GET", "/agents", "localhost").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("text/html") && answer.contains("<h2>"), "{answer}");
    stop.cancel();
    served.await.unwrap();
}

#[tokio::test]
async fn an_open_stream_ends_with_the_token() {
    let (address, stop, served) = start().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /api/agents/events?channel=general HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    while !answer.contains("retry: 1000") {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).await.unwrap();
        assert!(length > 0, "the stream ended early: {answer}");
        answer.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    for header in ["text/event-stream", "no-cache, no-transform", "x-accel-buffering: no"] {
        assert!(answer.contains(header), "{header} in {answer}");
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(2), served).await.expect("the server waits for its streams").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    let last = rest.lines().filter_map(|line| line.strip_prefix("retry: ")).next_back().expect("when to come back");
    assert!((1_000..5_000).contains(&last.parse::<u32>().unwrap()), "{rest}");
}

#[tokio::test]
async fn a_connection_whose_other_end_takes_nothing_is_ended() {
    let (address, stop, served) =
        start_with(Most::default(), Patience { write: Duration::from_millis(300), ..Patience::default() }, Duration::ZERO).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let path = crate::pages::assets::path("page.css");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let ended = async {
        // Far more answers than the buffers between the two take; none is read.
        while stream.write_all(request.as_bytes()).await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the server ends the connection");
    stop.cancel();
    served.await.unwrap();
}
