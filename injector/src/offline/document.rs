//! Manifests as people keep them: files of YAML or JSON with any number of documents, each of one object or a list of objects.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::offline::{edit, yaml};

/// Stands for standard input in the place of a file.
const STANDARD_INPUT: &str = "-";
/// How files in a directory end that are read.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// One file.
#[derive(Debug)]
pub struct Manifest {
    /// What messages call it.
    pub name: String,
    /// Whether it is JSON, so that it is written as JSON.
    pub is_json: bool,
    /// What is in it.
    pub documents: Vec<Document>,
}

/// One document.
#[derive(Debug)]
pub struct Document {
    /// As it was read, with the mark that begins it and the comments around it.
    pub text: String,
    /// What it says; null where there is nothing but comments.
    pub value: Value,
}

/// Reads files; `-` is standard input, and of a directory the files that end in `.yaml`, `.yml` and `.json`.
///
/// # Errors
/// A file that cannot be read or is neither; the line is told.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for path in paths {
        if path.as_os_str() == STANDARD_INPUT {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            manifests.push(parse("standard input", &text)?);
        } else if path.is_dir() {
            for file in files_of(path)? {
                manifests.push(read_file(&file)?);
            }
        } else {
            manifests.push(read_file(path)?);
        }
    }
    Ok(manifests)
}

fn read_file(path: &Path) -> Result<Manifest> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    parse(&path.display().to_string(), &text)
}

fn files_of(directory: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read the directory `{}`", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known)) {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("no file in `{}` ends in .yaml, .yml or .json", directory.display());
    }
    files.sort();
    Ok(files)
}

/// Reads the text of a file.
///
/// # Errors
/// Text that is neither YAML nor JSON.
pub fn parse(name: &str, text: &str) -> Result<Manifest> {
    if text.trim_start().starts_with('{') {
        // One object of JSON after the other is a stream too, and what `kubectl -o json` writes.
        if let Ok(values) = serde_json::Deserializer::from_str(text).into_iter().collect::<Result<Vec<Value>, _>>() {
            let documents = values.into_iter().map(|value| Document { text: String::new(), value }).collect();
            return Ok(Manifest { name: name.to_owned(), is_json: true, documents });
        }
    }
    let documents = split(text).into_iter().map(|text| {
        let value = read_value(&text).with_context(|| format!("{name} is no manifest"))?;
        Ok(Document { text, value })
    });
    Ok(Manifest { name: name.to_owned(), is_json: false, documents: documents.collect::<Result<_>>()? })
}

/// The documents of a stream, as they stand. A line that begins with three dashes begins one; inside a block of text it is indented.
fn split(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let is_mark = line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if is_mark && documents.last().is_some_and(|document| !document.is_empty()) {
            documents.push(String::new());
        }
        if let Some(document) = documents.last_mut() {
            document.push_str(line);
        }
    }
    documents
}

fn read_value(text: &str) -> Result<Value> {
    let has_content = text.lines().any(|line| {
        let line = line.strip_prefix("---").unwrap_or(line).trim();
        !line.is_empty() && !line.starts_with('#') && line != "..."
    });
    if !has_content {
        return Ok(Value::Null);
    }
    // As Kubernetes' own reader, which follows YAML 1.1: a mode of 0644 is octal.
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    Ok(serde_saphyr::from_str_with_options(text, options)?)
}

impl Document {
    /// The text of a YAML document that now says `after`, and whether its comments and order were kept.
    #[must_use]
    pub fn changed(&self, after: &Value) -> (String, bool) {
        if self.value == *after {
            return (self.text.clone(), true);
        }
        let edited = edit::document(&self.text, &self.value, after);
        // An edit that reads otherwise than it should is worth nothing, however well it looks.
        let right = edited.filter(|text| read_value(text).is_ok_and(|value| value == *after));
        right.map_or_else(
            || {
                let mark = if self.text.starts_with("---") { "---\n" } else { "" };
                (format!("{mark}{}", yaml::block(after)), false)
            },
            |text| (text, true),
        )
    }
}

#[cfg(test)]
mod tests;
