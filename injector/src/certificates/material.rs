//! What the Secret holds: the authority that signs, the certificate that is served, and what overlaps with them.
//!
//! The keys of the Secret, each PEM: `ca.crt` and `ca.key`; `tls.crt` and `tls.key`; while an authority is being replaced
//! `ca-next.crt` and `ca-next.key`; after that `ca-old.crt`, and `tls-old.crt`, the last certificate that it signed.

use std::collections::BTreeMap;
use std::time::Duration;

use rcgen::{KeyPair, PublicKeyData as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::bundle::{self, Entry};

/// A certificate as text, as bytes, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// PEM.
    pub pem: String,
    /// DER.
    pub der: CertificateDer<'static>,
    /// First moment of its validity, in Unix seconds.
    pub not_before: i64,
    /// Last moment of its validity, in Unix seconds.
    pub not_after: i64,
    /// DNS names and addresses it is for.
    pub names: Vec<String>,
}

/// A certificate with its private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: Certificate,
    /// The private key, PEM, PKCS #8.
    pub key_pem: String,
}

/// An authority that signs no more, but whose last certificate a replica may still serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Old {
    /// The authority.
    pub authority: Certificate,
    /// The last certificate that it signed.
    pub leaf: Certificate,
}

/// Everything in the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    /// Signs.
    pub authority: Pair,
    /// Is served.
    pub leaf: Pair,
    /// Will sign, once every API server trusts it.
    pub next: Option<Pair>,
    /// Signed before.
    pub old: Option<Old>,
}

/// Why a Secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// A key that must be there is not.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// A value is not what its key says.
    #[error("its `{0}` cannot be read")]
    Unreadable(&'static str),
    /// A private key that signs nothing that the certificate verifies.
    #[error("its `{0}` is not the key of its certificate")]
    Mismatch(&'static str),
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    #[must_use]
    pub fn read(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        Some(Self { pem: pem.to_owned(), ..Self::from_der(&der)? })
    }

    /// Reads a certificate, which then has no text.
    #[must_use]
    pub fn from_der(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let (not_before, not_after) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        let alternatives = parsed.subject_alternative_name().ok()?;
        let names = alternatives.map(|names| names.value.general_names.iter().filter_map(name).collect()).unwrap_or_default();
        Some(Self { pem: String::new(), der: der.clone().into_owned(), not_before, not_after, names })
    }
}

impl Certificate {
    /// Whether so little of its time is left that whoever renews it must have failed: less than a sixth.
    #[must_use]
    pub fn ends_soon(&self, now: i64) -> bool {
        self.not_after.saturating_sub(now) < self.not_after.saturating_sub(self.not_before) / 6
    }
}

impl Material {
    /// Reads a Secret's data.
    pub fn read(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, MaterialError> {
        let old = || Ok(Old { authority: certificate(data, "ca-old.crt")?, leaf: certificate(data, "tls-old.crt")? });
        Ok(Self {
            authority: authority(data, "ca.crt", "ca.key")?,
            leaf: pair(data, "tls.crt", "tls.key")?,
            next: data.contains_key("ca-next.crt").then(|| authority(data, "ca-next.crt", "ca-next.key")).transpose()?,
            old: data.contains_key("ca-old.crt").then(old).transpose()?,
        })
    }

    /// The Secret's data.
    #[must_use]
    pub fn write(&self) -> BTreeMap<String, Vec<u8>> {
        let mut data = BTreeMap::new();
        let mut put = |name: &str, text: &str| data.insert(name.to_owned(), text.as_bytes().to_vec());
        put("ca.crt", &self.authority.certificate.pem);
        put("ca.key", &self.authority.key_pem);
        put("tls.crt", &self.leaf.certificate.pem);
        put("tls.key", &self.leaf.key_pem);
        if let Some(next) = &self.next {
            put("ca-next.crt", &next.certificate.pem);
            put("ca-next.key", &next.key_pem);
        }
        if let Some(old) = &self.old {
            put("ca-old.crt", &old.authority.pem);
            put("tls-old.crt", &old.leaf.pem);
        }
        data
    }

    /// Whether a handshake with the certificate can succeed while it lasts: the key is its own, and the authority signed it.
    #[must_use]
    pub fn can_be_served(&self) -> bool {
        let Certificate { pem, der, not_before, names, .. } = &self.leaf.certificate;
        let authority = &self.authority.certificate;
        let host = names.iter().find(|name| ServerName::try_from(name.as_str()).is_ok()).cloned();
        let entry = Entry { name: String::new(), host, bundle: authority.pem.clone().into_bytes() };
        // Its end is looked at elsewhere, and whoever made it may have another clock.
        let begun = u64::try_from(authority.not_before.max(*not_before)).unwrap_or_default();
        let begun = UnixTime::since_unix_epoch(Duration::from_secs(begun));
        service::tls::certified_key(pem.as_bytes(), self.leaf.key_pem.as_bytes()).is_ok()
            && (entry.host.is_none() || bundle::trust(&[entry], std::slice::from_ref(der), begun).is_ok())
    }

    /// What `caBundle` must hold: whatever signed a certificate that a replica may serve, or soon will.
    #[must_use]
    pub fn bundle(&self) -> String {
        let old = self.old.iter().map(|old| &old.authority);
        let next = self.next.iter().map(|next| &next.certificate);
        old.chain([&self.authority.certificate]).chain(next).map(|certificate| certificate.pem.as_str()).collect()
    }
}

/// An authority that can sign. A certificate that is served with the key of another is only renewed.
fn authority(data: &BTreeMap<String, Vec<u8>>, name: &'static str, key: &'static str) -> Result<Pair, MaterialError> {
    let pair = pair(data, name, key)?;
    let own = KeyPair::from_pem(&pair.key_pem).map_err(|_| MaterialError::Unreadable(key))?;
    let (_, certificate) = X509Certificate::from_der(&pair.certificate.der).map_err(|_| MaterialError::Unreadable(name))?;
    if certificate.public_key().raw == own.subject_public_key_info() { Ok(pair) } else { Err(MaterialError::Mismatch(key)) }
}

fn pair(data: &BTreeMap<String, Vec<u8>>, name: &'static str, key: &'static str) -> Result<Pair, MaterialError> {
    Ok(Pair { certificate: certificate(data, name)?, key_pem: text(data, key)? })
}

fn certificate(data: &BTreeMap<String, Vec<u8>>, name: &'static str) -> Result<Certificate, MaterialError> {
    Certificate::read(&text(data, name)?).ok_or(MaterialError::Unreadable(name))
}

fn text(data: &BTreeMap<String, Vec<u8>>, name: &'static str) -> Result<String, MaterialError> {
    let bytes = data.get(name).ok_or(MaterialError::Missing(name))?;
    String::from_utf8(bytes.clone()).map_err(|_| MaterialError::Unreadable(name))
}

fn name(general: &x509_parser::prelude::GeneralName<'_>) -> Option<String> {
    use x509_parser::prelude::GeneralName;
    match general {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv4Addr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
