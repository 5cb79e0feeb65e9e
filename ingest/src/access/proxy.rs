//! The word of a proxy that knows who asks.
//!
//! Anybody can send a header. It counts where the connection comes from a network that the settings name, and never by
//! anything else that a request says of its way. A loopback address names nobody in a pod with a mesh, whose own proxy brings
//! everything from there: such a network needs a secret that only the trusted proxy has.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use anyhow::{Context as _, ensure};
use hyper::header::{HeaderMap, HeaderName};
use ipnet::IpNet;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::user::User;

/// The header with the secret.
pub const SECRET_HEADER: HeaderName = HeaderName::from_static("x-agent-comms-proxy-secret");

/// Which proxies are believed, and what they say.
#[derive(Debug)]
pub struct Proxy {
    networks: Vec<IpNet>,
    secret: Option<Secret>,
    identity: HeaderName,
    groups: HeaderName,
}

/// Settings of [`Proxy`].
#[derive(Debug, Clone)]
pub struct ProxyOptions {
    /// Networks of trusted proxies.
    pub networks: Vec<IpNet>,
    /// The file with their secret.
    pub secret_file: Option<PathBuf>,
    /// The header with the name.
    pub identity: HeaderName,
    /// The header with the groups.
    pub groups: HeaderName,
}

/// The secret, of which only a digest is held.
struct Secret {
    file: PathBuf,
    digest: RwLock<[u8; 32]>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

impl Proxy {
    /// Reads the secret.
    ///
    /// # Errors
    /// When a network holds loopback addresses and there is no secret, or the file holds none.
    pub fn new(options: ProxyOptions) -> anyhow::Result<Self> {
        let secret = options.secret_file.map(Secret::read).transpose()?;
        for network in &options.networks {
            ensure!(
                secret.is_some() || !holds_loopback(network),
                "--trusted-proxy {network} holds loopback addresses, from which everybody in the pod and behind its mesh comes; \
                 name the proxy's own network, or give --trusted-proxy-secret-file"
            );
        }
        Ok(Self { networks: options.networks, secret, identity: options.identity, groups: options.groups })
    }

    /// Whom a trusted proxy names; nobody where no proxy is trusted with it, it names nobody, or more than one.
    #[must_use]
    pub fn named(&self, peer: IpAddr, headers: &HeaderMap) -> Option<User> {
        let peer = peer.to_canonical();
        if !self.networks.iter().any(|network| network.contains(&peer)) {
            return None;
        }
        if let Some(secret) = &self.secret {
            let given = headers.get(SECRET_HEADER)?;
            if !secret.is(given.as_bytes()) {
                return None;
            }
        }
        let mut names = headers.get_all(&self.identity).iter();
        let name = names.next()?.to_str().ok()?.trim();
        if names.next().is_some() {
            return None;
        }
        let groups: Vec<&str> = headers.get_all(&self.groups).iter().filter_map(|line| line.to_str().ok()).collect();
        let groups: Vec<&str> = groups.iter().flat_map(|line| line.split(',')).map(str::trim).collect();
        User::of_proxy(name, &groups)
    }

    /// Reads the secret again; what cannot be read leaves the old one.
    pub fn reload(&self) {
        let Some(secret) = &self.secret else { return };
        match digest_of(&secret.file) {
            Ok(digest) => *secret.digest.write().unwrap_or_else(PoisonError::into_inner) = digest,
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the secret of the trusted proxy stays what it was"),
        }
    }
}

impl Secret {
    fn read(file: PathBuf) -> anyhow::Result<Self> {
        let digest = RwLock::new(digest_of(&file)?);
        Ok(Self { file, digest })
    }

    /// Digests are compared, so that not even the length of the secret takes part, and in constant time.
    fn is(&self, given: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        let wanted = *self.digest.read().unwrap_or_else(PoisonError::into_inner);
        given.ct_eq(&wanted).into()
    }
}

fn digest_of(file: &PathBuf) -> anyhow::Result<[u8; 32]> {
    let text =
        std::fs::read(file).with_context(|| format!("cannot read the secret of the trusted proxy from `{}`", file.display()))?;
    let secret = text.trim_ascii();
    ensure!(secret.len() >= 16, "the secret of the trusted proxy in `{}` is shorter than 16 bytes", file.display());
    Ok(Sha256::digest(secret).into())
}

fn holds_loopback(network: &IpNet) -> bool {
    let loopbacks = ["127.0.0.0/8", "::1/128", "::ffff:127.0.0.0/104"];
    loopbacks
        .iter()
        .filter_map(|text| text.parse().ok())
        .any(|loopback: IpNet| network.contains(&loopback) || loopback.contains(network))
}

#[cfg(test)]
mod tests;
