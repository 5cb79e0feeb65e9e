//! Which version of a program is installed.

use std::path::Path;
use std::process::Command;

/// Major and minor number from what `--version` prints, a line that ends as `nats-server: v2.15.1` or `Kubernetes v1.36.3`
/// does; none when the program does not run or prints something else.
pub(crate) fn printed(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (_, numbers) = text.trim().rsplit_once('v')?;
    let mut numbers = numbers.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}
