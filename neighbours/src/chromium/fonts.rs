//! The one family that pages under test are drawn with: a word is as wide on every machine, whatever fonts it has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{Cache, packages};

const PACKAGE: &str = "fonts-dejavu-core";
const ADVICE: &str = "cannot fetch the fonts of the package fonts-dejavu-core with apt-get";

/// Where the fonts lie; fetched the first time, also where the machine has them, since it may have others beside them.
pub(super) fn find() -> Result<PathBuf> {
    let entry = Cache::of_user()?.entry(&format!("fonts-dejavu-{}", packages::release()), |directory| {
        let nothing = directory.join(".status");
        fs::write(&nothing, "").context("cannot write an empty list of packages")?;
        packages::unpack(&[PACKAGE], &nothing, directory, ADVICE)
    })?;
    Ok(entry.join("usr/share/fonts"))
}

/// What makes a browser know these fonts and no others, each letter drawn where it belongs and not moved to whole pixels.
pub(super) fn configuration(fonts: &Path, cache: &Path) -> String {
    let settings = [
        ("antialias", "bool", "true"),
        ("hinting", "bool", "false"),
        ("hintstyle", "const", "hintnone"),
        ("rgba", "const", "none"),
    ];
    let edits =
        settings.map(|(name, kind, value)| format!("<edit name=\"{name}\" mode=\"assign\"><{kind}>{value}</{kind}></edit>\n"));
    let families = [("sans-serif", "DejaVu Sans"), ("serif", "DejaVu Sans"), ("monospace", "DejaVu Sans Mono")];
    let aliases = families
        .map(|(name, family)| format!("<alias><family>{name}</family><prefer><family>{family}</family></prefer></alias>\n"));
    format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"urn:fontconfig:fonts.dtd\">\n<fontconfig>\n\
         <dir>{}</dir>\n<cachedir>{}</cachedir>\n{}<match target=\"pattern\">\n{}</match>\n<match target=\"font\">\n{}</match>\n</fontconfig>\n",
        fonts.display(),
        cache.display(),
        aliases.concat(),
        edits.concat(),
        edits.concat(),
    )
}
