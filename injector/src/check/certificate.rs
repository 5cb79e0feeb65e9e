//! Whether the API server takes the certificate that is served, and how long it and its authority last.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::finding::Finding;
use super::served::Served;
use crate::certificates::bundle::{self, Distrust, Entry};
use crate::certificates::material::Certificate;

const BUNDLE: &str = "ca_bundle";
const LOG: &str = "the injector keeps it right while it runs: is it running, and what does its log say?";

/// Looks at one entry after the other. What is the same for several is told once.
#[derive(Debug, Default)]
pub struct Judge {
    bundles: Vec<Finding>,
    lifetimes: Vec<Finding>,
}

impl Judge {
    /// Looks at an entry; `served` is what is served to it, or why that is not known.
    pub fn look(&mut self, webhook: &Value, served: Result<Served, String>) {
        let Some(entry) = bundle::entries(&json!({ "webhooks": [webhook] })).pop() else { return };
        let now = UnixTime::now();
        let finding = of_bundle(&entry, &served, now).of(&entry.name);
        self.bundles.push(finding);
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let leaf = served.ok().and_then(|served| served.chain.first().and_then(Certificate::from_der));
        let authorities = CertificateDer::pem_slice_iter(&entry.bundle).filter_map(Result::ok);
        // Of several that overlap, the one that lasts longest takes over.
        let authority = authorities.filter_map(|der| Certificate::from_der(&der)).max_by_key(|authority| authority.not_after);
        for (code, certificate) in [("certificate_expiry", leaf), ("authority_expiry", authority)] {
            let finding = certificate.map(|certificate| lifetime(code, &certificate, seconds));
            self.lifetimes.extend(finding.filter(|finding| !self.lifetimes.contains(finding)));
        }
    }

    /// What was found.
    pub fn findings(self) -> Vec<Finding> {
        self.bundles.into_iter().chain(self.lifetimes).collect()
    }
}

fn of_bundle(entry: &Entry, served: &Result<Served, String>, now: UnixTime) -> Finding {
    let chain = served.as_ref().map(|served| served.chain.as_slice()).unwrap_or_default();
    match (bundle::trust(std::slice::from_ref(entry), chain, now), served) {
        (Ok(()), Ok(served)) => {
            Finding::ok(BUNDLE, format!("its caBundle verifies the certificate that is served, {}", served.source))
        }
        (Err(error @ (Distrust::NoBundle(_) | Distrust::NoHost(_) | Distrust::Unreadable(_))), _) => {
            Finding::fail(BUNDLE, error.to_string(), LOG)
        }
        (Err(error), Ok(served)) => Finding::fail(BUNDLE, format!("{error} ({})", served.source), LOG),
        (_, Err(why)) => Finding::unknown(BUNDLE, format!("what is served is not known: {why}")),
    }
}

fn lifetime(code: &'static str, certificate: &Certificate, now: i64) -> Finding {
    let whose = if code == "authority_expiry" { "the authority" } else { "the certificate" };
    let end = OffsetDateTime::from_unix_timestamp(certificate.not_after).ok().and_then(|end| end.format(&Rfc3339).ok());
    let end = end.unwrap_or_else(|| format!("{} (Unix seconds)", certificate.not_after));
    if certificate.not_after <= now {
        Finding::fail(code, format!("{whose} ended at {end}"), LOG)
    } else if certificate.ends_soon(now) {
        Finding::warn(code, format!("{whose} ends soon, at {end}, and nobody has renewed it"), LOG)
    } else {
        Finding::ok(code, format!("{whose} lasts until {end}"))
    }
}
