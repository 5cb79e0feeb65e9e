//! Connections to `PostgreSQL`. Nothing leaves this machine without TLS.

pub mod metrics;

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime, Timeouts};
use rustls::RootCertStore;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::args::DatabaseArgs;

/// How long a connection may take to be had or to be made.
const WAIT: Duration = Duration::from_secs(10);

/// No session waits or works without end: a replica that hangs must not hold what others wait for.
const SESSION: &str = "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = '10s'";

/// The most connections that are kept for storing: two batches, the copies, the floor, retention, and what is followed live.
const MOST_FOR_STORING: u16 = 8;

/// Connections of a replica that serves. Whoever reads waits for others who read, and never holds up what stores.
#[derive(Debug, Clone)]
pub struct Pools {
    /// For storing and all that belongs to it: the floor, copies, retention, and what viewers share of what is said live. It is
    /// asked by a fixed few tasks, whatever is asked by people.
    pub storing: Pool,
    /// For whoever asks: pages, the API, exports, viewers, steps.
    pub reading: Pool,
}

/// Why the settings of the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseSettingsError {
    /// The file of the URL cannot be read.
    #[error("cannot read the database url from `{path}`; give a file that this process may read")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The URL cannot be read. It holds a password, so it is not shown.
    #[error("the database url cannot be read; write it as postgres://user:password@host:5432/name")]
    Url(#[source] tokio_postgres::Error),
    /// Plain text was asked for to another machine.
    #[error(
        "database host `{0}` is not on this machine: sslmode=disable is allowed to 127.0.0.1, ::1, localhost and sockets only"
    )]
    Plaintext(String),
    /// The authorities cannot be used.
    #[error(transparent)]
    Tls(#[from] service::tls::TlsError),
    /// There are no authorities to trust.
    #[error("no certificate authority to trust for the database was found on this system; give one with --database-ca")]
    NoAuthorities,
    /// The TLS library or the pool does not take its own defaults, which a wrong build alone can cause.
    #[error("connections to the database cannot be set up: {0}")]
    Setup(String),
}

/// A pool that connects when it is used: `PostgreSQL` may be away.
///
/// # Errors
/// When a file or the URL cannot be read, or plain text would leave this machine.
pub fn open(args: &DatabaseArgs) -> Result<Pool, DatabaseSettingsError> {
    open_for(args, args.database_connections)
}

/// The connections of a replica that serves, parted: half of them, and 8 at most, are for storing.
///
/// # Errors
/// When a file or the URL cannot be read, or plain text would leave this machine.
pub fn open_parted(args: &DatabaseArgs) -> Result<Pools, DatabaseSettingsError> {
    let storing = (args.database_connections / 2).min(MOST_FOR_STORING);
    Ok(Pools { storing: open_for(args, storing)?, reading: open_for(args, args.database_connections - storing)? })
}

fn open_for(args: &DatabaseArgs, connections: u16) -> Result<Pool, DatabaseSettingsError> {
    let url = match (&args.database_url, &args.database_url_file) {
        (Some(url), _) => url.clone(),
        (None, Some(path)) => std::fs::read_to_string(path)
            .map_err(|source| DatabaseSettingsError::File { path: path.clone(), source })?
            .trim()
            .to_owned(),
        (None, None) => String::new(),
    };
    let mut config = Config::from_str(&url).map_err(DatabaseSettingsError::Url)?;
    if config.get_application_name().is_none() {
        config.application_name("agent-comms-ingest");
    }
    config.connect_timeout(WAIT).keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(Duration::from_secs(30));
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    // An address given beside a name is what is connected to.
    let address = config.get_hostaddrs().iter().find(|address| !address.is_loopback()).map(ToString::to_string);
    let remote = config.get_hosts().iter().find_map(remote_host).or(address);
    let manager = match remote {
        None if config.get_ssl_mode() != SslMode::Require => Manager::from_config(config, NoTls, manager_config),
        Some(host) if config.get_ssl_mode() == SslMode::Disable => return Err(DatabaseSettingsError::Plaintext(host)),
        _ => {
            config.ssl_mode(SslMode::Require);
            Manager::from_config(config, tls(args.database_ca.as_deref())?, manager_config)
        }
    };
    let prepare = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
        Box::pin(async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
    });
    Pool::builder(manager)
        .post_create(prepare)
        .max_size(usize::from(connections))
        // A connection keeps the room that its largest batch took: the one that was used last is used next, so that few of
        // them do.
        .queue_mode(QueueMode::Lifo)
        .timeouts(Timeouts { wait: Some(WAIT), create: Some(WAIT), recycle: Some(WAIT) })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| DatabaseSettingsError::Setup(error.to_string()))
}

/// The host, unless it is this machine.
fn remote_host(host: &Host) -> Option<String> {
    match host {
        Host::Tcp(name) => {
            let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            let local = name == "localhost" || address.is_ok_and(|address| address.is_loopback());
            (!local).then(|| name.clone())
        }
        Host::Unix(_) => None,
    }
}

fn tls(authorities: Option<&Path>) -> Result<MakeRustlsConnect, DatabaseSettingsError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(path) => roots.add_parsable_certificates(service::tls::certificates(path)?),
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    };
    if roots.is_empty() {
        return Err(DatabaseSettingsError::NoAuthorities);
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DatabaseSettingsError::Setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests;
