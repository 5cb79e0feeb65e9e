//! Whether what is served is what the Secret has, whether the API server takes it, and how long it and its authority last.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::code::Code;
use super::finding::Finding;
use super::served::Served;
use crate::certificates::bundle::{self, Distrust, Entry};
use crate::certificates::material::Certificate;

const LOG: &str = "the injector keeps it right while it runs: is it running, and what does its log say?";

/// Looks at one entry after the other. What is the same for several is told once.
#[derive(Debug, Default)]
pub struct Judge {
    handshakes: Vec<Finding>,
    bundles: Vec<Finding>,
    lifetimes: Vec<Finding>,
}

impl Judge {
    /// Looks at an entry: `shown` is what a handshake shows, `stored` what the Secret has, each or why that is not known.
    pub fn look(&mut self, webhook: &Value, shown: Result<Served, String>, stored: &Result<Served, String>) {
        let Some(entry) = bundle::entries(&json!({ "webhooks": [webhook] })).pop() else { return };
        let now = UnixTime::now();
        self.handshakes.push(of_handshake(&shown, stored).of(&entry.name));
        let served = match (shown, stored) {
            (Ok(shown), _) => Ok(shown),
            (Err(_), Ok(stored)) => Ok(stored.clone()),
            (Err(not_shown), Err(not_stored)) => Err(format!("{not_stored}, and {not_shown}")),
        };
        let finding = of_bundle(&entry, &served, now).of(&entry.name);
        self.bundles.push(finding);
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let leaf = served.ok().and_then(|served| served.chain.first().and_then(Certificate::from_der));
        let authorities = CertificateDer::pem_slice_iter(&entry.bundle).filter_map(Result::ok);
        // Of several that overlap, the one that lasts longest takes over.
        let authority = authorities.filter_map(|der| Certificate::from_der(&der)).max_by_key(|authority| authority.not_after);
        for (code, certificate) in [(Code::CertificateExpiry, leaf), (Code::AuthorityExpiry, authority)] {
            let finding = certificate.map(|certificate| lifetime(code, &certificate, seconds));
            self.lifetimes.extend(finding.filter(|finding| !self.lifetimes.contains(finding)));
        }
    }

    /// What was found.
    pub fn findings(self) -> Vec<Finding> {
        self.handshakes.into_iter().chain(self.bundles).chain(self.lifetimes).collect()
    }
}

fn of_handshake(shown: &Result<Served, String>, stored: &Result<Served, String>) -> Finding {
    match (shown, stored) {
        (Ok(shown), Ok(stored)) if shown.chain.first() != stored.chain.first() => Finding::warn(
            Code::Served,
            format!("{} another certificate than {}", shown.source, stored.source),
            "a replica takes a new one over within minutes, and its log says what it waits for; name another Secret with \
             --certificate-secret",
        ),
        (Ok(shown), Ok(stored)) => Finding::ok(Code::Served, format!("{} the certificate that {}", shown.source, stored.source)),
        (Ok(shown), Err(_)) => Finding::ok(Code::Served, format!("{} a certificate", shown.source)),
        (Err(why), _) => Finding::unknown(
            Code::Served,
            format!("not verified from here: {why}; in a pod of the cluster this command sees what is served"),
        ),
    }
}

fn of_bundle(entry: &Entry, served: &Result<Served, String>, now: UnixTime) -> Finding {
    let chain = served.as_ref().map(|served| served.chain.as_slice()).unwrap_or_default();
    match (bundle::trust(std::slice::from_ref(entry), chain, now), served) {
        (Ok(()), Ok(served)) => {
            Finding::ok(Code::CaBundle, format!("its caBundle verifies the certificate that {}", served.source))
        }
        (Err(error @ (Distrust::NoBundle(_) | Distrust::NoHost(_) | Distrust::Unreadable(_))), _) => {
            Finding::fail(Code::CaBundle, error.to_string(), LOG)
        }
        (Err(error), Ok(served)) => Finding::fail(Code::CaBundle, format!("{error} (the one that {})", served.source), LOG),
        (_, Err(why)) => Finding::unknown(Code::CaBundle, format!("what is served is not known: {why}")),
    }
}

fn lifetime(code: Code, certificate: &Certificate, now: i64) -> Finding {
    let whose = if code == Code::AuthorityExpiry { "the authority" } else { "the certificate" };
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
