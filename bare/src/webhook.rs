//! The yardstick that the injector's server is measured by: hyper and rustls as the injector has them, and an answer that was made
//! beforehand. It reads the body, as it must, and looks at nothing in it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Answers every request over TLS with the same file
#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    tls_cert: PathBuf,
    #[arg(long)]
    tls_key: PathBuf,
    #[arg(long)]
    answer: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    service::tls::install_provider();
    service::exit::report("bare-webhook", serve(Arguments::parse()).await)
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let certificates = service::tls::certificates(&arguments.tls_cert)?;
    let key = service::tls::private_key(&arguments.tls_key)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let answer = std::fs::read(&arguments.answer).with_context(|| format!("cannot read `{}`", arguments.answer.display()))?;
    let answer = Bytes::from(answer);
    let listener = TcpListener::bind(arguments.listen).await.context("cannot listen")?;
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        tokio::spawn(connection(stream, acceptor.clone(), answer.clone()));
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, answer: Bytes) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            // A client that breaks off gets no answer anyway.
            drop(request.into_body().collect().await);
            Ok::<_, Infallible>(Response::new(Full::new(answer)))
        }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    builder.serve_connection(TokioIo::new(stream), service).await.map_err(anyhow::Error::from_boxed)
}
