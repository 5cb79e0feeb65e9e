//! The network between readers and replicas: it passes bytes on to one of them, and cuts connections off as networks and
//! proxies do.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::SILENCE;

/// What happens to all connections that are open. New ones are made as ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The next message is broken off in the middle, and the connection reset.
    MiddleOfFrame,
    /// The connection ends in order, as far as TCP is concerned.
    Close,
    /// Nothing passes any more, and neither end is told; after a time the connection is forgotten, as by a proxy that thinks
    /// it idle.
    Silence,
}

/// The network. It ends with this value.
#[derive(Debug)]
pub struct Network {
    pub address: SocketAddr,
    server: watch::Sender<SocketAddr>,
    /// What was ordered last, and how many orders there were.
    cuts: watch::Sender<(usize, Option<Cut>)>,
    counts: Arc<Counts>,
    _accepting: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    broken_messages: AtomicUsize,
}

impl Network {
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (server, servers) = watch::channel(server);
        let (cuts, _) = watch::channel((0, None));
        let counts = Arc::new(Counts::default());
        let accepting = accept(listener, servers, cuts.clone(), Arc::clone(&counts));
        let accepting = AbortOnDropHandle::new(tokio::spawn(accepting));
        Self { address, server, cuts, counts, _accepting: accepting }
    }

    /// New connections lead to this replica from now on.
    pub fn lead_to(&self, server: SocketAddr) {
        self.server.send_replace(server);
    }

    pub fn cut(&self, cut: Cut) {
        self.cuts.send_modify(|(number, last)| {
            *number += 1;
            *last = Some(cut);
        });
    }

    /// Connections to a replica so far.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// Messages that were broken off so far.
    pub fn broken_messages(&self) -> usize {
        self.counts.broken_messages.load(Ordering::Relaxed)
    }
}

async fn accept(
    listener: TcpListener,
    servers: watch::Receiver<SocketAddr>,
    cuts: watch::Sender<(usize, Option<Cut>)>,
    counts: Arc<Counts>,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (server, cuts, counts) = (*servers.borrow(), cuts.subscribe(), Arc::clone(&counts));
        connections.spawn(async move {
            // The end of a connection is what its reader sees of it.
            drop(pass(client, server, cuts, &counts).await);
        });
    }
}

async fn pass(
    mut client: TcpStream,
    server: SocketAddr,
    mut cuts: watch::Receiver<(usize, Option<Cut>)>,
    counts: &Counts,
) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    counts.connections.fetch_add(1, Ordering::Relaxed);
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    let mut breaks = false;
    loop {
        tokio::select! {
            read = server.read(&mut down) => {
                let length = read?;
                if length == 0 {
                    return client.shutdown().await;
                }
                if breaks && let Some(middle) = middle_of_message(&down[..length]) {
                    client.write_all(&down[..middle]).await?;
                    // So that its reader has this half before it hears of the end.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    counts.broken_messages.fetch_add(1, Ordering::Relaxed);
                    return reset(client);
                }
                client.write_all(&down[..length]).await?;
            }
            read = client.read(&mut up) => match read? {
                0 => return Ok(()),
                length => server.write_all(&up[..length]).await?,
            },
            changed = cuts.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let cut = cuts.borrow_and_update().1;
                match cut {
                    Some(Cut::MiddleOfFrame) => breaks = true,
                    Some(Cut::Close) => return client.shutdown().await,
                    Some(Cut::Silence) => {
                        // The server goes on writing, into the void.
                        drop(tokio::time::timeout(SILENCE, tokio::io::copy(&mut server, &mut tokio::io::sink())).await);
                        return reset(client);
                    }
                    None => {}
                }
            }
        }
    }
}

/// A place within the data of a message.
fn middle_of_message(bytes: &[u8]) -> Option<usize> {
    let begin = b"\ndata: {";
    let at = bytes.windows(begin.len()).position(|window| window == begin)?;
    let middle = at + begin.len() + 100;
    (middle < bytes.len()).then_some(middle)
}

fn reset(client: TcpStream) -> io::Result<()> {
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
    drop(client);
    Ok(())
}
