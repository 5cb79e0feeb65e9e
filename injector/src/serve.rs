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

use crate::certificates::keeper::Keeper;
use crate::certificates::metrics::CertificateMetrics;
use crate::certificates::options::Mode;
use crate::cli::ServeArgs;
use crate::cluster::Cluster;
use crate::events::{self, Teller};
use crate::metrics::{EventMetrics, Metrics, MissMetrics, OwnerMetrics};
use crate::misses::Misses;
use crate::owners::Owners;
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
    keeper: Keeper,
    cluster: Option<Cluster>,
    misses: Option<Misses>,
    teller: Teller,
    /// Whether it is ready, to be asked while it serves.
    pub readiness: Readiness,
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
    let options = arguments.pods.options()?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let readiness = Readiness::default();
    let cluster = match arguments.certificate.mode() {
        Mode::Files => arguments.cluster.connect_if_there().await?,
        _ => Some(arguments.cluster.connect().await?),
    };
    let source = arguments.certificate.source(cluster.as_ref())?;
    let keeper = Keeper::new(source, CertificateMetrics::register(&mut registry), readiness.clone())?;
    let owners = cluster.as_ref().map(|_| Arc::new(Owners::new(OwnerMetrics::register(&mut registry))));
    let (events, teller) = events::channel(EventMetrics::register(&mut registry));
    let events = (cluster.is_some() && !arguments.no_events).then_some(events);
    let misses = cluster.as_ref().map(|cluster| {
        let metrics = MissMetrics::register(&mut registry);
        Misses::new(options.clone(), cluster.namespace.clone(), readiness.clone(), events.clone(), metrics)
    });
    let config = service::tls::server_config(keeper.served(), &["h2", "http/1.1"])?;
    let listener = admin::bind("reviews", arguments.listen).await?;
    let admin_listener = admin::bind("health and metrics", arguments.admin_listen).await?;
    let address = listener.local_addr().context("cannot read the address of the listener")?;
    let admin_address = admin_listener.local_addr().context("cannot read the address of the admin listener")?;
    tracing::info!(
        listen = %address,
        admin_listen = %admin_address,
        version = env!("CARGO_PKG_VERSION"),
        image = options.image,
        nats.url = options.nats_url.as_deref().map(service::nats::told_url),
        nats.auth = options.nats_auth.as_str(),
        "listening"
    );
    Ok(Bound {
        address,
        admin_address,
        listener,
        admin_listener,
        acceptor: TlsAcceptor::from(Arc::new(config)),
        webhook: Arc::new(Webhook { options, metrics, owners, events }),
        registry: Arc::new(registry),
        keeper,
        cluster,
        misses,
        teller,
        readiness,
    })
}

impl Bound {
    /// Serves until `stop` is cancelled. Then readiness goes first, reviews are answered for `linger` more, and open connections end.
    pub async fn serve(self, stop: CancellationToken, linger: Duration) {
        let readiness = self.readiness;
        readiness.hold("serving");
        let closed = CancellationToken::new();
        let keeping = tokio::spawn(self.keeper.run(closed.clone()));
        let admin = tokio::spawn(admin::serve(self.admin_listener, readiness.clone(), self.registry, closed.clone()));
        if let (Some(cluster), Some(owners), Some(misses)) = (self.cluster, &self.webhook.owners, self.misses) {
            tokio::spawn(misses.follow(cluster.client.clone(), closed.clone()));
            tokio::spawn(owners.clone().follow(cluster.client.clone(), closed.clone()));
            tokio::spawn(self.teller.run(cluster.client, closed.clone()));
        }
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
        for (what, ended) in [("admin port", admin.await), ("certificate keeper", keeping.await)] {
            if let Err(error) = ended {
                tracing::warn!(%error, task.name = what, "a task ended badly");
            }
        }
    }
}
