//! Changes to the files of a corpus: what a torn write, a bad disk or a writer of something else makes of real bytes.

use bolero::TypeGenerator;

use crate::LONGEST;

/// A file of the corpus, and what is done to it.
#[derive(Debug, Clone, TypeGenerator)]
pub struct Change {
    /// Which file.
    file: u16,
    /// What is done to it, in this order.
    #[generator(bolero::produce::<Vec<Edit>>().with().len(0_usize..6))]
    edits: Vec<Edit>,
}

/// One change. Places and lengths count from any number to one that there is.
#[derive(Debug, Clone, TypeGenerator)]
enum Edit {
    Flip {
        at: u16,
        bits: u8,
    },
    Insert {
        at: u16,
        #[generator(bolero::produce::<Vec<u8>>().with().len(0_usize..24))]
        bytes: Vec<u8>,
    },
    Remove {
        at: u16,
        length: u8,
    },
    /// Doubles a piece.
    Repeat {
        at: u16,
        length: u8,
        times: u8,
    },
    /// Ends it there.
    Cut {
        at: u16,
    },
    /// Goes on with another file.
    Splice {
        at: u16,
        file: u16,
        from: u16,
    },
    /// Puts a number that lies at the edge of something there.
    Edge {
        at: u16,
        which: u8,
    },
}

/// Numbers at the edge of something, as they stand in files.
const EDGES: [&[u8]; 8] = [
    &[0; 8],
    &[0xff; 8],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0, 0, 0, 0x80],
    &[0, 0, 0x40, 0],
    b"18446744073709551616",
    b"-1",
    b"1e999",
];

impl Change {
    /// The changed bytes.
    #[must_use]
    pub fn of(&self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = file(corpus, self.file).to_vec();
        for edit in &self.edits {
            edit.apply(&mut bytes, corpus);
        }
        bytes
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let place = |at: u16| usize::from(at) % (bytes.len() + 1);
        match self {
            Self::Flip { at, bits } => {
                let at = place(*at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Self::Insert { at, bytes: new } => {
                let at = place(*at);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Remove { at, length } => {
                let at = place(*at);
                let end = (at + usize::from(*length)).min(bytes.len());
                bytes.drain(at..end);
            }
            Self::Repeat { at, length, times } => {
                let at = place(*at);
                let end = (at + usize::from(*length)).min(bytes.len());
                let piece = bytes[at..end].repeat(usize::from(*times));
                if bytes.len() + piece.len() <= LONGEST {
                    bytes.splice(at..at, piece);
                }
            }
            Self::Cut { at } => bytes.truncate(place(*at)),
            Self::Splice { at, file: other, from } => {
                bytes.truncate(place(*at));
                let other = file(corpus, *other);
                bytes.extend_from_slice(&other[usize::from(*from) % (other.len() + 1)..]);
            }
            Self::Edge { at, which } => {
                let at = place(*at);
                let edge = EDGES[usize::from(*which) % EDGES.len()];
                let end = (at + edge.len()).min(bytes.len());
                bytes.splice(at..end, edge.iter().copied());
            }
        }
    }
}

fn file(corpus: &[Vec<u8>], number: u16) -> &[u8] {
    corpus.get(usize::from(number) % corpus.len().max(1)).map_or(&[], Vec::as_slice)
}
