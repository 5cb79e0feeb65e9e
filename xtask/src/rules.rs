//! Rules of the house that no linter knows.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// Longer than this and a file holds more than one thing.
const LONGEST_FILE: usize = 400;

/// Servers of package registries: the ordinary clients know where their registry is, and a mirror must do as well. Each is
/// written in two pieces, so that this list does not break its own rule.
const REGISTRIES: [&str; 8] = [
    concat!("pypi", ".org"),
    concat!("files.python", "hosted.org"),
    concat!("registry.npm", "js.org"),
    concat!("proxy.go", "lang.org"),
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("deb.debian", ".org"),
    concat!("repo1.maven", ".org"),
];

/// Checks every file that git tracks.
pub fn check(root: &Path) -> anyhow::Result<()> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output().context("cannot run `git ls-files`")?;
    if !output.status.success() {
        bail!("`git ls-files` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut broken = Vec::new();
    for name in listing.split('\0').filter(|name| !name.is_empty()) {
        broken.extend(problem(&root.join(name), name));
    }
    if !broken.is_empty() {
        bail!("{}", broken.join("\n"));
    }
    Ok(())
}

fn problem(path: &Path, name: &str) -> Option<String> {
    // What is no text has no lines and names nobody.
    let text = std::fs::read_to_string(path).ok()?;
    if let Some(host) = REGISTRIES.iter().find(|host| text.contains(*host)) {
        return Some(format!("{name}: names {host}, the server of a package registry"));
    }
    if !["rs", "js", "css"].iter().any(|extension| path.extension().is_some_and(|it| it == *extension)) {
        return None;
    }
    if name.ends_with("/mod.rs") {
        return Some(format!("{name}: a module's file stands beside its folder, under its own name"));
    }
    let lines = text.lines().count();
    (lines > LONGEST_FILE).then(|| format!("{name}: {lines} lines, at most {LONGEST_FILE}; split it by what it is about"))
}

#[cfg(test)]
mod tests;
