//! Makes authorities and certificates, and takes the steps that the policy decides on.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::OffsetDateTime;

use super::material::{Certificate, Material, Old, Pair};
use super::policy::{Lifetimes, Step};

/// Clocks differ: an API server whose clock is this far behind takes a certificate that was just made.
const CLOCK_SKEW: i64 = 300;

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A key, a name or a signature.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// A time that no calendar has.
    #[error("{0} s is no time for a certificate")]
    Time(i64),
    /// What was made cannot be read back.
    #[error("a certificate that was just made cannot be read")]
    Read,
}

/// The material after a step; before the first one there is none.
pub fn take(
    step: Step,
    material: Option<&Material>,
    names: &[String],
    now: i64,
    lifetimes: &Lifetimes,
) -> Result<Material, IssueError> {
    let Some(material) = material.filter(|_| step != Step::Create) else {
        let authority = authority(now, lifetimes.authority)?;
        let leaf = leaf(&authority, names, now, lifetimes.leaf)?;
        return Ok(Material { authority, leaf, next: None, old: None });
    };
    let mut after = material.clone();
    match step {
        Step::Create | Step::Wait(_) => {}
        Step::RenewLeaf => after.leaf = leaf(&material.authority, names, now, lifetimes.leaf)?,
        Step::IntroduceAuthority => after.next = Some(authority(now, lifetimes.authority)?),
        Step::PromoteAuthority => {
            if let Some(next) = after.next.take() {
                after.leaf = leaf(&next, names, now, lifetimes.leaf)?;
                after.authority = next;
                let (authority, leaf) = (material.authority.certificate.clone(), material.leaf.certificate.clone());
                after.old = Some(Old { authority, leaf });
            }
        }
        Step::ForgetAuthority => after.old = None,
    }
    Ok(after)
}

/// An authority that signs certificates and nothing else.
pub fn authority(now: i64, lifetime: Duration) -> Result<Pair, IssueError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate()?;
    params.distinguished_name.push(DnType::CommonName, format!("agent-comms-injector authority {}", mark(&key)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = time(now - CLOCK_SKEW)?;
    params.not_after = time(end(now, lifetime))?;
    pair(&params.self_signed(&key)?, &key)
}

/// A server's certificate, which does not outlive its authority.
pub fn leaf(authority: &Pair, names: &[String], now: i64, lifetime: Duration) -> Result<Pair, IssueError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "agent-comms-injector");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = time(now - CLOCK_SKEW)?;
    params.not_after = time(end(now, lifetime).min(authority.certificate.not_after))?;
    let issuer = Issuer::from_ca_cert_der(&authority.certificate.der, KeyPair::from_pem(&authority.key_pem)?)?;
    let key = KeyPair::generate()?;
    pair(&params.signed_by(&key, &issuer)?, &key)
}

fn pair(certificate: &rcgen::Certificate, key: &KeyPair) -> Result<Pair, IssueError> {
    let certificate = Certificate::read(&certificate.pem()).ok_or(IssueError::Read)?;
    Ok(Pair { certificate, key_pem: key.serialize_pem() })
}

/// Two authorities with one name would be taken for each other by whoever verifies.
fn mark(key: &KeyPair) -> String {
    let end: String = key.public_key_pem().lines().rev().nth(1).unwrap_or_default().chars().take(16).collect();
    end.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")
}

fn end(now: i64, lifetime: Duration) -> i64 {
    i64::try_from(lifetime.as_secs()).map_or(i64::MAX, |lifetime| now.saturating_add(lifetime))
}

fn time(seconds: i64) -> Result<OffsetDateTime, IssueError> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| IssueError::Time(seconds))
}
