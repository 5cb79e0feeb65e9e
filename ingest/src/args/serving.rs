//! Settings of the server that people and programs reach.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::http::limits::Most;
use crate::http::tls::Tls;

/// Where it serves, how, and how much at once.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Serving")]
pub struct ServingArgs {
    /// Address of the API and the pages
    #[arg(long, env = "AGENT_COMMS_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Certificate that is served, a PEM file with its chain; read again when its content changes
    #[arg(long, env = "AGENT_COMMS_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, a PEM file
    #[arg(long, env = "AGENT_COMMS_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Listens without TLS on an address that others reach: a proxy or a mesh encrypts the way to it
    #[arg(long, env = "AGENT_COMMS_BEHIND_TLS", conflicts_with = "tls_cert")]
    pub behind_tls: bool,
    /// Event streams and exports at once
    #[arg(long, env = "AGENT_COMMS_MAX_STREAMS", default_value_t = 5_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_streams: u32,
    /// Of these, how many of one user; whoever reads openly is nobody in particular, and has no such limit
    #[arg(long, env = "AGENT_COMMS_MAX_STREAMS_PER_USER", default_value_t = 20, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_streams_per_user: u32,
    /// Other requests at once
    #[arg(long, env = "AGENT_COMMS_MAX_REQUESTS", default_value_t = 256, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_requests: u32,
    /// Of these, how many of one user
    #[arg(long, env = "AGENT_COMMS_MAX_REQUESTS_PER_USER", default_value_t = 32, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_requests_per_user: u32,
    /// Seconds without a message after which an event stream tells that it is there; fewer where a proxy ends what is silent for
    /// less. Readers take a stream for dead that is silent for three times as long
    #[arg(long, env = "AGENT_COMMS_HEARTBEAT_SECONDS", default_value_t = 15, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=15))]
    pub heartbeat_seconds: u64,
    /// Seconds over which streams end when the server stops, each at another moment, so that not all of them ask the next
    /// server at once
    #[arg(long, env = "AGENT_COMMS_DRAIN_SECONDS", default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(0..=300))]
    pub drain_seconds: u64,
}

impl ServingArgs {
    /// How much at once.
    #[must_use]
    pub fn most(&self) -> Most {
        Most {
            streams: self.max_streams,
            streams_per_user: self.max_streams_per_user,
            requests: self.max_requests,
            requests_per_user: self.max_requests_per_user,
        }
    }

    /// TLS, where a certificate is given.
    ///
    /// # Errors
    /// When its files cannot be used.
    pub fn tls(&self) -> anyhow::Result<Option<Tls>> {
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        files.map(|(certificate, key)| Tls::new(certificate, key)).transpose()
    }
}
