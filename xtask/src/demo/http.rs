//! One HTTP request whose answer is read line by line.

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// The lines of an answer's body.
pub struct Lines {
    body: Incoming,
    rest: Vec<u8>,
    connection: JoinHandle<hyper::Result<()>>,
}

/// Opens an event stream, after the last event seen if there was one.
pub async fn stream(address: &str, path: &str, last: Option<&str>) -> Result<Lines> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::get(path).header("host", address).header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    let status = response.status();
    if !status.is_success() {
        let body = response.into_body().collect().await?.to_bytes();
        bail!("GET {path} answers {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(Lines { body: response.into_body(), rest: Vec::new(), connection })
}

impl Lines {
    /// The next line without its end; none when the body has ended.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let line = String::from_utf8(line).context("a line of the event stream is no UTF-8")?;
                return Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            if let Ok(data) = frame.context("the event stream broke")?.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
