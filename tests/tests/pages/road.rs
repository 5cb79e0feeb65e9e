//! What lies between a browser and ingest: it passes bytes on, is cut, falls silent, or answers in place of ingest, as a proxy
//! does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
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

/// Where it leads now, and what became of the connections that were there before.
#[derive(Debug, Clone, Copy)]
struct Now {
    state: State,
    server: SocketAddr,
    /// Connections that were there pass nothing any more, and nobody is told.
    forgotten: bool,
}

/// The requests that passed, in the order in which they began: the path and query of each.
type Asked = Arc<Mutex<Vec<String>>>;

/// A road to one server; it ends with this value.
pub struct Road {
    pub address: SocketAddr,
    now: Arc<watch::Sender<Now>>,
    asked: Asked,
    _accepting: AbortOnDropHandle<()>,
}

impl Road {
    /// An open road to this address.
    pub async fn to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let now = Arc::new(watch::Sender::new(Now { state: State::Open, server, forgotten: false }));
        let asked = Asked::default();
        let (seen, heard) = (now.clone(), asked.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, seen.subscribe(), heard.clone()));
            }
        });
        Ok(Self { address, now, asked, _accepting: AbortOnDropHandle::new(accepting) })
    }

    /// From now on it does this. Connections that were there are closed.
    pub fn becomes(&self, state: State) {
        self.now.send_modify(|now| (now.state, now.forgotten) = (state, false));
    }

    /// From now on it leads to this server. Connections that were there are closed.
    pub fn leads_to(&self, server: SocketAddr) {
        self.now.send_modify(|now| (now.server, now.forgotten) = (server, false));
    }

    /// Forgets the connections that are there, as a router does that was started anew: both ends think they are open.
    pub fn forgets(&self) {
        self.now.send_modify(|now| now.forgotten = true);
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.now.receiver_count()
    }

    /// The path and query of every request of this path that passed, in the order in which they began.
    pub fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|asked| asked.split('?').next() == Some(path)).cloned().collect()
    }
}

async fn pass(mut client: TcpStream, mut now: watch::Receiver<Now>, asked: Asked) {
    let Now { state, server, .. } = *now.borrow_and_update();
    match state {
        State::Cut => {}
        State::Answers(status) => drop(answer(&mut client, status).await),
        State::Open => {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let (client_in, client_out) = client.into_split();
            let (mut server_in, server_out) = server.into_split();
            let mut client_out = client_out;
            tokio::select! {
                // However it ends, both ends are closed.
                () = ask(client_in, server_out, &asked) => {}
                _ended = copy(&mut server_in, &mut client_out) => {}
                _changed = now.changed() => {
                    // Nothing passes, and the ends stay open, until something else happens to the road.
                    while now.borrow_and_update().forgotten {
                        if now.changed().await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }
}

/// Passes requests on, and notes them. A browser sends each as a piece of its own.
async fn ask(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, asked: &Mutex<Vec<String>>) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let Ok(read @ 1..) = client.read(&mut bytes).await else { return };
        let line = String::from_utf8_lossy(&bytes[..read]).lines().next().unwrap_or_default().to_owned();
        if let ["GET", target, "HTTP/1.1"] = line.split(' ').collect::<Vec<_>>()[..] {
            asked.lock().unwrap_or_else(PoisonError::into_inner).push(target.to_owned());
        }
        if server.write_all(&bytes[..read]).await.is_err() {
            return;
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
