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
use crate::store::pool::Pools;

/// A server whose database is away: what is asked here needs none.
async fn start() -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    start_with(Most::default(), Patience::default(), Duration::ZERO).await
}

async fn start_with(most: Most, patience: Patience, drain: Duration) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let config: tokio_postgres::Config = "postgres://nobody@127.0.0.1:1/none".parse().unwrap();
    let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
    let stop = CancellationToken::new();
    // Whoever waits for it waits as long as if the stream were away.
    let settled = Box::leak(Box::new(watch::Sender::new(Settled::default()))).subscribe();
    let live = Hub::new(pools(&pool), settled.clone(), Arc::new(Life::new(None)), CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let state = State::new(pool, live, settled, Limits::new(most), Drain { stop: stop.clone(), time: drain });
    let server = Server { patience, ..Server::new(state, Access::Open) };
    (address, stop, tokio::spawn(server.serve(listener, None)))
}

fn pools(pool: &deadpool_postgres::Pool) -> Pools {
    Pools { storing: pool.clone(), reading: pool.clone() }
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
    let (address, stop, ending) = start().await;
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
        for part in [
            "application/problem+json",
            "\"ok\":false",
            "\"error\":",
            "default-src 'none'",
            "nosniff",
            "referrer-policy: same-origin",
        ] {
            assert!(answer.contains(part), "{method} {path} has no {part}: {answer}");
        }
    }
    stop.cancel();
    ending.await.unwrap();
}

#[tokio::test]
async fn the_root_leads_to_the_runs_and_a_page_that_cannot_be_shown_is_a_page() {
    let (address, stop, ending) = start().await;
    let answer = ask(address, "GET", "/", "localhost").await;
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("location: /agents\r\n"), "{answer}");
    let answer = ask(address, "GET", "/agents", "localhost").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("text/html") && answer.contains("<h2>"), "{answer}");
    stop.cancel();
    ending.await.unwrap();
}

#[tokio::test]
async fn an_open_stream_ends_with_the_token() {
    let (address, stop, ending) = start().await;
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
    tokio::time::timeout(Duration::from_secs(2), ending).await.expect("the server waits for its streams").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    let last = rest.lines().filter_map(|line| line.strip_prefix("retry: ")).next_back().expect("when to come back");
    assert!((1_000..5_000).contains(&last.parse::<u32>().unwrap()), "{rest}");
}

#[tokio::test]
async fn a_connection_whose_other_end_takes_nothing_is_ended() {
    let (address, stop, ending) =
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
    ending.await.unwrap();
}

/// Over HTTP/2 the connection itself goes on, whatever happens to an answer.
#[tokio::test]
async fn an_answer_that_is_not_taken_ends_its_connection_over_http2_and_a_silent_stream_does_not() {
    let patience = Patience { write: Duration::from_millis(600), ..Patience::default() };
    let (address, stop, ending) = start_with(Most::default(), patience, Duration::ZERO).await;
    let connect = async |window: u32| {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut builder = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
        builder.initial_stream_window_size(window);
        builder.handshake::<_, String>(hyper_util::rt::TokioIo::new(stream)).await.unwrap()
    };
    let ask = |path: &str| hyper::Request::get(format!("http://localhost{path}")).body(String::new()).unwrap();

    let (mut sender, reading) = connect(65_535).await;
    let reading = tokio::spawn(reading);
    let stream = sender.send_request(ask("/api/agents/events?runId=a")).await.unwrap();
    assert_eq!(stream.status(), 200);

    let (mut other, untaken) = connect(1).await;
    let untaken = tokio::spawn(untaken);
    let answer = other.send_request(ask(crate::pages::assets::path("page.css"))).await.unwrap();
    assert_eq!(answer.status(), 200);
    let ended = tokio::time::timeout(Duration::from_secs(20), untaken).await;
    assert!(ended.is_ok(), "the connection goes on though nothing of its answer is taken");

    // Longer than either is waited for, nothing was said on the stream, and there was nothing to take.
    assert!(!reading.is_finished(), "a silent stream is no stalled one");
    drop((answer, stream));
    stop.cancel();
    ending.await.unwrap();
}

/// Reads an event stream's answer until it has begun.
async fn open_stream(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /api/agents/events?runId=a HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    while !answer.contains("\r\n\r\n") {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).await.unwrap();
        assert!(length > 0, "the stream ended early: {answer}");
        answer.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stream
}

