//! A colour for every agent, by its name, the same on every page. Never the only sign: the name stands beside it.

/// The style sheet has this many colours for agents.
const COLOURS: u32 = 6;

const CLASSES: [&str; COLOURS as usize] = ["agent-0", "agent-1", "agent-2", "agent-3", "agent-4", "agent-5"];

/// The class that gives an agent its colour.
#[must_use]
pub fn class(agent: &str) -> &'static str {
    CLASSES[number(agent)]
}

/// Which of six colours is an agent's, from 0: the same on pages and in terminals.
#[must_use]
pub fn number(agent: &str) -> usize {
    // FNV-1a: stable over versions and machines, which the hasher of the standard library is not.
    let hash = agent.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let folded = (hash >> 16) ^ hash;
    (folded % COLOURS) as usize
}
