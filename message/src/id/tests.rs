use super::*;

fn source() -> Source {
    Source { pod_uid: "p".into(), label: "main:/log".into(), generation: 1, start: 0, end: 6, part: 0 }
}

#[test]
fn the_same_bytes_have_the_same_id_and_any_change_another() {
    let first = of_bytes(&source(), b"hello\n");
    assert_eq!(first, of_bytes(&source(), b"hello\n"));
    let changed = [
        of_bytes(&source(), b"hellO\n"),
        of_bytes(&Source { start: 1, ..source() }, b"hello\n"),
        of_bytes(&Source { end: 7, ..source() }, b"hello\n"),
        of_bytes(&Source { part: 1, ..source() }, b"hello\n"),
        of_bytes(&Source { generation: 2, ..source() }, b"hello\n"),
        of_bytes(&Source { label: "other:/log".into(), ..source() }, b"hello\n"),
        of_bytes(&Source { pod_uid: "q".into(), ..source() }, b"hello\n"),
    ];
    assert!(changed.iter().all(|id| *id != first));
}

#[test]
fn an_id_is_the_digest_of_its_parts_each_after_its_length() {
    let mut hasher = Sha256::new();
    for part in [&b"p"[..], b"main:/log", b"1", b"0", b"6", b"0", b"hello\n"] {
        hasher.update(u32::try_from(part.len()).unwrap().to_be_bytes());
        hasher.update(part);
    }
    let mut bytes: [u8; 16] = hasher.finalize()[..16].try_into().unwrap();
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    assert_eq!(of_bytes(&source(), b"hello\n"), Uuid::from_bytes(bytes));
}

#[test]
fn parts_do_not_run_together() {
    assert_ne!(of_step("ab", "c"), of_step("a", "bc"));
}

#[test]
fn only_version_8_is_our_own() {
    assert_eq!(parse_own(&of_step("a", "b").to_string()), Some(of_step("a", "b")));
    assert_eq!(parse_own("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), None);
    assert_eq!(parse_own("no uuid"), None);
}

#[test]
fn gaps_at_one_position_are_told_apart() {
    let at = Source { end: 0, ..source() };
    let ids = [of_gap(&at, "truncated", 1), of_gap(&at, "truncated", 2), of_gap(&at, "refused", 1), of_control(&at, "gap")];
    let different: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len());
}
