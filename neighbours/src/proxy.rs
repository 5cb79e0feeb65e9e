//! A network that fails: a proxy between a client and a NATS server, which does to their bytes what networks do.
//!
//! It ends the client's TLS and speaks TLS to the server as a user of its own, so that it sees the protocol's frames: it can
//! lose answers alone, and break off in the middle of a frame. Everything that it passes on is passed on as it came.

mod frames;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::task::AbortOnDropHandle;

use crate::certificates::IdentityFiles;
use crate::nats::Credentials;

const CHUNK: usize = 16 * 1024;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It works.
    None,
    /// Connections are reset, and new ones too.
    Cut,
    /// Connections stay open and nothing passes, in either direction.
    Stall,
    /// Every chunk of bytes takes this long.
    Delay(Duration),
    /// So many bytes a second pass, in each direction.
    Throttle(u32),
    /// What the client publishes arrives; the answers to it are lost, and nothing else is.
    LoseAnswers,
}

/// A proxy. It ends with this value, and its connections with it.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    network: Arc<Network>,
    _accepting: AbortOnDropHandle<()>,
}

struct Network {
    fault: watch::Sender<Fault>,
    /// After so many more bytes from clients the connection that brings them is reset; 0 for never.
    reset_after: AtomicU64,
    lost_answers: AtomicU64,
    server_port: u16,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

/// Both ends of TLS.
struct TlsParts {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Network").field("fault", &*self.fault.borrow()).finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy in front of the server on this port of loopback. It shows clients `server`, a certificate that they trust,
    /// and speaks to the server with these credentials.
    pub async fn start(server_port: u16, server: &IdentityFiles, credentials: &Credentials) -> Result<Self> {
        let TlsParts { acceptor, connector } = tls(server, credentials).context("cannot set up the proxy's TLS")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (fault, _) = watch::channel(Fault::None);
        let (reset_after, lost_answers) = (AtomicU64::new(0), AtomicU64::new(0));
        let network = Arc::new(Network { fault, reset_after, lost_answers, server_port, acceptor, connector });
        let accepting = AbortOnDropHandle::new(tokio::spawn(accept(listener, Arc::clone(&network))));
        Ok(Self { port, network, _accepting: accepting })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("tls://127.0.0.1:{}", self.port)
    }

    /// From now on the network does this.
    pub fn set(&self, fault: Fault) {
        self.network.fault.send_replace(fault);
    }

    /// The connection that brings the byte after these is reset in front of it: in the middle of whatever it is in.
    pub fn reset_after(&self, bytes: u64) {
        self.network.reset_after.store(bytes, Ordering::Relaxed);
    }

    /// How many answers were lost.
    #[must_use]
    pub fn lost_answers(&self) -> u64 {
        self.network.lost_answers.load(Ordering::Relaxed)
    }
}

fn tls(server: &IdentityFiles, credentials: &Credentials) -> Result<TlsParts> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificates = |files: &IdentityFiles| -> Result<Vec<CertificateDer<'static>>> {
        Ok(CertificateDer::pem_file_iter(&files.certificate)?.collect::<Result<_, _>>()?)
    };
    let shown = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates(server)?, PrivateKeyDer::from_pem_file(&server.key)?)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&credentials.ca)? {
        roots.add(certificate?)?;
    }
    let spoken = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&credentials.files)?, PrivateKeyDer::from_pem_file(&credentials.files.key)?)?;
    Ok(TlsParts { acceptor: TlsAcceptor::from(Arc::new(shown)), connector: TlsConnector::from(Arc::new(spoken)) })
}

async fn accept(listener: TcpListener, network: Arc<Network>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let network = Arc::clone(&network);
        connections.spawn(async move {
            // Its end is what a client sees of it.
            if let Err(error) = serve(client, &network).await {
                tracing::debug!(error = format!("{error:#}"), "a connection of the proxy ended");
            }
        });
    }
}

async fn serve(client: TcpStream, network: &Network) -> Result<()> {
    // A reset instead of an orderly end: what is on the way is lost.
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
    let mut fault = network.fault.subscribe();
    if *fault.borrow() == Fault::Cut {
        return Ok(());
    }
    tokio::select! {
        served = pass(client, network) => served,
        cut = fault.wait_for(|fault| *fault == Fault::Cut) => Ok(cut.map(drop)?),
    }
}

async fn pass(mut client: TcpStream, network: &Network) -> Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, network.server_port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // The server greets before TLS begins.
    let mut server = BufReader::with_capacity(1, server);
    let mut greeting = Vec::new();
    server.read_until(b'\n', &mut greeting).await?;
    client.write_all(&greeting).await?;
    let name = ServerName::IpAddress(std::net::IpAddr::from(Ipv4Addr::LOCALHOST).into());
    let server = network.connector.connect(name, server.into_inner()).await?;
    let client = network.acceptor.accept(client).await?;
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    tokio::select! {
        ended = upwards(from_client, to_server, network) => ended,
        ended = downwards(from_server, to_client, network) => ended,
    }
}

/// From the client to the server.
async fn upwards(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    network: &Network,
) -> Result<()> {
    let mut fault = network.fault.subscribe();
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        suffer(&mut fault, length).await?;
        let left = network.reset_after.load(Ordering::Relaxed);
        if left > 0 && left <= length as u64 {
            network.reset_after.store(0, Ordering::Relaxed);
            to.write_all(&chunk[..usize::try_from(left)?]).await?;
            to.flush().await?;
            return Ok(());
        }
        network.reset_after.fetch_sub(if left > 0 { length as u64 } else { 0 }, Ordering::Relaxed);
        to.write_all(&chunk[..length]).await?;
        to.flush().await?;
    }
}

/// From the server to the client, frame by frame.
async fn downwards(
    from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    network: &Network,
) -> Result<()> {
    let mut fault = network.fault.subscribe();
    let mut from = BufReader::with_capacity(CHUNK, from);
    let mut frame = Vec::new();
    while frames::read(&mut from, &mut frame).await? {
        suffer(&mut fault, frame.len()).await?;
        if *fault.borrow() == Fault::LoseAnswers && frames::is_answer(&frame) {
            network.lost_answers.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        to.write_all(&frame).await?;
        if from.buffer().is_empty() {
            to.flush().await?;
        }
    }
    Ok(())
}

/// Takes as long as the network does.
async fn suffer(fault: &mut watch::Receiver<Fault>, bytes: usize) -> Result<()> {
    let now = *fault.borrow_and_update();
    match now {
        Fault::None | Fault::Cut | Fault::LoseAnswers => {}
        Fault::Stall => drop(fault.wait_for(|fault| *fault != Fault::Stall).await?),
        Fault::Delay(delay) => tokio::time::sleep(delay).await,
        Fault::Throttle(rate) => {
            let seconds = f64::from(u32::try_from(bytes)?) / f64::from(rate.max(1));
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
    }
    Ok(())
}
