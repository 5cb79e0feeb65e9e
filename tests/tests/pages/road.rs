//! What lies between a browser and ingest: it passes bytes on, is cut, or answers in place of ingest, as a proxy does.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It passes everything on.
    Open,
    /// Connections are closed, and new ones too.
    Cut,
    /// Connections are closed, and every request on a new one is answered with this status.
    Answers(u16),
}

/// A road to one server; it ends with this value.
pub struct Road {
    pub address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    _accepting: AbortOnDropHandle<()>,
}

impl Road {
    /// An open road to this address.
    pub async fn to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(State::Open));
        let seen = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, server, seen.subscribe()));
            }
        });
        Ok(Self { address, state, _accepting: AbortOnDropHandle::new(accepting) })
    }

    /// From now on it does this.
    pub fn becomes(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn pass(mut client: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>) {
    let now = *state.borrow_and_update();
    match now {
        State::Cut => {}
        State::Answers(status) => drop(answer(&mut client, status).await),
        State::Open => {
            let Ok(mut server) = TcpStream::connect(server).await else { return };
            tokio::select! {
                // However it ends, both ends are closed.
                _ended = copy_bidirectional(&mut client, &mut server) => {}
                _changed = state.changed() => {}
            }
        }
    }
}

async fn answer(client: &mut TcpStream, status: u16) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut byte = [0; 1024];
        let read = client.read(&mut byte).await?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&byte[..read]);
    }
    let answer = format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}
