//! What is to be done about the certificates, and when: pure, so that years pass in a test.
//!
//! An authority is replaced in three steps. The next one is added to `caBundle` while the present one still signs. When
//! it has been there for a while, so that every API server has seen it, it signs. The old one stays in `caBundle` until
//! the last certificate that it signed has ended: a replica that missed the change may serve it until then.

use std::time::Duration;

use super::material::Material;

/// How long things last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A certificate that is served. It is replaced when a third is left.
    pub leaf: Duration,
    /// An authority. Its successor is made when a third is left.
    pub authority: Duration,
    /// How long an authority is in every `caBundle` before it signs: API servers learn of it by a watch.
    pub overlap: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self { leaf: day * 30, authority: day * 360, overlap: Duration::from_secs(300) }
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make an authority and a certificate: there is none that can be used.
    Create,
    /// Sign a new certificate.
    RenewLeaf,
    /// Make the authority that will sign.
    IntroduceAuthority,
    /// Let the next authority sign.
    PromoteAuthority,
    /// Forget the authority that signed before.
    ForgetAuthority,
    /// Nothing before so much time has passed.
    Wait(Duration),
}

impl Step {
    /// The step as a metric's label.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::RenewLeaf => "renew_leaf",
            Self::IntroduceAuthority => "introduce_authority",
            Self::PromoteAuthority => "promote_authority",
            Self::ForgetAuthority => "forget_authority",
            Self::Wait(_) => "wait",
        }
    }
}

/// Decides. `now` is in Unix seconds; `introduced` says for how long the next authority has been in every `caBundle`, as
/// far as this replica saw it.
#[must_use]
pub fn step(material: &Material, names: &[String], now: i64, introduced: Option<Duration>, lifetimes: &Lifetimes) -> Step {
    let authority_end = material.authority.certificate.not_after;
    let leaf = &material.leaf.certificate;
    if authority_end <= now {
        return Step::Create;
    }
    let mut wake = i64::MAX;
    if let Some(old) = &material.old {
        if old.leaf.not_after < now {
            return Step::ForgetAuthority;
        }
        wake = wake.min(old.leaf.not_after + 1);
    }
    let next = material.next.as_ref().filter(|next| next.certificate.not_after > now);
    if next.is_some() {
        match introduced {
            // Until nothing uses the authority before this one, there is no place for a second old one.
            _ if material.old.is_some() => {}
            Some(since) if since >= lifetimes.overlap => return Step::PromoteAuthority,
            Some(since) => wake = wake.min(now + seconds(lifetimes.overlap.saturating_sub(since)) + 1),
            None => {}
        }
    } else {
        let due = authority_end - seconds(lifetimes.authority) / 3;
        if due <= now {
            return Step::IntroduceAuthority;
        }
        wake = wake.min(due);
    }
    // Nothing signed may outlive what signed it, so near the authority's end a new one would not last longer.
    let renewed_end = authority_end.min(now + seconds(lifetimes.leaf));
    let due = leaf.not_after - seconds(lifetimes.leaf) / 3;
    let is_for_all = names.iter().all(|name| leaf.names.contains(name));
    if !is_for_all || !material.can_be_served() || leaf.not_after <= now || (due <= now && renewed_end > leaf.not_after) {
        return Step::RenewLeaf;
    }
    if due > now {
        wake = wake.min(due);
    }
    wake = wake.min(leaf.not_after).min(authority_end);
    Step::Wait(Duration::from_secs(u64::try_from(wake - now).unwrap_or(0).max(1)))
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests;
