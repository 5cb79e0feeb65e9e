use super::*;

fn certificate(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn a_certificate_and_its_key_make_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let (pem, key) = certificate("localhost");
    let (pem_path, key_path) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    std::fs::write(&pem_path, pem).unwrap();
    std::fs::write(&key_path, key).unwrap();
    let config = server_config(&pem_path, &key_path, &["h2", "http/1.1"]).unwrap();
    assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
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
    let directory = tempfile::tempdir().unwrap();
    let (pem_path, key_path) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    std::fs::write(&pem_path, certificate("localhost").0).unwrap();
    std::fs::write(&key_path, certificate("localhost").1).unwrap();
    let error = server_config(&pem_path, &key_path, &[]).unwrap_err();
    assert!(matches!(error, TlsError::Pair { .. }), "{error}");
}
