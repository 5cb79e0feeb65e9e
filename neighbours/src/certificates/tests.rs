use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn an_identity_is_written_with_a_private_key() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new().unwrap();
    let identity = authority.client("demo.publisher").unwrap();
    let files = identity.write(directory.path(), "publisher").unwrap();
    assert!(identity.certificate_pem.contains("BEGIN CERTIFICATE"));
    assert_eq!(fs::read_to_string(&files.key).unwrap(), identity.key_pem);
    assert_eq!(fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn names_that_are_no_names_are_refused() {
    let authority = Authority::new().unwrap();
    assert!(authority.server(&["kubernetes.default.svc"]).is_ok());
    assert!(authority.client("naïve").is_err());
}
