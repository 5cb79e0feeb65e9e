//! The namespaces that ask for sidecars, those that only seem to, and what sidecars need there.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;
use time::OffsetDateTime;

use super::code::Code;
use super::finding::Finding;
use crate::certificates::material::Certificate;
use crate::names::{INJECT_LABEL, NATS_VOLUME};
use crate::namespaces::{Wish, is_excluded, labelled_at, wish};
use crate::read::Read;

/// Namespaces that are named in one finding.
const NAMED: usize = 10;

/// A namespace that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enabled {
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
}

/// The namespaces that ask; `own` is that of the injector.
pub fn enabled(all: &[ObjectMeta], own: &str) -> Vec<Enabled> {
    let asking = all.iter().filter(|namespace| wish(namespace) == Wish::Enabled);
    let named = asking.filter_map(|namespace| Some((namespace, namespace.name.clone()?)));
    let welcome = named.filter(|(_, name)| !is_excluded(name, own));
    let since = |namespace: &ObjectMeta| {
        let made = namespace.creation_timestamp.as_ref().map(|made| made.0);
        labelled_at(namespace).or(made).unwrap_or(Timestamp::MIN)
    };
    welcome.map(|(namespace, name)| Enabled { name, since: since(namespace) }).collect()
}

/// What is thought of the labels of all namespaces.
pub fn judge(all: &[ObjectMeta], own: &str) -> Vec<Finding> {
    let enabled = enabled(all, own);
    let mut findings = vec![if enabled.is_empty() {
        let advice = format!("kubectl label namespace NAME {INJECT_LABEL}=enabled");
        Finding::warn(Code::Namespaces, "no namespace is enabled, so no pod gets a sidecar", advice)
    } else {
        let names: Vec<&str> = enabled.iter().take(NAMED).map(|namespace| namespace.name.as_str()).collect();
        let more = if enabled.len() > NAMED { ", ..." } else { "" };
        Finding::ok(Code::Namespaces, format!("{} enabled: {}{more}", enabled.len(), names.join(", ")))
    }];
    for namespace in all {
        let name = namespace.name.as_deref().unwrap_or_default();
        findings.extend(of_label(namespace, name, own).map(|finding| finding.of(name)));
    }
    findings
}

fn of_label(namespace: &ObjectMeta, name: &str, own: &str) -> Option<Finding> {
    let advice = format!("kubectl label --overwrite namespace {name} {INJECT_LABEL}=enabled");
    match wish(namespace) {
        Wish::Unknown(value) => {
            let words = format!("its label {INJECT_LABEL} says `{value}`, which means nothing; `enabled` or `disabled` do");
            Some(Finding::warn(Code::NamespaceLabel, words, advice))
        }
        Wish::Enabled if is_excluded(name, own) => {
            let words = "it is labelled, and the webhook is never called for it: it belongs to the cluster or to the injector";
            Some(Finding::warn(Code::NamespaceLabel, words, "run workflows in another namespace"))
        }
        Wish::Absent => {
            let keys = namespace.labels.iter().flatten().map(|(key, _)| key);
            let similar = keys.into_iter().find(|key| is_similar(key))?;
            Some(Finding::warn(Code::NamespaceLabel, format!("its label `{similar}` means nothing; {INJECT_LABEL} does"), advice))
        }
        _ => None,
    }
}

/// Whether whoever wrote a key may have meant ours.
fn is_similar(key: &str) -> bool {
    let letters: String = key.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    letters.contains("agentcomms") && letters.contains("inject")
}

/// Where sidecars have tokens in place of certificates, no namespace needs anything.
pub fn tokens() -> Finding {
    Finding::ok(Code::Credentials, "sidecars show NATS a token of their service account, so no namespace needs a Secret")
}

/// Whether sidecars can connect: `secrets` are those of the enabled namespaces, in the same order.
pub fn judge_secrets(enabled: &[Enabled], secrets: &[Read<Secret>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut hidden = Vec::new();
    for (Enabled { name, .. }, secret) in enabled.iter().zip(secrets) {
        let advice = format!("agent-comms-injector credentials {name} --ca-cert ca.crt --ca-key ca.key | kubectl apply -f -");
        findings.push(match secret {
            Read::Forbidden => {
                hidden.push(name.as_str());
                continue;
            }
            Read::Absent => {
                let words = format!(
                    "it has no Secret {NATS_VOLUME}: its sidecars cannot connect to NATS, and keep what is said until their pod ends"
                );
                Finding::fail(Code::Credentials, words, advice).of(name)
            }
            Read::Found(secret) => of_secret(secret, advice).of(name),
        });
    }
    if !hidden.is_empty() {
        let words = format!("you may not read the Secret {NATS_VOLUME} of: {}", hidden.join(", "));
        findings.push(Finding::unknown(Code::Credentials, words));
    }
    findings
}

fn of_secret(secret: &Secret, advice: String) -> Finding {
    let value = |key: &str| secret.data.as_ref()?.get(key).map(|value| value.0.as_slice());
    let pem = value("tls.crt").and_then(|pem| std::str::from_utf8(pem).ok()).and_then(Certificate::read);
    let (Some(certificate), Some(_)) = (pem, value("tls.key")) else {
        return Finding::fail(
            Code::Credentials,
            format!("its Secret {NATS_VOLUME} lacks a certificate (tls.crt) or its key (tls.key)"),
            advice,
        );
    };
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let end = OffsetDateTime::from_unix_timestamp(certificate.not_after).map(|end| end.date().to_string()).unwrap_or_default();
    if certificate.not_after <= now {
        Finding::fail(Code::Credentials, format!("the certificate in its Secret {NATS_VOLUME} ended on {end}"), advice)
    } else if certificate.ends_soon(now) {
        Finding::warn(Code::Credentials, format!("the certificate in its Secret {NATS_VOLUME} ends soon, on {end}"), advice)
    } else {
        Finding::ok(Code::Credentials, format!("its Secret {NATS_VOLUME} is there, its certificate lasts until {end}"))
    }
}
