//! Keeps a certificate served that the API server trusts, and says whether there is one.
//!
//! It looks when something changed in the cluster, when the policy says that something is due, and now and then anyway. What
//! it cannot reach leaves everything as it is: the certificate that is served stays, and so does the readiness, until the
//! certificate ends.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::CertifiedKey;
use service::admin::Readiness;
use service::tls::files::{Files, Seen};
use service::tls::served::Served;
use tokio_util::sync::CancellationToken;

use super::bundle::{self, Entry};
use super::material::Certificate;
use super::metrics::CertificateMetrics;
use super::policy::Lifetimes;
use super::store::Store;

/// The condition of readiness.
pub const CONDITION: &str = "certificate";
/// Nothing is due, yet the cluster is looked at: a watch may be deaf without knowing it.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// How often files are compared: the kubelet itself takes a minute to bring a change.
const FILES_EVERY: Duration = Duration::from_secs(5);
/// A round makes a few small requests.
const ROUND_TIME: Duration = Duration::from_secs(30);
/// How often it is said that a certificate ends soon.
const WARN_EVERY: Duration = Duration::from_secs(3600);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// From so many failures on, it is no lost connection that comes back.
const FAILURES_TO_WARN: u32 = 5;

/// Where the certificate comes from.
#[derive(Debug)]
pub enum Source {
    /// Made here, kept in a Secret.
    SelfManaged {
        /// The Secret and the webhook configuration.
        store: Store,
        /// What certificates are for.
        names: Vec<String>,
        /// How long things last.
        lifetimes: Lifetimes,
        /// The next authority, and since when this replica has seen it in every `caBundle`.
        introduced: Option<(CertificateDer<'static>, Instant)>,
    },
    /// Files that somebody else writes.
    Files {
        /// Where they are.
        files: Files,
        /// What was last read.
        seen: Seen,
        /// Where `caBundle` is looked up; none: it is not looked at.
        store: Option<Store>,
    },
}

/// The task that keeps the certificate.
#[derive(Debug)]
pub struct Keeper {
    pub(super) source: Source,
    pub(super) metrics: CertificateMetrics,
    served: Arc<Served>,
    readiness: Readiness,
    newest: Option<Arc<CertifiedKey>>,
    looked: Option<Instant>,
    warned: Option<Instant>,
}

impl Keeper {
    /// A keeper that has served nothing yet. Files are read at once: at the start, what cannot be used is a wrong setting.
    pub fn new(source: Source, metrics: CertificateMetrics, readiness: Readiness) -> anyhow::Result<Self> {
        readiness.fail(CONDITION, "none is served yet");
        let mut keeper = Self { source, metrics, served: Arc::default(), readiness, newest: None, looked: None, warned: None };
        keeper.read_files()?;
        if let Source::Files { store: None, .. } = keeper.source {
            keeper.serve(None);
        }
        Ok(keeper)
    }

    /// What is served.
    #[must_use]
    pub fn served(&self) -> Arc<Served> {
        self.served.clone()
    }

