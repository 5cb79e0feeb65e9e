//! What is stored is served, live and as history.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::World;

/// Reads an answer until it holds this text.
async fn read_until(stream: &mut tokio::net::TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    let read = async {
        while !text.contains(wanted) {
            let count = stream.read(&mut buffer).await.expect("read");
            assert!(count > 0, "the answer ended without `{wanted}`: {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(30), read).await.is_ok();
    assert!(in_time, "no `{wanted}` in 30 s: {text}");
    text
}

/// What readiness says, condition by condition.
pub(crate) async fn readyz(admin: std::net::SocketAddr) -> String {
    let mut stream = tokio::net::TcpStream::connect(admin).await.expect("connected");
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("read");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_the_history_and_then_what_is_said_live() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..3).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 3).await;
    let mut viewer = tokio::net::TcpStream::connect(running.api).await.expect("connected");
    let request = "GET /api/agents/events?workflowUid=u-1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    viewer.write_all(request.as_bytes()).await.expect("sent");
    let history = read_until(&mut viewer, "caught_up").await;
    assert!(history.contains("number 0") && history.contains("number 2"), "{history}");
    world.publish_numbered(3..4).await;
    read_until(&mut viewer, "number 3").await;
    let mut list = tokio::net::TcpStream::connect(running.api).await.expect("connected");
    let request = "GET /api/agents/runs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    list.write_all(request.as_bytes()).await.expect("sent");
    read_until(&mut list, "\"u-1\"").await;
    let mut admin = tokio::net::TcpStream::connect(running.admin).await.expect("connected");
    admin.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    read_until(&mut admin, "stream: ok").await;
    // Open streams end with the token: they hold nothing up.
    stop.cancel();
    running.wait().await.expect("stopped");
}
