use super::super::issue;
use super::super::material::Pair;
use super::super::policy::Lifetimes;
use super::*;

const NOW: i64 = 1_800_000_000;

fn authority() -> Pair {
    issue::authority(NOW, Lifetimes::default().authority).unwrap()
}

fn leaf(authority: &Pair, name: &str) -> Pair {
    issue::leaf(authority, &[name.to_owned()], NOW, Lifetimes::default().leaf).unwrap()
}

fn configuration(entries: &[Value]) -> Value {
    json!({ "metadata": { "resourceVersion": "7" }, "webhooks": entries })
}

fn service(name: &str, bundle: &str) -> Value {
    let service = json!({ "name": "injector", "namespace": "agents", "path": "/mutate" });
    json!({ "name": name, "clientConfig": { "service": service, "caBundle": STANDARD.encode(bundle) }, "unknown": 1 })
}

#[track_caller]
fn check(entries_of: &[Value], leaf: &Pair, expected: &str) {
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW.unsigned_abs()));
    let found = trust(&entries(&configuration(entries_of)), std::slice::from_ref(&leaf.certificate.der), at);
    assert_eq!(found.err().map(|distrust| distrust.to_string()).unwrap_or_default(), expected);
}

#[test]
fn every_entry_must_verify_the_certificate() {
    let (ours, other) = (authority(), authority());
    let leaf = leaf(&ours, "injector.agents.svc");
    let (right, wrong) = (ours.certificate.pem.as_str(), other.certificate.pem.as_str());
    check(&[service("a", right), service("b", &format!("{wrong}{right}"))], &leaf, "");
    let told = "the caBundle of webhook `b` does not verify the certificate for `injector.agents.svc`: \
                invalid peer certificate: UnknownIssuer";
    check(&[service("a", right), service("b", wrong)], &leaf, told);
    check(&[], &leaf, "there is no webhook configuration of this name, or it has no webhooks");
    check(&[service("a", "")], &leaf, "webhook `a` has no caBundle yet");
    check(&[service("a", "-----BEGIN CERTIFICATE-----\n")], &leaf, "the caBundle of webhook `a` cannot be read");
    check(&[json!({ "name": "a", "clientConfig": {} })], &leaf, "webhook `a` names no service and no url");
}

#[test]
fn the_host_of_a_url_is_what_the_certificate_must_name() {
    let ours = authority();
    let bundle = STANDARD.encode(&ours.certificate.pem);
    for (url, name) in [("https://localhost:8443/mutate", "localhost"), ("https://[::1]:8443/mutate", "::1")] {
        let entry = json!({ "name": "a", "clientConfig": { "url": url, "caBundle": bundle } });
        check(&[entry], &leaf(&ours, name), "");
    }
}

#[test]
fn a_patch_names_the_entries_that_are_wrong_and_the_version_that_was_read() {
    let read = configuration(&[service("a", "old"), service("b", "new"), json!({ "name": "c", "clientConfig": {} })]);
    let client = json!({ "caBundle": STANDARD.encode("new") });
    let expected = json!({
        "metadata": { "resourceVersion": "7" },
        "webhooks": [{ "name": "a", "clientConfig": client }, { "name": "c", "clientConfig": client }],
    });
    assert_eq!(patch(&read, "new"), Some(expected));
    assert_eq!(patch(&configuration(&[service("b", "new")]), "new"), None);
}
