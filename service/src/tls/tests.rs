use super::*;

fn certificate(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn a_certificate_and_its_key_can_be_shown() {
    let (pem, key) = certificate("localhost");
    let certified = certified_key(pem.as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(certified.cert.len(), 1);
}

#[test]
fn a_missing_file_and_a_file_without_pem_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "no pem").unwrap();
    for path in [directory.path().join("missing.pem"), empty] {
        let error = certificates(&path).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("cannot read a certificate from `{}`; give a PEM file that this process may read", path.display())
        );
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let error = certified_key(certificate("localhost").0.as_bytes(), certificate("localhost").1.as_bytes()).unwrap_err();
    assert!(matches!(error, TlsError::Mismatch(_)), "{error}");
}

#[test]
fn text_without_pem_is_named() {
    let (pem, key) = certificate("localhost");
    for (certificate, key, what) in [("", key.as_str(), "a certificate"), (pem.as_str(), "", "a private key")] {
        let error = certified_key(certificate.as_bytes(), key.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, format!("cannot read {what} from PEM text"));
    }
}
