//! The connection to NATS: settings shared by every process that has one.
//!
//! Certificates and tokens are given by path, because the files are read again at each connect: a renewed one is used from
//! the next connection on. What a token says is never told, nor sent before TLS stands.

use std::future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::{Auth, AuthError, ConnectOptions};

use crate::causes;
use crate::tls;

/// A dead peer is noticed after three of these.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// The longest wait between two tries to connect.
const LONGEST_DELAY: Duration = Duration::from_secs(8);

/// Settings of the connection, to flatten into a command's arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "NATS")]
pub struct NatsArgs {
    /// Servers, separated by commas; `tls://` everywhere but on this machine
    #[arg(long, env = "AGENT_COMMS_NATS_URL", default_value = "tls://127.0.0.1:4222", value_name = "URL,...")]
    pub nats_url: String,
    /// Certificates of the authorities to trust, a PEM file
    #[arg(long, env = "AGENT_COMMS_NATS_CA", value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,
    /// The same as PEM text, for where there is no file
    #[arg(long, env = "AGENT_COMMS_NATS_CA_PEM", value_name = "PEM", hide_env_values = true, conflicts_with = "nats_ca")]
    pub nats_ca_pem: Option<String>,
    /// This process's certificate, a PEM file; it says who we are
    #[arg(long, env = "AGENT_COMMS_NATS_CERT", value_name = "FILE", requires = "nats_key")]
    pub nats_cert: Option<PathBuf>,
    /// Its private key, a PEM file
    #[arg(long, env = "AGENT_COMMS_NATS_KEY", value_name = "FILE", requires = "nats_cert")]
    pub nats_key: Option<PathBuf>,
    /// A token that says who we are, in place of a certificate; the file is read again at each connect
    #[arg(
        long,
        env = "AGENT_COMMS_NATS_TOKEN_FILE",
        value_name = "FILE",
        conflicts_with_all = ["nats_cert", "nats_key"]
    )]
    pub nats_token_file: Option<PathBuf>,
    /// Prefix of the subjects that answers come to; the server grants us only our own
    #[arg(long, env = "AGENT_COMMS_NATS_INBOX_PREFIX", value_name = "PREFIX")]
    pub nats_inbox_prefix: Option<String>,
    /// Allow a connection without TLS to a server on this machine
    #[arg(long, env = "AGENT_COMMS_NATS_PLAINTEXT")]
    pub nats_plaintext: bool,
}

