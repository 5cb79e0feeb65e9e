//! `serve`: starts the parts of ingest and stops them in order.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use deadpool_postgres::Pool;
use futures_util::future::{Either, select};
use prometheus_client::registry::Registry;
use service::admin::{self, Readiness};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::args::ServeArgs;
use crate::consume::life::Life;
use crate::consume::{self, CONSUMER_CONDITION, READ_CONDITION, STORE_CONDITION, STREAM_CONDITION, Storing};
use crate::http;
use crate::http::limits::Limits;
use crate::http::session::Drain;
use crate::live::Hub;
use crate::metrics::Metrics;
use crate::readback;
use crate::retention::{self, Retention};
use crate::settled::Settled;
use crate::store::{self, migrate::migrate};

/// The condition of readiness that ends first.
pub const SERVING_CONDITION: &str = "serving";
/// Whether what is said now is followed.
pub const LIVE_CONDITION: &str = "live";
/// How long it may not be before others should be asked: longer than it takes to follow the stream again.
const NOT_LIVE: Duration = Duration::from_secs(10);
/// Pause before migrations are tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long the last acknowledgements may take to leave.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A started ingest.
#[derive(Debug)]
pub struct Running {
    /// Where the API and the pages are served.
    pub api: SocketAddr,
    /// Where health and metrics are served.
    pub admin: SocketAddr,
    tasks: JoinSet<&'static str>,
    client: async_nats::Client,
    stop: CancellationToken,
    /// Ends last: health is told until everything else has stopped.
    stop_admin: CancellationToken,
    _scratch: tempfile::TempDir,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When a setting cannot be used.
pub async fn run(args: &ServeArgs) -> anyhow::Result<()> {
    service::logs::start(&args.logs);
    let stop = service::signals::stop_token()?;
    start(args, stop).await?.wait().await
}

/// Binds the listeners and starts everything. `PostgreSQL` and NATS may be away; the admin port says so.
///
/// # Errors
/// When a setting cannot be used: a file, a URL, an address in use.
pub async fn start(args: &ServeArgs, stop: CancellationToken) -> anyhow::Result<Running> {
    crate::http::check_reach(&args.serving, args.access.access)?;
    let pools = store::pool::open_parted(&args.database)?;
    let scratch = tempfile::tempdir().context("cannot make a temporary directory; set TMPDIR to one that may be written to")?;
    let options = args.nats.options("agent-comms-ingest", scratch.path())?;
    let servers = args.nats.servers()?;
    let tls = args.serving.tls()?;
    // Each stream is a connection.
    let descriptors = service::descriptors::raise_limit();
    let api_listener = admin::bind("the api", args.serving.listen).await?;
    let admin_listener = admin::bind("health and metrics", args.admin_listen).await?;
    let (api, admin) = (api_listener.local_addr()?, admin_listener.local_addr()?);
    tracing::info!(
        service.version = env!("CARGO_PKG_VERSION"),
        api.address = %api,
        admin.address = %admin,
        nats.url = args.nats.told_url(),
        retention.days = args.retention_days,
        access.mode = args.access.access.as_str(),
        tls = tls.is_some(),
        streams.most = args.serving.max_streams,
        descriptors.most = descriptors,
        "starting"
    );
    let client = options.connect(servers).await.context("cannot set up the connection to nats")?;
    let readiness = Readiness::default();
    for condition in [STORE_CONDITION, READ_CONDITION, STREAM_CONDITION, CONSUMER_CONDITION, LIVE_CONDITION] {
        readiness.fail(condition, "not reached yet");
    }
    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::default());
    metrics.register(&mut registry);
    let settled = watch::Sender::new(Settled::default());
    let jetstream = jetstream::new(client.clone());
    let life = Arc::new(Life::new(Some(client.statistics())));
    // Viewers go on while their streams end one after the other: what is behind them stops last.
    let stop_rest = CancellationToken::new();
    let heartbeat = Duration::from_secs(args.serving.heartbeat_seconds);
    let hub = Hub::with_heartbeat(pools.clone(), settled.subscribe(), life.clone(), stop_rest.clone(), heartbeat);
    hub.register(&mut registry);
    let reading_back = Arc::new(readback::Metrics::default());
    reading_back.register(&mut registry);
    let days = Arc::new(retention::Metrics::default());
    days.register(&mut registry);
    store::pool::metrics::register(&pools, &mut registry);

    let access = Access::new(&args.access, &mut registry).await?;
    let drain = Drain { stop: stop.clone(), time: Duration::from_secs(args.serving.drain_seconds) };
    let state =
        http::State::new(pools.reading.clone(), hub.clone(), settled.subscribe(), Limits::new(args.serving.most()), drain);
    let server = http::Server::new(state, access);
    server.register(&mut registry);

