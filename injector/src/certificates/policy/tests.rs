use proptest::prelude::*;
use rustls::pki_types::{CertificateDer, UnixTime};

use super::super::bundle::{self, Entry};
use super::super::issue;
use super::*;

const DAY: u64 = 86_400;
const START: i64 = 1_800_000_000;
const NAME: &str = "injector.agents.svc";

fn names() -> Vec<String> {
    vec![NAME.to_owned()]
}

fn after(days: i64) -> i64 {
    START + days * 86_400
}

fn made() -> Material {
    issue::take(Step::Create, None, &names(), START, &Lifetimes::default()).unwrap()
}

fn taken(step: Step, material: &Material, days: i64) -> Material {
    issue::take(step, Some(material), &names(), after(days), &Lifetimes::default()).unwrap()
}

fn is_trusted(material: &Material, leaf: &CertificateDer<'_>, now: i64) -> bool {
    let entry = Entry { name: "hook".to_owned(), host: Some(NAME.to_owned()), bundle: material.bundle().into_bytes() };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap()));
    bundle::trust(&[entry], std::slice::from_ref(leaf), now).is_ok()
}

#[track_caller]
fn check(material: &Material, days: i64, introduced: Option<Duration>, expected: Step) {
    let found = step(material, &names(), after(days), introduced, &Lifetimes::default());
    assert_eq!(found, expected, "{days} days in");
}

#[test]
fn a_certificate_is_renewed_when_a_third_is_left() {
    let material = made();
    check(&material, 0, None, Step::Wait(Duration::from_secs(20 * DAY)));
    check(&material, 19, None, Step::Wait(Duration::from_secs(DAY)));
    check(&material, 20, None, Step::RenewLeaf);
    check(&material, 45, None, Step::RenewLeaf);
}

#[test]
fn a_certificate_that_is_not_for_all_names_is_renewed() {
    let mut names = names();
    names.push("injector.agents.svc.example".to_owned());
    assert_eq!(step(&made(), &names, START, None, &Lifetimes::default()), Step::RenewLeaf);
}

#[test]
fn a_certificate_that_no_handshake_can_use_is_renewed() {
    let mut material = made();
    material.leaf = made().leaf;
    check(&material, 0, None, Step::RenewLeaf);
    check(&taken(Step::RenewLeaf, &material, 0), 0, None, Step::Wait(Duration::from_secs(20 * DAY)));
}

#[test]
fn an_authority_is_trusted_before_it_signs_and_after_it_has_signed() {
    let material = taken(Step::RenewLeaf, &made(), 239);
    check(&material, 239, None, Step::Wait(Duration::from_secs(DAY)));
    check(&material, 240, None, Step::IntroduceAuthority);
    let introduced = taken(Step::IntroduceAuthority, &material, 240);
    assert_eq!(introduced.leaf, material.leaf);
    check(&introduced, 240, Some(Duration::from_secs(299)), Step::Wait(Duration::from_secs(2)));
    check(&introduced, 240, Some(Duration::from_secs(300)), Step::PromoteAuthority);
    let promoted = taken(Step::PromoteAuthority, &introduced, 240);
    assert!(promoted.next.is_none());
    for leaf in [&material.leaf, &promoted.leaf] {
        for trusting in [&introduced, &promoted] {
            assert!(is_trusted(trusting, &leaf.certificate.der, after(241)));
        }
    }
    check(&promoted, 259, None, Step::Wait(Duration::from_secs(DAY)));
    let renewed = taken(Step::RenewLeaf, &promoted, 260);
    check(&renewed, 270, None, Step::ForgetAuthority);
    let forgotten = taken(Step::ForgetAuthority, &renewed, 270);
    assert!(!forgotten.bundle().contains(&material.authority.certificate.pem));
}

#[test]
fn an_authority_that_is_not_in_every_bundle_never_signs() {
    let introduced = taken(Step::IntroduceAuthority, &taken(Step::RenewLeaf, &made(), 239), 240);
    check(&introduced, 259, None, Step::RenewLeaf);
}

#[test]
fn what_has_ended_is_made_anew() {
    check(&made(), 360, None, Step::Create);
    check(&taken(Step::IntroduceAuthority, &made(), 240), 361, None, Step::Create);
}

#[test]
fn nothing_is_renewed_that_would_not_last_longer() {
    let material = taken(Step::IntroduceAuthority, &taken(Step::RenewLeaf, &made(), 340), 340);
    assert_eq!(material.leaf.certificate.not_after, material.authority.certificate.not_after);
    check(&material, 355, None, Step::Wait(Duration::from_secs(5 * DAY)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Years of looks that come late, by less than the third in which a certificate is renewed.
    #[test]
    fn whatever_was_signed_is_trusted_until_it_ends(late in prop::collection::vec((0u64..9 * DAY, prop::bool::weighted(0.3)), 1..60)) {
        let lifetimes = Lifetimes::default();
        let (mut now, mut material) = (START, made());
        let mut signed = vec![material.leaf.certificate.clone()];
        let mut introduced = None;
        for (lateness, is_overwritten) in late {
            loop {
                let since = introduced.map(|since: i64| Duration::from_secs(u64::try_from(now - since).unwrap()));
                let next = step(&material, &names(), now, since, &lifetimes);
                if let Step::Wait(wait) = next {
                    now += i64::try_from(wait.as_secs() + lateness).unwrap();
                    break;
                }
                prop_assert_ne!(next, Step::Create);
                let before = material.clone();
                material = issue::take(next, Some(&before), &names(), now, &lifetimes).unwrap();
                if material.leaf != before.leaf {
                    signed.push(material.leaf.certificate.clone());
                    prop_assert!(is_trusted(&before, &material.leaf.certificate.der, now), "{next:?} was not trusted before");
                }
            }
            introduced = material.next.as_ref().map(|_| introduced.filter(|_| !is_overwritten).unwrap_or(now));
            prop_assert!(material.leaf.certificate.not_after > now, "the certificate ended");
            for leaf in signed.iter().filter(|leaf| leaf.not_after > now) {
                prop_assert!(is_trusted(&material, &leaf.der, now), "a certificate that may be served is not trusted");
            }
        }
    }
}
