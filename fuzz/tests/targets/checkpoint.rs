//! The checkpoint: whatever stands in its place is read, or set aside with a reason; never both, never neither.

use sidecar::checkpoint::{Checkpoint, Found, Store};
use tempfile::TempDir;

#[test]
fn checkpoint() {
    let directory = TempDir::new().unwrap();
    fuzz::target!("checkpoint", |bytes: &[u8]| {
        check(&directory, bytes);
        // Bytes that only a right checksum lets in.
        if let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            let json = &bytes[at + 1..];
            let mut whole = format!("agent-comms-checkpoint 1 {:08x}\n", crc32fast::hash(json)).into_bytes();
            whole.extend_from_slice(json);
            check(&directory, &whole);
        }
    });
}

fn check(directory: &TempDir, bytes: &[u8]) {
    let (file, aside) = (directory.path().join("checkpoint"), directory.path().join("checkpoint.set-aside-7"));
    std::fs::write(&file, bytes).unwrap();
    let store = Store::new(directory.path());
    match store.load(7).unwrap() {
        Found::Checkpoint(checkpoint) => {
            // What was read is written and read again as it is.
            store.save(&checkpoint).unwrap();
            assert_eq!(loaded(&store), checkpoint);
        }
        Found::Unusable(reason) => {
            assert!(!reason.is_empty() && !file.exists());
            assert_eq!(std::fs::read(&aside).unwrap(), bytes, "it is kept as it was");
            std::fs::remove_file(aside).unwrap();
        }
        Found::Nothing => panic!("{} bytes are nothing", bytes.len()),
    }
}

fn loaded(store: &Store) -> Checkpoint {
    let Found::Checkpoint(checkpoint) = store.load(7).unwrap() else { panic!("it wrote what it cannot read") };
    checkpoint
}
