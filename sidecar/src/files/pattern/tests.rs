use std::path::Path;

use tempfile::TempDir;

use super::Pattern;

#[track_caller]
fn check(glob: &str, files: &[&str], expected: &[&str]) {
    let directory = TempDir::new().unwrap();
    for file in files {
        let path = directory.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    let pattern = Pattern::parse(&format!("main:{}/{glob}", directory.path().display())).unwrap();
    assert_eq!(pattern.container(), Some("main"));
    let mut found = Vec::new();
    let mut take = |path: &Path| found.push(path.strip_prefix(directory.path()).unwrap().to_str().unwrap().to_owned());
    pattern.walk(&mut take, &mut |_| {});
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn globs_match_what_shells_match() {
    let files = ["a.log", "b.txt", "x/a.log", "x/y/a.log"];
    check("*.log", &files, &["a.log"]);
    check("**/*.log", &files, &["a.log", "x/a.log", "x/y/a.log"]);
    check("x/*/a.log", &files, &["x/y/a.log"]);
    check("{a,b}.*", &files, &["a.log", "b.txt"]);
    check("x/a.log", &files, &["x/a.log"]);
    check("no/*.log", &files, &[]);
}

#[test]
fn a_path_without_wildcards_is_found_before_it_exists() {
    check("later.log", &[], &["later.log"]);
}

#[test]
fn a_pattern_that_cannot_be_used_is_told() {
    assert_eq!(Pattern::parse("main:a.log").unwrap_err().to_string(), "`a.log` is not an absolute path; begin it with /");
    assert!(Pattern::parse("/a/[").unwrap_err().to_string().starts_with("`/a/[` is no glob"));
}

#[test]
fn everything_under_a_directory_means_its_files_at_any_depth() {
    let directory = TempDir::new().unwrap();
    let base = directory.path().join("odd[1]");
    std::fs::create_dir_all(base.join("deep")).unwrap();
    std::fs::write(base.join("deep/a"), "").unwrap();
    let mut found = 0;
    Pattern::everything_under(None, &base).unwrap().walk(&mut |_| found += 1, &mut |_| {});
    assert_eq!(found, 1);
}
