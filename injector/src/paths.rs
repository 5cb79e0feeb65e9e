//! Paths as containers see them: text only, no file is looked at.

/// A path without repeated or final slashes, and with `/var/run` as what it is a link to in all but a few images.
#[must_use]
pub fn normal(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        normal.push('/');
        normal.push_str(part);
    }
    match normal.strip_prefix("/var/run") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/run{rest}"),
        _ => normal,
    }
}

/// Whether two paths name the same place.
#[must_use]
pub fn same(left: &str, right: &str) -> bool {
    normal(left) == normal(right)
}

/// What is left of `path` below `directory`, without a slash in front; none when it is not below.
#[must_use]
pub fn below(path: &str, directory: &str) -> Option<String> {
    let (path, directory) = (normal(path), normal(directory));
    Some(path.strip_prefix(&directory)?.strip_prefix('/')?.to_owned())
}