    /// Runs until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.changes();
        let mut failures = 0;
        loop {
            let round = tokio::time::timeout(ROUND_TIME, self.round());
            let wait = match round.await.context("the API server did not answer in time").flatten() {
                Ok(wait) => {
                    failures = 0;
                    wait
                }
                Err(error) => {
                    failures += 1;
                    self.tell_failure(&error, failures)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = changes.next() => self.looked = None,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn round(&mut self) -> anyhow::Result<Duration> {
        if matches!(self.source, Source::SelfManaged { .. }) {
            return self.manage().await;
        }
        let read = self.read_files();
        self.warn_of_end();
        self.look_at_bundle().await?;
        read.map(|()| FILES_EVERY)
    }

    /// Says now and then that nobody has renewed the certificate.
    fn warn_of_end(&mut self) {
        let Some(certificate) = self.served.current().and_then(|key| key.cert.first().and_then(Certificate::from_der)) else {
            return;
        };
        if certificate.ends_soon(unix_time()) && self.warned.is_none_or(|warned| warned.elapsed() > WARN_EVERY) {
            tracing::warn!(certificate.not_after, "the certificate ends soon, and its files hold no newer one");
            self.warned = Some(Instant::now());
        }
    }

    /// Takes what the files hold now.
    fn read_files(&mut self) -> anyhow::Result<()> {
        if let Source::Files { files, seen, .. } = &mut self.source
            && let Some(key) = files.changed(seen)?
        {
            self.newest = Some(key);
            self.looked = None;
        }
        Ok(())
    }

    async fn look_at_bundle(&mut self) -> anyhow::Result<()> {
        let Source::Files { store: Some(store), .. } = &self.source else {
            self.serve(None);
            return Ok(());
        };
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_AGAIN) {
            return Ok(());
        }
        let configuration = store.read_configuration().await?.unwrap_or_default();
        self.serve(Some(&bundle::entries(&configuration)));
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// Has this served, as soon as `entries` trust it.
    pub(super) fn offer(&mut self, key: CertifiedKey, entries: &[Entry]) {
        if self.newest.as_ref().is_none_or(|newest| newest.cert != key.cert) {
            self.newest = Some(Arc::new(key));
        }
        self.serve(Some(entries));
    }

    /// Serves the newest certificate, unless the API server trusts only the one before it, and says what it thinks of it.
    /// Without entries the end of the certificate alone counts.
    fn serve(&mut self, entries: Option<&[Entry]>) {
        let Some(newest) = self.newest.clone() else {
            return;
        };
        let now = UnixTime::now();
        let verdict = |key: &CertifiedKey| match entries {
            Some(entries) => bundle::trust(entries, &key.cert, now).map_err(|distrust| distrust.to_string()),
            None => lasts(key),
        };
        let current = self.served.current();
        let mut opinion = verdict(&newest);
        let is_new = current.as_ref().is_none_or(|current| current.cert != newest.cert);
        let kept = current.filter(|current| is_new && opinion.is_err() && verdict(current).is_ok());
        self.metrics.waiting.set(i64::from(kept.is_some()));
        match kept {
            Some(_) => {
                tracing::info!("a new certificate waits until every caBundle verifies it");
                opinion = Ok(());
            }
            None if is_new => {
                let end = newest.cert.first().and_then(Certificate::from_der).map_or(0, |certificate| certificate.not_after);
                tracing::info!(certificate.not_after = end, "certificate is served from now on");
                self.metrics.expiry.set(end);
                self.metrics.swaps.inc();
                self.served.swap(newest);
            }
            None => {}
        }
        match opinion {
            Ok(()) => self.readiness.hold(CONDITION),
            Err(why) => self.readiness.fail(CONDITION, why),
        }
    }

    /// Says that a round failed, and for how long to wait. What is served may have ended meanwhile.
    fn tell_failure(&mut self, error: &anyhow::Error, failures: u32) -> Duration {
        self.metrics.failures.inc();
        let error = format!("{error:#}");
        if failures < FAILURES_TO_WARN {
            tracing::info!(error, failures, "certificates could not be looked after");
        } else {
            tracing::warn!(error, failures, "certificates could not be looked after");
        }
        if let Some(Err(why)) = self.served.current().map(|current| lasts(&current)) {
            self.readiness.fail(CONDITION, why);
        }
        let delay = Duration::from_millis(250).saturating_mul(1 << failures.min(8)).min(LONGEST_DELAY);
        delay.mul_f64(1.0 - 0.5 * service::nats::random_fraction())
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        match &self.source {
            Source::SelfManaged { store, .. } => store.changes().boxed(),
            Source::Files { store: Some(store), .. } => store.configuration_changes().boxed(),
            Source::Files { store: None, .. } => stream::pending().boxed(),
        }
    }
}

/// Whether a certificate has not ended.
fn lasts(key: &CertifiedKey) -> Result<(), String> {
    match key.cert.first().and_then(Certificate::from_der) {
        Some(certificate) if certificate.not_after > unix_time() => Ok(()),
        Some(certificate) => Err(format!("the certificate ended at {} (Unix seconds)", certificate.not_after)),
        None => Err("the certificate cannot be read".to_owned()),
    }
}

/// Now, in Unix seconds.
pub(super) fn unix_time() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
