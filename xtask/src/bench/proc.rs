//! What the system tells of a process.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// Time of the processor that a process has had, all its threads.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    ticks(pid, 2)
}

/// Time of the processor that a process and all that it started have had, those included that ended.
pub fn cpu_time_of_all(pid: u32) -> Duration {
    // One that ends meanwhile is counted by its parent from then on.
    descendants(pid).into_iter().filter_map(|pid| ticks(pid, 4).ok()).sum()
}

/// A process and all that it started and that run now.
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut known = vec![pid];
    let mut next = 0;
    while let Some(pid) = known.get(next).copied() {
        next += 1;
        let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for thread in threads.flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            known.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    known
}

/// The memory of a process, of what it shares with others its share, MiB.
pub fn share(pid: u32) -> Result<f64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// The sum of the first so many of: time in the program, in the system, and both of children that ended.
fn ticks(pid: u32, fields: usize) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name, in brackets, may hold anything.
    let (_, values) = stat.rsplit_once(')').with_context(|| format!("{path} has no name"))?;
    let ticks = values.split_whitespace().skip(11).take(fields).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second()))
}

/// Memory of a process, MiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// What it has in memory now.
    pub now: f64,
    /// The most it ever had.
    pub peak: f64,
}

/// Memory of a process.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    Ok(Memory { now: field(&path, "VmRSS:")?, peak: field(&path, "VmHWM:")? })
}

/// A field in MiB.
fn field(path: &str, name: &str) -> Result<f64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{path} has no {name}"))?;
    let kilobytes: u32 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(f64::from(kilobytes) / 1024.0)
}
