//! Style and scripts, under names that carry the hash of their content: a browser keeps them for ever, and a new version
//! has new names.

use std::sync::LazyLock;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use sha2::{Digest as _, Sha256};

use crate::http::answer::{self, Answer};

/// Where they are served.
pub const PREFIX: &str = "/assets/";

/// A file and what it holds. A script names only those that stand before it.
const FILES: [(&str, &str); 30] = [
    ("page.css", include_str!("../../assets/page.css")),
    ("timeline.css", include_str!("../../assets/timeline.css")),
    ("runs.css", include_str!("../../assets/runs.css")),
    ("theme.js", include_str!("../../assets/theme.js")),
    ("saved.js", include_str!("../../assets/saved.js")),
    ("cursor.js", include_str!("../../assets/cursor.js")),
    ("source.js", include_str!("../../assets/source.js")),
    ("want.js", include_str!("../../assets/want.js")),
    ("lane.js", include_str!("../../assets/lane.js")),
    ("worker.js", include_str!("../../assets/worker.js")),
    ("tab.js", include_str!("../../assets/tab.js")),
    ("chip.js", include_str!("../../assets/chip.js")),
    ("again.js", include_str!("../../assets/again.js")),
    ("lag.js", include_str!("../../assets/lag.js")),
    ("stream.js", include_str!("../../assets/stream.js")),
    ("told.js", include_str!("../../assets/told.js")),
    ("keys.js", include_str!("../../assets/keys.js")),
    ("times.js", include_str!("../../assets/times.js")),
    ("rows.js", include_str!("../../assets/rows.js")),
    ("follow.js", include_str!("../../assets/follow.js")),
    ("pages.js", include_str!("../../assets/pages.js")),
    ("body.js", include_str!("../../assets/body.js")),
    ("raw.js", include_str!("../../assets/raw.js")),
    ("place.js", include_str!("../../assets/place.js")),
    ("copy.js", include_str!("../../assets/copy.js")),
    ("found.js", include_str!("../../assets/found.js")),
    ("about.js", include_str!("../../assets/about.js")),
    ("channel.js", include_str!("../../assets/channel.js")),
    ("timeline.js", include_str!("../../assets/timeline.js")),
    ("runs.js", include_str!("../../assets/runs.js")),
];

struct Asset {
    name: &'static str,
    path: String,
    content_type: &'static str,
    body: Bytes,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let mut assets: Vec<Asset> = Vec::new();
    for (name, text) in FILES {
        let mut text = text.to_owned();
        for earlier in &assets {
            let file = earlier.path.strip_prefix(PREFIX).unwrap_or(&earlier.path);
            text = text.replace(&format!("\"./{}\"", earlier.name), &format!("\"./{file}\""));
        }
        let hash = Sha256::digest(text.as_bytes());
        let short: String = hash
            .iter()
            .take(6)
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect();
        let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
        let content_type = if extension == "css" { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
        let path = format!("{PREFIX}{stem}-{short}.{extension}");
        assets.push(Asset { name, path, content_type, body: Bytes::from(text) });
    }
    assets
});

/// The path of a file by its plain name; empty for a name that is none.
#[must_use]
pub fn path(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| asset.path.as_str())
}

/// The file at a path.
#[must_use]
pub fn answer(path: &str) -> Option<Answer> {
    let asset = ASSETS.iter().find(|asset| asset.path == path)?;
    let mut answer = answer::whole(asset.content_type, asset.body.clone());
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Some(answer)
}

#[cfg(test)]
mod tests;
