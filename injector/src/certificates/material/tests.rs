use std::collections::BTreeMap;

use super::super::issue;
use super::super::policy::{Lifetimes, Step};
use super::*;

fn after(steps: &[Step]) -> Material {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let take = |material: Option<&Material>, step| issue::take(step, material, &names, 1_800_000_000, &Lifetimes::default());
    let made = take(None, Step::Create).unwrap();
    steps.iter().fold(made, |material, step| take(Some(&material), *step).unwrap())
}

#[test]
fn what_is_written_is_read() {
    for steps in [&[][..], &[Step::IntroduceAuthority], &[Step::IntroduceAuthority, Step::PromoteAuthority]] {
        let material = after(steps);
        assert_eq!(Material::read(&material.write()).unwrap(), material);
    }
}

#[test]
fn a_certificate_tells_its_names_and_its_end() {
    let leaf = after(&[]).leaf.certificate;
    assert_eq!(leaf.names, ["localhost", "127.0.0.1", "::1"]);
    assert_eq!(leaf.not_after, 1_800_000_000 + 30 * 86_400);
}

#[test]
fn a_certificate_that_nobody_renewed_ends_soon_before_it_ends() {
    let leaf = after(&[]).leaf.certificate;
    let sixth = (leaf.not_after - leaf.not_before) / 6;
    assert!(!leaf.ends_soon(leaf.not_before) && !leaf.ends_soon(leaf.not_after - sixth));
    assert!(leaf.ends_soon(leaf.not_after - sixth + 1) && leaf.ends_soon(leaf.not_after + 1));
}

#[test]
fn what_is_missing_or_damaged_is_named() {
    let whole = after(&[Step::IntroduceAuthority]).write();
    for name in whole.keys().filter(|name| *name != "ca-next.crt") {
        let mut data = whole.clone();
        data.remove(name);
        assert_eq!(Material::read(&data).unwrap_err().to_string(), format!("it has no `{name}`"));
    }
    let mut data = whole;
    data.insert("tls.crt".to_owned(), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec());
    assert_eq!(Material::read(&data).unwrap_err().to_string(), "its `tls.crt` cannot be read");
    assert!(Material::read(&BTreeMap::new()).is_err());
}

#[test]
fn the_key_of_an_authority_is_its_own() {
    let (one, other) = (after(&[Step::IntroduceAuthority]).write(), after(&[Step::IntroduceAuthority]).write());
    for name in ["ca.key", "ca-next.key"] {
        let mut data = one.clone();
        data.insert(name.to_owned(), other[name].clone());
        let error = Material::read(&data).unwrap_err();
        assert_eq!(error.to_string(), format!("its `{name}` is not the key of its certificate"));
    }
}

#[test]
fn a_certificate_of_another_authority_or_with_another_key_cannot_be_served() {
    let (one, other) = (after(&[]).write(), after(&[]).write());
    assert!(Material::read(&one).unwrap().can_be_served());
    for names in [&["tls.crt"][..], &["tls.key"], &["tls.crt", "tls.key"]] {
        let mut data = one.clone();
        data.extend(names.iter().map(|name| ((*name).to_owned(), other[*name].clone())));
        assert!(!Material::read(&data).unwrap().can_be_served(), "{names:?}");
    }
}

#[test]
fn keys_are_not_shown() {
    let material = after(&[]);
    assert!(!format!("{material:?}").contains(&material.leaf.key_pem));
}
