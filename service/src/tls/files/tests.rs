use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

fn write(directory: &Path) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("tls.crt"), &certificate).unwrap();
    fs::write(directory.join("tls.key"), &key).unwrap();
    (certificate, key)
}

/// What the kubelet does with a mounted Secret: files are links through `..data`, which is a link that is swapped.
fn mount(volume: &Path, version: &str) {
    write(&volume.join(version));
    let next = volume.join("..data_tmp");
    symlink(version, &next).unwrap();
    fs::rename(&next, volume.join("..data")).unwrap();
}

#[test]
fn a_swapped_mount_is_read_again_and_nothing_else_is() {
    let volume = tempfile::tempdir().unwrap();
    mount(volume.path(), "..2026_one");
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), volume.path().join(name)).unwrap();
    }
    let files = Files { certificate: volume.path().join("tls.crt"), key: volume.path().join("tls.key") };
    let mut seen = Seen::default();
    let first = files.changed(&mut seen).unwrap().unwrap();
    assert!(files.changed(&mut seen).unwrap().is_none());
    mount(volume.path(), "..2026_two");
    let second = files.changed(&mut seen).unwrap().unwrap();
    assert_ne!(first.cert, second.cert);
    assert!(files.changed(&mut seen).unwrap().is_none());
}

#[test]
fn a_certificate_beside_the_key_of_another_is_taken_when_both_are_there() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    let files = Files { certificate: directory.path().join("tls.crt"), key: directory.path().join("tls.key") };
    let mut seen = Seen::default();
    files.changed(&mut seen).unwrap().unwrap();
    let other = directory.path().join("other");
    write(&other);
    fs::copy(other.join("tls.crt"), &files.certificate).unwrap();
    assert!(files.changed(&mut seen).is_err());
    fs::copy(other.join("tls.key"), &files.key).unwrap();
    assert!(files.changed(&mut seen).unwrap().is_some());
}
