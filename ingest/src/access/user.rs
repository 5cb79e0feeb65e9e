//! Who somebody is.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

/// The group of everybody who is known.
const AUTHENTICATED: &str = "system:authenticated";
/// Names of Kubernetes' own begin so: no proxy gives them.
const RESERVED: &str = "system:";

/// A user as Kubernetes sees one: what rights are given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name; never empty.
    pub name: String,
    /// What tells users of one name apart, where there is something.
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// What else the issuer says.
    pub extra: BTreeMap<String, Vec<String>>,
    digest: [u8; 32],
}

impl User {
    /// A user of these properties; none without a name.
    #[must_use]
    pub fn new(name: String, uid: String, groups: Vec<String>, extra: BTreeMap<String, Vec<String>>) -> Option<Self> {
        if name.is_empty() {
            return None;
        }
        let mut digest = Sha256::new();
        // Each after its length, so that no two users are written alike.
        let mut add = |text: &str| {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        };
        add(&name);
        add(&uid);
        add(&groups.len().to_string());
        for group in &groups {
            add(group);
        }
        for (key, values) in &extra {
            add(key);
            add(&values.len().to_string());
            for value in values {
                add(value);
            }
        }
        let digest = digest.finalize().into();
        Some(Self { name, uid, groups, extra, digest })
    }

    /// A user that a proxy names. It can name nobody of Kubernetes' own, whatever somebody made it forward.
    #[must_use]
    pub fn of_proxy(name: &str, groups: &[&str]) -> Option<Self> {
        if name.starts_with(RESERVED) {
            return None;
        }
        let groups = groups.iter().filter(|group| !group.is_empty() && !group.starts_with(RESERVED));
        let groups = groups.copied().chain([AUTHENTICATED]).map(ToOwned::to_owned).collect();
        Self::new(name.to_owned(), String::new(), groups, BTreeMap::new())
    }

    /// What stands for all of it together.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl fmt::Display for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests;