    let mut tasks = JoinSet::new();
    let stop_admin = CancellationToken::new();
    tokio::spawn(admin::serve(admin_listener, readiness.clone(), Arc::new(registry), stop_admin.clone()));
    let (serving, rest) = (readiness.clone(), stop_rest.clone());
    readiness.hold(SERVING_CONDITION);
    let told = stop.clone();
    tasks.spawn(async move {
        let telling = async {
            told.cancelled().await;
            serving.fail(SERVING_CONDITION, "stopping");
            std::future::pending::<()>().await;
        };
        tokio::select! { () = server.serve(api_listener, tls) => {}, () = telling => {} }
        rest.cancel();
        "the api"
    });
    let source = readback::Source { pool: pools.reading, settled: settled.subscribe() };
    let (asked, stop_reading) = (client.clone(), stop_rest.clone());
    tasks.spawn(async move {
        readback::run(asked, source, reading_back, stop_reading).await;
        "reading back"
    });
    let storing = Storing {
        pool: pools.storing,
        jetstream,
        retention_days: args.retention_days,
        readiness,
        metrics,
        settled,
        life,
        stop: stop_rest.clone(),
    };
    let bytes = args.retention_bytes.map(|size| size.0);
    let keeping = retention::run(storing.pool.clone(), Retention { days: args.retention_days, bytes }, days, stop_rest);
    tasks.spawn(store_and_follow(storing, keeping, hub));
    if let Some(path) = &args.ready_file {
        write_ready_file(path, api, admin)?;
    }
    Ok(Running { api, admin, tasks, client, stop, stop_admin, _scratch: scratch })
}

/// The schema comes first: storing, retention and live all read it.
async fn store_and_follow(storing: Storing, keeping: impl Future<Output = ()>, hub: Hub) -> &'static str {
    if prepare(&storing.pool, &storing.readiness, &storing.stop).await {
        let jetstream = storing.jetstream.clone();
        let stop = storing.stop.clone();
        let telling = tell_live(&hub, &storing.readiness, &stop);
        let storing = until_both_end(&stop, consume::run(storing.clone()), keeping);
        let live = until_both_end(&stop, hub.run(jetstream), telling);
        until_both_end(&stop, storing, live).await;
    }
    "storing"
}

/// Tells whether what is said now is followed, until it is told to stop.
async fn tell_live(hub: &Hub, readiness: &Readiness, stop: &CancellationToken) {
    let mut live_at = None;
    while !stop.is_cancelled() {
        let now = Instant::now();
        if hub.is_live() {
            live_at = Some(now);
            readiness.hold(LIVE_CONDITION);
        } else if live_at.is_some_and(|at| now - at > NOT_LIVE) {
            readiness.fail(LIVE_CONDITION, "the stream is not followed; the log says why");
        }
        consume::pause(stop, RETRY).await;
    }
}

/// Neither ends before it is told to, unless it broke off; then so must the other.
async fn until_both_end(stop: &CancellationToken, one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    match select(pin!(one), pin!(other)).await {
        Either::Left(((), other)) if stop.is_cancelled() => other.await,
        Either::Right(((), one)) if stop.is_cancelled() => one.await,
        _ => {}
    }
}

/// Migrates, for as long as it takes; false when it was stopped before.
async fn prepare(pool: &Pool, readiness: &Readiness, stop: &CancellationToken) -> bool {
    loop {
        match migrate(pool).await {
            Ok(()) => {
                readiness.hold(STORE_CONDITION);
                return true;
            }
            Err(error) => readiness.fail(STORE_CONDITION, format!("{:#}", anyhow::Error::from(error))),
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = stop.cancelled() => return false,
        }
    }
}

impl Running {
    /// Waits until it was told to stop and has stopped, or until a vital part ended by itself.
    ///
    /// # Errors
    /// When a part ended that was not told to.
    pub async fn wait(mut self) -> anyhow::Result<()> {
        let mut ended_early = None;
        while let Some(ended) = self.tasks.join_next().await {
            if !self.stop.is_cancelled() {
                let what = match ended {
                    Ok(part) => format!("{part} ended by itself; this is a bug"),
                    Err(error) => format!("a part broke off: {error}"),
                };
                ended_early.get_or_insert(what);
                self.stop.cancel();
            }
        }
        // The last acknowledgements, so that the next replica does not get the same messages again.
        if tokio::time::timeout(LAST_WORDS, self.client.flush()).await.is_err() {
            tracing::info!("nats is away, the last acknowledgements were not sent");
        }
        self.stop_admin.cancel();
        match ended_early {
            None => Ok(()),
            Some(what) => Err(anyhow::anyhow!(what)),
        }
    }
}

/// In one step, so that nobody reads half of it.
fn write_ready_file(path: &Path, api: SocketAddr, admin: SocketAddr) -> anyhow::Result<()> {
    let text = serde_json::json!({ "api": api.to_string(), "admin": admin.to_string() }).to_string();
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text)
        .and_then(|()| std::fs::rename(&partial, path))
        .with_context(|| format!("cannot write the ready file `{}`; give a path that may be written to", path.display()))
}
