//! Settings of who may read.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use hyper::header::HeaderName;
use ipnet::IpNet;

/// Who may read, and how somebody says who they are.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Access")]
pub struct AccessArgs {
    /// Who may read: `open` for everybody who reaches the server, which then listens on loopback alone
    #[arg(long, env = "AGENT_COMMS_ACCESS", value_enum, default_value_t = Mode::Open, value_name = "MODE")]
    pub access: Mode,
    /// Audiences, one of which a token must be made for; `kubectl create token NAME --audience agent-comms-ingest`
    #[arg(
        long,
        env = "AGENT_COMMS_TOKEN_AUDIENCE",
        default_value = "agent-comms-ingest",
        value_delimiter = ',',
        value_name = "NAME,.."
    )]
    pub token_audience: Vec<String>,
    /// For how long an answer of the API server is taken for granted, in seconds: a token that was revoked and a right that
    /// was taken away count so long
    #[arg(long, env = "AGENT_COMMS_ACCESS_CACHE_SECONDS", default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    pub access_cache_seconds: Duration,
    /// How to reach the API server, a kubeconfig file; by default `KUBECONFIG`, else the service account
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Networks of proxies whose word on who asks is taken, as 10.1.2.0/24
    #[arg(long, env = "AGENT_COMMS_TRUSTED_PROXY", value_delimiter = ',', value_name = "CIDR,..")]
    pub trusted_proxy: Vec<IpNet>,
    /// File with a secret that a trusted proxy sends as `X-Agent-Comms-Proxy-Secret`; needed where its network holds loopback
    /// addresses, which behind a mesh everybody has
    #[arg(long, env = "AGENT_COMMS_TRUSTED_PROXY_SECRET_FILE", value_name = "FILE", requires = "trusted_proxy")]
    pub trusted_proxy_secret_file: Option<PathBuf>,
    /// Header in which a trusted proxy says who asks
    #[arg(long, env = "AGENT_COMMS_IDENTITY_HEADER", default_value = "x-forwarded-user", value_name = "NAME")]
    pub identity_header: HeaderName,
    /// Header in which it says what groups they are in, separated by commas
    #[arg(long, env = "AGENT_COMMS_GROUPS_HEADER", default_value = "x-forwarded-groups", value_name = "NAME")]
    pub groups_header: HeaderName,
}

/// Who may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Everybody who reaches the server, which listens on loopback alone
    Open,
    /// Whom Kubernetes knows by a token, or a trusted proxy by name: what Kubernetes lets them read
    Kubernetes,
    /// Whom a trusted proxy knows by name: everything
    Proxy,
}

impl Mode {
    /// Its name, as it is given.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Kubernetes => "kubernetes",
            Self::Proxy => "proxy",
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=3_600) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("`{text}` is no whole number from 1 to 3600")),
    }
}
