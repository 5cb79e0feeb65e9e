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

#[test]
fn a_file_that_names_a_registry_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("install.md");
    std::fs::write(&path, format!("fetch it from https://{}/simple\n", REGISTRIES[0])).unwrap();
    assert!(problem(&path, "docs/install.md").unwrap().starts_with("docs/install.md: names pyp"));
    std::fs::write(&path, "fetch it with pip\n").unwrap();
    assert_eq!(problem(&path, "docs/install.md"), None);
}
