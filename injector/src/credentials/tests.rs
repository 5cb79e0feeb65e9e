use rcgen::{BasicConstraints, IsCa};

use super::*;

fn authority(days: i64, is_ca: bool) -> (String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::NoCa };
    params.not_after = OffsetDateTime::now_utc() + Duration::days(days);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn try_make((certificate, key): &(String, String)) -> Result<Made> {
    make(&Authority { certificate, key }, "demo.publisher", OffsetDateTime::now_utc(), Duration::days(90))
}

#[test]
fn the_certificate_names_one_user_and_ends_when_it_says() {
    let made = try_make(&authority(3650, true)).unwrap();
    let (_, block) = x509_parser::pem::parse_x509_pem(made.certificate.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&block.contents).unwrap();
    let names = &certificate.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert_eq!(format!("{names:?}"), "[DNSName(\"demo.publisher\")]");
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
    assert!(!certificate.is_ca());
    let days = (certificate.validity().not_after.to_datetime() - OffsetDateTime::now_utc()).whole_days();
    assert_eq!((days, made.is_cut), (89, false));
}

#[test]
fn what_names_no_namespace_has_no_publisher() {
    assert_eq!(namespace("demo"), Ok("demo".to_owned()));
    for name in ["unknown", "", "-demo", "Demo", "a.b"] {
        assert!(namespace(name).is_err(), "{name:?}");
    }
}

#[test]
fn it_does_not_outlive_its_authority() {
    let made = try_make(&authority(10, true)).unwrap();
    assert!(made.is_cut && made.expires < OffsetDateTime::now_utc() + Duration::days(10));
}

#[test]
fn an_authority_that_no_server_would_believe_is_refused() {
    let (certificate, key) = authority(10, true);
    let refused = [
        (authority(10, false), "no authority's"),
        (authority(-1, true), "has expired"),
        ((certificate.clone(), authority(10, true).1), "not that of"),
        (("none".to_owned(), key), "no PEM"),
        ((certificate, "none".to_owned()), "key cannot be used"),
    ];
    for (authority, reason) in refused {
        let error = format!("{:#}", try_make(&authority).err().unwrap());
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn names_are_those_of_namespaces() {
    assert!(namespace("team-a").is_ok());
    for text in ["", "-a", "a-", "A", "a.b", "a>", &"a".repeat(64)] {
        assert!(namespace(text).is_err(), "{text}");
    }
    assert!(permissions("general", "u").to_string().contains("workflow.%67eneral.>"), "the word of the channel is no namespace");
}
