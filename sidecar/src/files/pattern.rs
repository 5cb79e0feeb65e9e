//! Which files are followed: `[container:]glob`.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// How deep a pattern with `**` looks.
const DEEPEST: usize = 32;

/// One pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    container: Option<String>,
    matcher: GlobMatcher,
    /// The longest part without a wildcard: where the search begins.
    base: PathBuf,
    /// How many levels below it a file can be.
    depth: usize,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// The glob cannot be read.
    #[error("`{glob}` is no glob: {reason}")]
    Glob {
        /// As given.
        glob: String,
        /// What is wrong.
        reason: String,
    },
    /// It does not begin at the root.
    #[error("`{0}` is not an absolute path; begin it with /")]
    Relative(String),
}

impl Pattern {
    /// Reads `[container:]glob`. The glob is an absolute path with `*`, `?`, `[...]`, `{a,b}` and `**`.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        let (container, glob) = match text.split_once(':') {
            Some((container, glob)) if !container.is_empty() && !container.contains('/') => (Some(container.to_owned()), glob),
            _ => (None, text),
        };
        if !glob.starts_with('/') {
            return Err(PatternError::Relative(glob.to_owned()));
        }
        Self::new(container, glob)
    }

    /// Everything under a directory.
    ///
    /// # Errors
    /// When the directory's name is no text.
    pub fn everything_under(container: Option<String>, directory: &Path) -> Result<Self, PatternError> {
        let directory = directory.to_str().ok_or_else(|| PatternError::Relative(directory.display().to_string()))?;
        Self::new(container, &format!("{}/**", globset::escape(directory)))
    }

    fn new(container: Option<String>, glob: &str) -> Result<Self, PatternError> {
        let built = GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build();
        let matcher = built
            .map_err(|error| PatternError::Glob { glob: glob.to_owned(), reason: error.kind().to_string() })?
            .compile_matcher();
        let mut base = PathBuf::new();
        let mut depth = 0;
        let mut literal = true;
        for component in Path::new(glob).components() {
            let text = component.as_os_str().to_string_lossy();
            literal = literal && !text.contains(['*', '?', '[', ']', '{', '}', '\\']);
            match component {
                Component::RootDir | Component::Normal(_) if literal => base.push(component),
                _ if text.contains("**") => depth = DEEPEST,
                _ => depth += 1,
            }
        }
        Ok(Self { container, matcher, base, depth: depth.min(DEEPEST) })
    }

    /// The container whose files it names.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        self.container.as_deref()
    }

    /// The one path that it names, where it has no wildcard.
    #[must_use]
    pub fn literal(&self) -> Option<&Path> {
        (self.depth == 0).then_some(self.base.as_path())
    }

    /// The directory, or the file, where the search begins.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Calls `found` with every path that matches, and `entered` with every directory on the way. What cannot be read now
    /// is looked for again next time.
    pub fn walk(&self, found: &mut dyn FnMut(&Path), entered: &mut dyn FnMut(&Path)) {
        if self.depth == 0 {
            if let Some(parent) = self.base.parent() {
                entered(parent);
            }
            found(&self.base);
            return;
        }
        self.walk_directory(&self.base, self.depth, found, entered);
    }

    fn walk_directory(&self, directory: &Path, depth: usize, found: &mut dyn FnMut(&Path), entered: &mut dyn FnMut(&Path)) {
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        entered(directory);
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(file_type) = entry.file_type() else { continue };
            // A link to a directory is not followed, so that no circle is walked; a link to a file is.
            if file_type.is_dir() {
                if depth > 1 {
                    self.walk_directory(&path, depth - 1, found, entered);
                }
            } else if self.matcher.is_match(&path) {
                found(&path);
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(container) = &self.container {
            write!(formatter, "{container}:")?;
        }
        formatter.write_str(self.matcher.glob().glob())
    }
}

#[cfg(test)]
mod tests;
