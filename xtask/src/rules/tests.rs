use super::*;

#[test]
fn a_long_file_and_a_mod_file_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, lines: usize| {
        let path = directory.path().join(name);
        std::fs::write(&path, "x\n".repeat(lines)).unwrap();
        problem(&path, &format!("crate/{name}"))
    };
    assert_eq!(write("fine.rs", LONGEST_FILE), None);
    assert_eq!(write("long.txt", LONGEST_FILE + 1), None);
    assert!(write("long.css", LONGEST_FILE + 1).unwrap().starts_with("crate/long.css: 401 lines"));
    assert!(write("mod.rs", 1).is_some());
}
