//! The self-managed certificate: one look at the cluster, and what follows from it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustls::pki_types::CertificateDer;
use serde_json::Value;

use super::bundle;
use super::issue;
use super::keeper::{Keeper, LOOK_AGAIN, Source, unix_time};
use super::material::Material;
use super::policy::{self, Lifetimes, Step};
use super::store::{Held, Store, Written};

/// So many replicas do not write at the same time.
const RACES: usize = 10;

/// What one look came to.
enum Look {
    /// Something was written, here or by another replica: look again.
    Again,
    /// All is as it must be, for so long.
    Settled { material: Box<Material>, configuration: Option<Value>, wait: Duration },
}

impl Keeper {
    /// Brings Secret and `caBundle` to where they must be and serves what is then trusted. Gives the time until more is due.
    pub(super) async fn manage(&mut self) -> anyhow::Result<Duration> {
        for _ in 0..RACES {
            match self.look().await? {
                Look::Again => {}
                Look::Settled { material, configuration, wait } => {
                    let leaf = &material.leaf;
                    let key = service::tls::certified_key(leaf.certificate.pem.as_bytes(), leaf.key_pem.as_bytes());
                    let entries = configuration.as_ref().map(bundle::entries).unwrap_or_default();
                    self.metrics.authority_expiry.set(material.authority.certificate.not_after);
                    self.offer(key.context("the certificate in the secret cannot be used")?, &entries);
                    return Ok(wait.min(LOOK_AGAIN));
                }
            }
        }
        bail!("{RACES} writes in a row came after another's");
    }

    async fn look(&mut self) -> anyhow::Result<Look> {
        let Source::SelfManaged { store, names, lifetimes, introduced } = &mut self.source else {
            bail!("the certificate is not self-managed");
        };
        let configuration = store.read_configuration().await?;
        let held = store.read_secret().await?;
        let now = unix_time();
        let step = match &held.material {
            Some(material) => {
                let since = since_introduced(introduced, material, configuration.as_ref());
                policy::step(material, names, now, since, lifetimes)
            }
            None => Step::Create,
        };
        let (material, wait) = match (step, held.material.clone()) {
            (Step::Wait(wait), Some(material)) => (material, wait),
            (step, _) => {
                if write(store, &held, step, names, now, lifetimes).await? == Written::Yes {
                    tracing::info!(certificate.step = step.code(), "the certificate's secret is written");
                    self.metrics.steps.get_or_create(&step.into()).inc();
                }
                return Ok(Look::Again);
            }
        };
        if let Some(patch) = configuration.as_ref().and_then(|configuration| bundle::patch(configuration, &material.bundle())) {
            if store.patch_configuration(&patch).await? == Written::Yes {
                tracing::info!(webhook.configuration = store.configuration_name(), "caBundle is written");
                self.metrics.bundle_writes.inc();
            }
            return Ok(Look::Again);
        }
        Ok(Look::Settled { material: Box::new(material), configuration, wait })
    }
}

async fn write(
    store: &Store,
    held: &Held,
    step: Step,
    names: &[String],
    now: i64,
    lifetimes: &Lifetimes,
) -> anyhow::Result<Written> {
    let after = issue::take(step, held.material.as_ref(), names, now, lifetimes)?;
    Ok(store.write_secret(held, &after).await?)
}

/// For how long this replica has seen the next authority in every `caBundle`, without a break.
fn since_introduced(
    introduced: &mut Option<(CertificateDer<'static>, Instant)>,
    material: &Material,
    configuration: Option<&Value>,
) -> Option<Duration> {
    let next = material.next.as_ref().map(|next| &next.certificate.der);
    let is_everywhere = configuration.is_some_and(|configuration| {
        !bundle::entries(configuration).is_empty() && bundle::patch(configuration, &material.bundle()).is_none()
    });
    let Some(next) = next.filter(|_| is_everywhere) else {
        *introduced = None;
        return None;
    };
    match introduced {
        Some((authority, since)) if authority == next => Some(since.elapsed()),
        _ => {
            *introduced = Some((next.clone(), Instant::now()));
            Some(Duration::ZERO)
        }
    }
}
