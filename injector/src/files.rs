//! Files of steps, as the sidecar sees them: a path inside a container is translated to a path below a read-only mount of the same volume.

use serde_json::{Value, json};

use crate::names::{FILES_DIR, LOGS};
use crate::paths;
use crate::pod::{self, Pod, list, text};

/// Sources that steps cannot write, so that nobody's log is there, and that may hold secrets.
const READ_ONLY_SOURCES: [&str; 5] = ["secret", "configMap", "downwardAPI", "projected", "image"];

/// The longest list of globs, and the most globs that its braces may stand for: whoever may make a pod chooses both, and each
/// glob is looked up in each container.
const TEXT_LIMIT: usize = 4096;
const GLOBS_LIMIT: usize = 64;

/// A glob over the files of one container, or of whichever container has the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileGlob {
    /// The container that writes them.
    pub container: Option<String>,
    /// Absolute path with wildcards, as that container sees it.
    pub glob: String,
}

impl FileGlob {
    /// Reads `[container:]glob,...`. A comma inside braces belongs to the glob; each choice in braces becomes a glob of its own.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        if text.len() > TEXT_LIMIT {
            return Err(format!("has {} bytes; at most {TEXT_LIMIT} are read", text.len()));
        }
        let mut globs = Vec::new();
        for part in split_outside_braces(text)?.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
            let (container, glob) = match part.split_once(':') {
                Some((container, glob)) if !container.contains('/') => (Some(container.to_owned()), glob),
                _ => (None, part),
            };
            if !glob.starts_with('/') || glob.split('/').any(|part| part == "..") {
                return Err(format!("`{part}` is no absolute path"));
            }
            let expanded = expand(glob).filter(|expanded| globs.len() + expanded.len() <= GLOBS_LIMIT);
            let expanded = expanded.ok_or_else(|| format!("stands for more than {GLOBS_LIMIT} globs"))?;
            globs.extend(expanded.into_iter().map(|glob| Self { container: container.clone(), glob }));
        }
        Ok(globs)
    }
}

fn split_outside_braces(text: &str) -> Result<Vec<&str>, String> {
    let (mut depth, mut start, mut parts) = (0_u32, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.checked_sub(1).ok_or_else(|| format!("`{text}` closes a brace that is not open"))?,
            b',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if depth > 1 {
            return Err(format!("`{text}` has braces within braces"));
        }
    }
    if depth > 0 {
        return Err(format!("`{text}` opens a brace and does not close it"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// The globs that a glob with braces stands for; none when there are too many of them.
fn expand(glob: &str) -> Option<Vec<String>> {
    let mut globs = vec![String::new()];
    let mut rest = glob;
    while let Some((before, (choices, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        let choices: Vec<&str> = choices.split(',').collect();
        if globs.len() * choices.len() > GLOBS_LIMIT {
            return None;
        }
        let longer = globs.iter().flat_map(|glob| choices.iter().map(move |choice| format!("{glob}{before}{choice}")));
        globs = longer.collect();
        rest = after;
    }
    for glob in &mut globs {
        glob.push_str(rest);
    }
    Some(globs)
}

/// The sidecar's mounts of steps' volumes, and what it follows on them.
#[derive(Debug, Default)]
pub struct Files {
    mounts: Vec<Shared>,
    globs: Vec<(String, String)>,
}

#[derive(Debug)]
struct Shared {
    volume: String,
    sub_path: Option<String>,
    directory: String,
}

impl Files {
    /// Follows `glob` as `container` sees it; false when it is on no volume that can be shared.
    pub fn follow(&mut self, pod: Pod<'_>, container: &Value, glob: &str) -> bool {
        let Some((mount, rest)) = holder(container, glob) else { return false };
        let volume = text(mount, "name").unwrap_or_default();
        if !is_written(pod, volume) || mount.get("subPathExpr").is_some_and(|path| !path.is_null()) {
            return false;
        }
        let directory = self.share(volume, text(mount, "subPath").filter(|path| !path.is_empty()));
        let path = if rest.is_empty() { directory } else { format!("{directory}/{rest}") };
        if !self.globs.iter().any(|(_, known)| *known == path) {
            self.globs.push((pod::name(container).to_owned(), path));
        }
        true
    }

    /// Follows what an annotation names; false when no container has a volume for it.
    pub fn follow_override(&mut self, pod: Pod<'_>, containers: &[&Value], file: &FileGlob) -> bool {
        if paths::below(&file.glob, LOGS).is_some() {
            return true;
        }
        let wanted = |container: &&&Value| file.container.as_deref().is_none_or(|name| pod::name(container) == name);
        let mut found = false;
        for container in containers.iter().filter(wanted) {
            found |= self.follow(pod, container, &file.glob);
        }
        found
    }

    /// The sidecar's setting: `container:glob,...`; none when nothing is followed.
    #[must_use]
    pub fn setting(&self) -> Option<String> {
        let globs: Vec<String> = self.globs.iter().map(|(container, path)| format!("{container}:{path}")).collect();
        (!globs.is_empty()).then(|| globs.join(","))
    }

    /// The sidecar's mounts.
    #[must_use]
    pub fn mounts(&self) -> Vec<Value> {
        let mount = |shared: &Shared| {
            let mut mount = json!({ "name": shared.volume, "mountPath": shared.directory, "readOnly": true });
            if let Some(sub_path) = &shared.sub_path {
                mount["subPath"] = json!(sub_path);
            }
            mount
        };
        self.mounts.iter().map(mount).collect()
    }

    fn share(&mut self, volume: &str, sub_path: Option<&str>) -> String {
        let known = self.mounts.iter().find(|shared| shared.volume == volume && shared.sub_path.as_deref() == sub_path);
        if let Some(shared) = known {
            return shared.directory.clone();
        }
        // A volume's name has no dot, so a number behind one makes a directory of its own.
        let directory = match sub_path {
            None => format!("{FILES_DIR}/{volume}"),
            Some(_) => format!("{FILES_DIR}/{volume}.{}", self.mounts.len()),
        };
        self.mounts.push(Shared {
            volume: volume.to_owned(),
            sub_path: sub_path.map(str::to_owned),
            directory: directory.clone(),
        });
        directory
    }
}

/// The container's mount that a path lies on, the innermost one, and the path below it.
fn holder<'a>(container: &'a Value, glob: &str) -> Option<(&'a Value, String)> {
    let reaches = |mount: &'a Value| {
        let path = text(mount, "mountPath")?;
        let rest = if paths::same(glob, path) { String::new() } else { paths::below(glob, path)? };
        Some((mount, rest))
    };
    list(container, "volumeMounts").iter().filter_map(reaches).min_by_key(|(_, rest)| rest.len())
}

fn is_written(pod: Pod<'_>, volume: &str) -> bool {
    let found = pod.volumes().iter().find(|candidate| pod::name(candidate) == volume);
    found.is_some_and(|volume| !is_read_only(volume))
}

/// Whether nobody can write a volume, however it is mounted.
pub(crate) fn is_read_only(volume: &Value) -> bool {
    READ_ONLY_SOURCES.iter().any(|source| volume.get(source).is_some_and(|source| !source.is_null()))
}
