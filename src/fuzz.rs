//! A fuzzer for tests: real messages, mutated at random from a seed, so that what fails can be played again.

#![forbid(unsafe_code)]

/// Makes variants of a corpus.
pub struct Fuzz {
    state: u64,
    corpus: Vec<Vec<u8>>,
    splices: Vec<Vec<u8>>,
}

impl Fuzz {
    /// `splices` are pieces that the parser under test may trip over.
    pub fn new(seed: u64, corpus: &[&str], splices: &[&[u8]]) -> Self {
        Self {
            state: seed,
            corpus: corpus.iter().map(|text| text.as_bytes().to_vec()).collect(),
            splices: splices.iter().map(|piece| piece.to_vec()).collect(),
        }
    }

    /// A number below `limit`, or 0 (splitmix64).
    pub fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as usize % limit.max(1)
    }

    /// One of the corpus after one to four changes.
    pub fn variant(&mut self) -> Vec<u8> {
        let chosen = self.below(self.corpus.len());
        let mut bytes = self.corpus[chosen].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                3 => {
                    let piece = self.below(self.splices.len());
                    bytes.splice(at..at, self.splices[piece].iter().copied());
                }
                4 => {
                    let end = at + self.below(40).min(bytes.len() - at);
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                _ => {
                    let other = self.below(self.corpus.len());
                    let from = self.below(self.corpus[other].len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&self.corpus[other][from..]);
                }
            }
        }
        bytes
    }
}
