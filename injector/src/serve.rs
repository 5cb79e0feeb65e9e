//! `agent-comms-injector serve`: binds, says where, serves, stops in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use service::admin::{self, Readiness};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::cli::ServeArgs;
use crate::metrics::Metrics;
use crate::server::{self, Webhook};

/// Endpoints hear of a lost readiness within a few seconds; until then new reviews still come.
const LINGER: Duration = Duration::from_secs(5);
/// Then what is open has this long to end; together below the pod's grace period of 30 s.
const DRAIN: Duration = Duration::from_secs(10);

/// A server that has its ports and does not serve yet.
pub struct Bound {
    /// Where reviews go.
    pub address: SocketAddr,
    /// Where health and metrics are.
    pub admin_address: SocketAddr,
    listener: TcpListener,
    admin_listener: TcpListener,
    acceptor: TlsAcceptor,
    webhook: Arc<Webhook>,
    registry: Arc<Registry>,
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(arguments: ServeArgs) -> anyhow::Result<()> {
    service::logs::start(&arguments.logs);
    let stop = service::signals::stop_token()?;
    let bound = bind(arguments).await?;
    bound.serve(stop, LINGER).await;
    Ok(())
}

/// Loads the certificate and takes the ports.
pub async fn bind(arguments: ServeArgs) -> anyhow::Result<Bound> {
    let config = service::tls::server_config(&arguments.tls_cert, &arguments.tls_key, &["h2", "http/1.1"])?;
    let options = arguments.pods.options()?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let listener = admin::bind("reviews", arguments.listen).await?;
    let admin_listener = admin::bind("health and metrics", arguments.admin_listen).await?;
    let address = listener.local_addr().context("cannot read the address of the listener")?;
    let admin_address = admin_listener.local_addr().context("cannot read the address of the admin listener")?;
    tracing::info!(
        listen = %address,
        admin_listen = %admin_address,
        version = env!("CARGO_PKG_VERSION"),
        image = options.image,
        nats.url = options.nats_url,
        "listening"
    );
    Ok(Bound {
        address,
        admin_address,
        listener,
        admin_listener,
        acceptor: TlsAcceptor::from(Arc::new(config)),
        webhook: Arc::new(Webhook { options, metrics }),
        registry: Arc::new(registry),
    })
}

impl Bound {
    /// Serves until `stop` is cancelled. Then readiness goes first, reviews are answered for `linger` more, and open connections end.
    pub async fn serve(self, stop: CancellationToken, linger: Duration) {
        let readiness = Readiness::default();
        readiness.hold("certificate");
        readiness.hold("serving");
        let closed = CancellationToken::new();
        let admin = tokio::spawn(admin::serve(self.admin_listener, readiness.clone(), self.registry, closed.clone()));
        let reviews = CancellationToken::new();
        let serving = server::serve(self.listener, self.acceptor, self.webhook, reviews.clone(), DRAIN);
        let stopping = async {
            stop.cancelled().await;
            readiness.fail("serving", "stopping");
            tokio::time::sleep(linger).await;
            reviews.cancel();
        };
        tokio::join!(serving, stopping);
        closed.cancel();
        if let Err(error) = admin.await {
            tracing::warn!(%error, "the admin port ended badly");
        }
    }
}