#[tokio::test]
async fn a_client_that_sends_slowly_or_nothing_is_left() {
    let patience = Patience { head: Duration::from_millis(300), ..Patience::default() };
    let (address, stop, ending) = start_with(Most::default(), patience, Duration::ZERO).await;
    let silent = TcpStream::connect(address).await.unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    let mut preface = TcpStream::connect(address).await.unwrap();
    // As far as the head of HTTP/2, and not a request further.
    preface.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let trickle = async {
        while slow.write_all(b"G").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), trickle).await.expect("the slow one is left");
    for mut stream in [silent, preface] {
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest))
            .await
            .expect("the silent one is left")
            .unwrap();
    }
    stop.cancel();
    ending.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_asks_nothing_any_more_is_closed_and_one_with_a_stream_is_not() {
    let patience = Patience { head: Duration::from_millis(400), idle: Duration::from_millis(400), ..Patience::default() };
    let (address, stop, ending) = start_with(Most::default(), patience, Duration::ZERO).await;
    let mut stream = open_stream(address).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(20), idle.read_to_string(&mut answer))
        .await
        .expect("the idle one is closed")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    // Longer than either time.
    let mut part = [0; 4096];
    let mut text = String::new();
    while let Ok(length) = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut part)).await {
        let length = length.unwrap();
        assert!(length > 0, "the stream was closed: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    stop.cancel();
    ending.await.unwrap();
}

#[tokio::test]
async fn what_is_too_much_is_refused_with_a_time_to_come_back() {
    let most = Most { streams: 2, requests: 2, ..Most::default() };
    let (address, stop, ending) = start_with(most, Patience::default(), Duration::ZERO).await;
    let streams = (open_stream(address).await, open_stream(address).await);
    let refused = ask(address, "GET", "/api/agents/events?runId=a", "localhost").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 1\r\n"), "{refused}");
    assert!(refused.contains("2 streams are open") && refused.contains("application/problem+json"), "{refused}");
    // Both wait for a database that is away.
    let waiting: Vec<_> =
        (0..2).map(|_| tokio::spawn(async move { ask(address, "GET", "/agents/general", "localhost").await })).collect();
    let full = async {
        loop {
            let answer = ask(address, "GET", "/", "localhost").await;
            if answer.contains("2 requests are being answered") {
                return answer;
            }
            assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        }
    };
    let full = tokio::time::timeout(Duration::from_secs(20), full).await.expect("requests have a limit too");
    assert!(full.starts_with("HTTP/1.1 503") && full.contains("retry-after: 1\r\n"), "{full}");
    for waiting in waiting {
        assert!(waiting.await.unwrap().starts_with("HTTP/1.1 503"));
    }
    drop(streams);
    // Four connections are busy at most, and one more may be idle: what comes then is told at once.
    let mut open = Vec::new();
    let full = async {
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut answer = String::new();
            let told = tokio::time::timeout(Duration::from_millis(300), stream.read_to_string(&mut answer)).await;
            if told.is_ok() {
                return answer;
            }
            open.push(stream);
        }
    };
    let full = tokio::time::timeout(Duration::from_secs(20), full).await.expect("connections have a limit too");
    assert!(full.starts_with("HTTP/1.1 503") && full.contains("retry-after: 5"), "{full}");
    stop.cancel();
    ending.await.unwrap();
}

#[tokio::test]
async fn bodies_and_long_heads_are_not_taken() {
    let (address, stop, ending) = start().await;
    let send = async |request: String| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may answer before it has everything.
        drop(stream.write_all(request.as_bytes()).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let head = "GET /agents HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let with_body = send(format!("{head}Content-Length: 3\r\n\r\nabc")).await;
    assert!(with_body.starts_with("HTTP/1.1 400") && with_body.contains("has no body here"), "{with_body}");
    let long = send(format!("{head}X: {}\r\n\r\n", "a".repeat(64 * 1024))).await;
    assert!(long.starts_with("HTTP/1.1 431"), "{long}");
    let many = send(format!("{head}{}\r\n", "X: a\r\n".repeat(200))).await;
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
    stop.cancel();
    ending.await.unwrap();
}

#[tokio::test]
async fn streams_end_one_after_the_other_when_the_server_stops() {
    const STREAMS: usize = 20;
    let drain = Duration::from_secs(2);
    let (address, stop, ending) = start_with(Most::default(), Patience::default(), drain).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(open_stream(address).await);
    }
    let started = std::time::Instant::now();
    stop.cancel();
    // Meanwhile others are answered, and no stream begins.
    assert!(ask(address, "GET", "/", "localhost").await.starts_with("HTTP/1.1 303"));
    let refused = ask(address, "GET", "/api/agents/events?runId=a", "localhost").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("stopping"), "{refused}");
    let mut late = TcpStream::connect(address).await.unwrap();
    late.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("connection: close\r\n"), "{answer}");
    let ends = streams.into_iter().map(|mut stream| {
        tokio::spawn(async move {
            let mut rest = String::new();
            // Its connection ends with it: whoever comes back on the same one would be refused.
            stream.read_to_string(&mut rest).await.unwrap();
            assert!(rest.ends_with("\r\n0\r\n\r\n"), "the stream broke off: {rest}");
            let again = rest.lines().filter_map(|line| line.strip_prefix("retry: ")).next_back().expect("when to come back");
            (started.elapsed(), again.parse::<u32>().unwrap())
        })
    });
    let mut ended = Vec::new();
    for end in ends.collect::<Vec<_>>() {
        ended.push(end.await.unwrap());
    }
    ending.await.unwrap();
    let (first, last) = (ended.iter().min().unwrap().0, ended.iter().max().unwrap().0);
    // Twenty random shares of two seconds are nearer to each other than half a second once in 10^10.
    assert!(last > first + drain / 4, "all ended between {first:?} and {last:?}");
    assert!(last < drain + Duration::from_secs(5), "the last ended after {last:?}");
    ended.sort_by_key(|(_, again)| *again);
    ended.dedup_by_key(|(_, again)| *again);
    assert!(ended.len() > STREAMS / 2, "they are told the same time to come back: {ended:?}");
}

#[test]
fn an_open_stream_takes_little_for_whom_it_may_have_to_end() {
    let config: tokio_postgres::Config = "postgres://nobody@127.0.0.1:1/none".parse().unwrap();
    let pool = deadpool_postgres::Pool::builder(deadpool_postgres::Manager::new(config, tokio_postgres::NoTls)).build().unwrap();
    let (settled, stop) = (watch::Sender::new(Settled::default()).subscribe(), CancellationToken::new());
    let live = Hub::new(pools(&pool), settled.clone(), Arc::new(Life::new(None)), stop.clone());
    let state = State::new(pool, live, settled, Limits::new(Most::default()), Drain { stop, time: Duration::ZERO });
    let ended = state.session().unwrap().ended();
    assert!(size_of_val(&ended) < 1_024, "{} bytes", size_of_val(&ended));
}
