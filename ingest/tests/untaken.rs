//! Whoever asks for much and takes nothing of it costs no more than is set aside for that.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::client::conn::http2::SendRequest;
use ingest::settled::Settled;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::history::Server;
use crate::hub::{RUN, at};
use crate::table::{Table, stored};

/// Four MiB.
const PAGE: &str = "/api/agents/runs/u1/messages?limit=1000";
/// As many such pages as there is room for.
const MOST: usize = 24;

/// The code of an answer over HTTP/1.1, and the connection, of whose answer nothing more is taken.
async fn ask_first(address: SocketAddr) -> (u16, tokio::net::TcpStream) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(format!("GET {PAGE} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    (std::str::from_utf8(&head[9..]).unwrap().parse().unwrap(), stream)
}

/// One connection of HTTP/2 that grants next to nothing.
async fn open_second(address: SocketAddr) -> SendRequest<String> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
    builder.initial_stream_window_size(1);
    let (sender, connection) = builder.handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The code of an answer over HTTP/2, and the answer, of which nothing is taken.
async fn ask_second(sender: &mut SendRequest<String>, address: SocketAddr) -> (u16, hyper::Response<hyper::body::Incoming>) {
    let request = hyper::Request::get(format!("http://{address}{PAGE}")).body(String::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    (answer.status().as_u16(), answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_have_a_bound_together_and_leave_room_when_they_end() {
    let table = Table::new("untaken").await;
    // Short enough to be sent whole.
    let text = "x".repeat(200 << 10);
    for sequence in 1..=24 {
        table.insert(&stored(sequence, RUN, &format!(r#"{{"content":"{text}"}}"#))).await;
    }
    let server = Server::start(&table, Settled::at(at(24))).await;
    let address = server.address;
    // One after the other, so that none is refused for the time that making others takes: those that are made are there still.
    let mut first = Vec::new();
    let mut seconds = open_second(address).await;
    let mut second = Vec::new();
    let made = loop {
        let answer = ask_first(address).await;
        if answer.0 == 503 {
            break first.len() + second.len();
        }
        first.push(answer);
        let answer = ask_second(&mut seconds, address).await;
        if answer.0 == 503 {
            break first.len() + second.len();
        }
        second.push(answer);
        assert!(first.len() + second.len() <= MOST, "{} answers of 4 MiB are held", first.len() + second.len());
    };
    assert!(first.iter().all(|(code, _)| *code == 200) && second.iter().all(|(code, _)| *code == 200));
    assert!(made >= MOST / 2, "only {made} answers have room");

    drop((first, second, seconds));
    let again = async { while ask_first(address).await.0 != 200 {} };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("what is not wanted any more makes room");
}
