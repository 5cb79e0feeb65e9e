//! The one gate: who asks, before anything is answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::header::{AUTHORIZATION, HeaderMap};
use prometheus_client::registry::Registry;

use super::kubernetes::{Reviews, Subject};
use super::metrics::{AccessMetrics, RefusalLabels};
use super::proxy::{Proxy, ProxyOptions};
use super::token::Token;
use super::user::User;
use super::viewer::{Proof, Viewer};
use super::{Unavailable, cookie};
use crate::args::access::{AccessArgs, Mode};

/// How often files are looked at again.
const RELOAD: Duration = Duration::from_secs(10);

/// Whether somebody has to say who they are.
#[derive(Debug, Clone)]
pub enum Access {
    /// Everybody who reaches the server reads everything.
    Open,
    /// Whoever is known reads what they may.
    Guarded(Arc<Guard>),
}

/// Knows who asks, and what they may read.
#[derive(Debug)]
pub struct Guard {
    /// Nothing where everybody who is known reads everything.
    reviews: Option<Reviews>,
    proxy: Option<Proxy>,
    /// How long an answer is taken for granted.
    kept_for: Duration,
    metrics: AccessMetrics,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Nobody is known by what was shown.
    Unknown {
        /// Whether anything was.
        shown: bool,
    },
    /// It cannot be checked at the moment.
    Unavailable,
}

impl Access {
    /// What the settings mean. The API server need not answer yet.
    ///
    /// # Errors
    /// When a setting cannot be used: a file, a network, a kubeconfig.
    pub async fn new(args: &AccessArgs, registry: &mut Registry) -> anyhow::Result<Self> {
        let proxy = (!args.trusted_proxy.is_empty()).then(|| {
            Proxy::new(ProxyOptions {
                networks: args.trusted_proxy.clone(),
                secret_file: args.trusted_proxy_secret_file.clone(),
                identity: args.identity_header.clone(),
                groups: args.groups_header.clone(),
            })
        });
        let proxy = proxy.transpose()?;
        let metrics = AccessMetrics::default();
        metrics.register(registry);
        let reviews = match args.access {
            Mode::Open => {
                anyhow::ensure!(
                    proxy.is_none(),
                    "--trusted-proxy means nothing with --access open; give --access proxy or kubernetes"
                );
                return Ok(Self::Open);
            }
            Mode::Proxy => {
                anyhow::ensure!(proxy.is_some(), "--access proxy needs --trusted-proxy, the network that its word is taken from");
                None
            }
            Mode::Kubernetes => {
                let client = service::kubernetes::client(args.kubeconfig.as_deref(), None).await?;
                let audiences = args.token_audience.iter().filter(|audience| !audience.is_empty()).cloned().collect();
                Some(Reviews::new(client, audiences, args.access_cache_seconds, metrics.clone()))
            }
        };
        Ok(Self::Guarded(Arc::new(Guard { reviews, proxy, kept_for: args.access_cache_seconds, metrics })))
    }

    /// Who asks.
    ///
    /// # Errors
    /// When that is not known.
    pub async fn admit(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Viewer, Refused> {
        let Self::Guarded(guard) = self else { return Ok(Viewer::open()) };
        let admitted = guard.clone().admit(peer, headers).await;
        if let Err(refused) = &admitted {
            guard.metrics.refusals.get_or_create(&RefusalLabels { reason: refused.reason() }).inc();
        }
        admitted
    }

    /// Whether a browser can be let in by a token.
    #[must_use]
    pub fn has_login(&self) -> bool {
        matches!(self, Self::Guarded(guard) if guard.reviews.is_some())
    }

    /// Whether somebody is known by this token.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn knows(&self, token: &Token) -> Result<bool, Unavailable> {
        match self {
            Self::Guarded(guard) => Ok(guard.user(token).await?.is_some()),
            Self::Open => Ok(false),
        }
    }

    /// Follows changes of files, for ever.
    pub async fn follow_files(&self) {
        let Self::Guarded(guard) = self else { return std::future::pending().await };
        let Some(proxy) = &guard.proxy else { return std::future::pending().await };
        loop {
            tokio::time::sleep(RELOAD).await;
            proxy.reload();
        }
    }
}

impl Guard {
    async fn admit(self: Arc<Self>, peer: IpAddr, headers: &HeaderMap) -> Result<Viewer, Refused> {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        // A token says the most exactly who somebody is; where one is shown that is not taken, nothing else is looked at.
        if let Some(value) = given.next().filter(|_| self.reviews.is_some()) {
            let token = value.to_str().ok().and_then(Token::of_header).filter(|_| given.next().is_none());
            return self.of(Proof::Token(token.ok_or(Refused::Unknown { shown: true })?)).await;
        }
        if let Some(user) = self.proxy.as_ref().and_then(|proxy| proxy.named(peer, headers)) {
            return Ok(Viewer::known(self, Arc::new(user), Proof::Proxy));
        }
        match cookie::token(headers).filter(|_| self.reviews.is_some()) {
            Some(token) => self.of(Proof::Cookie(token)).await,
            None => Err(Refused::Unknown { shown: false }),
        }
    }

    async fn of(self: Arc<Self>, proof: Proof) -> Result<Viewer, Refused> {
        let (Proof::Token(token) | Proof::Cookie(token)) = &proof else { return Err(Refused::Unknown { shown: false }) };
        match self.user(token).await {
            Ok(Some(user)) => Ok(Viewer::known(self, user, proof)),
            Ok(None) => Err(Refused::Unknown { shown: true }),
            Err(Unavailable) => Err(Refused::Unavailable),
        }
    }

    /// Whose token this is, now.
    pub(super) async fn user(&self, token: &Token) -> Result<Option<Arc<User>>, Unavailable> {
        let has_ended = token.expires().is_some_and(|end| end <= SystemTime::now());
        match &self.reviews {
            Some(reviews) if !has_ended => reviews.user(token).await,
            _ => Ok(None),
        }
    }

    /// Whether somebody may read something.
    pub(super) async fn permits(&self, user: &User, subject: Subject) -> Result<bool, Unavailable> {
        match &self.reviews {
            Some(reviews) => reviews.permits(user, subject).await,
            None => Ok(true),
        }
    }

    /// How long an answer is taken for granted.
    pub(super) fn kept_for(&self) -> Duration {
        self.kept_for
    }
}

impl Refused {
    fn reason(self) -> &'static str {
        match self {
            Self::Unknown { shown: false } => "no_proof",
            Self::Unknown { shown: true } => "wrong_proof",
            Self::Unavailable => "unavailable",
        }
    }
}