/// Why the settings of the connection cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NatsSettingsError {
    /// A URL cannot be read.
    #[error("nats url `{url}` cannot be read; write it as tls://host:4222")]
    Url {
        /// As given, without credentials.
        url: String,
        /// What is wrong.
        #[source]
        source: std::io::Error,
    },
    /// Plain text was asked for to another machine.
    #[error(
        "nats server `{0}` is not on this machine: a connection without TLS is allowed to 127.0.0.1, [::1] and localhost only"
    )]
    Plaintext(String),
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The token cannot be read.
    #[error("cannot read the nats token from `{path}`; give a file that this process may read")]
    Token {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The token's file holds none.
    #[error("the file of the nats token `{0}` is empty; give one that holds a token")]
    EmptyToken(PathBuf),
    /// The authorities given as text could not be put where the client reads them.
    #[error("cannot write the nats authorities to `{path}`; give a directory that this process may write to")]
    Scratch {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl NatsArgs {
    /// Checks every file and gives the options to connect with: TLS required, endless jittered reconnects, the first
    /// connect included. `scratch` is a directory for authorities that were given as text.
    ///
    /// # Errors
    /// When a URL cannot be read, a file cannot be used, or plain text would leave this machine.
    pub fn options(&self, name: &str, scratch: &Path) -> Result<ConnectOptions, NatsSettingsError> {
        Ok(self.options_to_try(name, scratch)?.retry_on_initial_connect())
    }

    /// The same, but the first connect is tried once, and says why it failed.
    ///
    /// # Errors
    /// As of [`Self::options`].
    pub fn options_to_try(&self, name: &str, scratch: &Path) -> Result<ConnectOptions, NatsSettingsError> {
        for server in self.servers()? {
            let local = matches!(server.host(), "127.0.0.1" | "::1" | "[::1]" | "localhost");
            if self.nats_plaintext && !local {
                return Err(NatsSettingsError::Plaintext(server.host().to_owned()));
            }
        }
        let options = match &self.nats_token_file {
            Some(path) => with_token(path.clone())?,
            None => ConnectOptions::new(),
        };
        let mut options = options
            .name(name)
            .require_tls(!self.nats_plaintext)
            .ping_interval(PING_INTERVAL)
            // A cluster announces addresses that its certificate need not name.
            .ignore_discovered_servers()
            .reconnect_delay_callback(reconnect_delay);
        if let Some(prefix) = &self.nats_inbox_prefix {
            options = options.custom_inbox_prefix(prefix);
        }
        if let Some(path) = self.authorities(scratch)? {
            tls::certificates(&path)?;
            options = options.add_root_certificates(path);
        }
        if let (Some(certificate), Some(key)) = (&self.nats_cert, &self.nats_key) {
            tls::certificates(certificate)?;
            tls::private_key(key)?;
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        Ok(options)
    }

    /// The servers to connect to.
    ///
    /// # Errors
    /// When a URL cannot be read.
    pub fn servers(&self) -> Result<Vec<async_nats::ServerAddr>, NatsSettingsError> {
        let parse = |url: &str| url.parse().map_err(|source| NatsSettingsError::Url { url: without_credentials(url), source });
        self.nats_url.split(',').map(str::trim).map(parse).collect()
    }

    /// The servers as they may be told: whoever logs in, and with what, is left out.
    #[must_use]
    pub fn told_url(&self) -> String {
        told_url(&self.nats_url)
    }

    fn authorities(&self, scratch: &Path) -> Result<Option<PathBuf>, NatsSettingsError> {
        let Some(pem) = &self.nats_ca_pem else {
            return Ok(self.nats_ca.clone());
        };
        let path = scratch.join("nats-ca.pem");
        let written = std::fs::File::create(&path).and_then(|mut file| file.write_all(pem.as_bytes()));
        written.map_err(|source| NatsSettingsError::Scratch { path: path.clone(), source })?;
        Ok(Some(path))
    }
}

/// Options that show the token as the file has it at each connect: whoever issues it, the kubelet for one, replaces it
/// before it ends.
fn with_token(path: PathBuf) -> Result<ConnectOptions, NatsSettingsError> {
    read_token(&path)?;
    Ok(ConnectOptions::with_auth_callback(move |_nonce| {
        let token = read_token(&path).map_err(|error| AuthError::new(causes::in_one_line(&error)));
        let auth = |token| {
            let mut auth = Auth::new();
            auth.token = Some(token);
            auth
        };
        future::ready(token.map(auth))
    }))
}

/// The token without the end of its line.
fn read_token(path: &Path) -> Result<String, NatsSettingsError> {
    let mut token = std::fs::read_to_string(path).map_err(|source| NatsSettingsError::Token { path: path.to_owned(), source })?;
    token.truncate(token.trim_end_matches(['\r', '\n']).len());
    if token.trim().is_empty() { Err(NatsSettingsError::EmptyToken(path.to_owned())) } else { Ok(token) }
}

/// URLs as they may be told, with a comma between two: whoever logs in, and with what, is left out.
#[must_use]
pub fn told_url(urls: &str) -> String {
    urls.split(',').map(without_credentials).collect::<Vec<_>>().join(",")
}

fn without_credentials(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    match url[start..].rfind('@') {
        Some(end) => format!("{}[redacted]{}", &url[..start], &url[start + end..]),
        None => url.to_owned(),
    }
}

/// Doubles from 50 ms to the longest, each less a random part of up to a half: after a restart of the server not every
/// pod knocks in the same millisecond.
fn reconnect_delay(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let full = Duration::from_millis(50).saturating_mul(1 << doublings).min(LONGEST_DELAY);
    full.mul_f64(1.0 - 0.5 * random_fraction())
}

/// A number from 0 to 1. The keys of a hasher are random for each one made, which is as much chance as jitter needs.
#[must_use]
pub fn random_fraction() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let bits = u32::try_from(RandomState::new().hash_one(0) & u64::from(u32::MAX)).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
