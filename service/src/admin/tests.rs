use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

#[test]
fn a_failing_condition_is_named_until_it_holds() {
    let readiness = Readiness::default();
    readiness.hold("nats");
    readiness.fail("postgres", "connection refused");
    assert!(!readiness.is_ready());
    let (status, body) = readiness.report();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, "nats: ok\npostgres: connection refused\n");
    readiness.hold("postgres");
    assert_eq!(readiness.report().0, StatusCode::OK);
}

/// Serves; where, and what ends it and waits for that.
async fn serving() -> (SocketAddr, impl AsyncFnOnce()) {
    let listener = bind("tests", ([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, Readiness::default(), Arc::new(Registry::default()), stop.clone()));
    (address, async move || {
        stop.cancel();
        served.await.unwrap();
    })
}

#[tokio::test]
async fn whoever_keeps_connections_open_keeps_no_question_away() {
    let (address, end) = serving().await;
    let mut idle = Vec::new();
    for _ in 0..=MOST_CONNECTIONS {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let mut asking = TcpStream::connect(address).await.unwrap();
    asking.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    asking.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    // The two oldest had to go, no other.
    for mut oldest in idle.drain(..2) {
        assert_eq!(oldest.read(&mut [0]).await.unwrap(), 0);
    }
    for other in idle {
        let error = other.try_read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
    end().await;
}

#[tokio::test]
async fn the_port_answers_and_stops_with_the_token() {
    let (address, end) = serving().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    end().await;
}

#[tokio::test]
async fn a_taken_address_is_named_with_the_way_out() {
    let taken = bind("tests", ([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind("the api", address).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on `{address}` for the api; choose another address or stop what uses it")
    );
}
