//! Tests only: real messages with a few changes, for the readers of what comes from the network.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One change. The positions are taken of the message as it is by then.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    Remove(Index),
    Truncate(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize),
    /// Goes on as another message does, from some place in that.
    Cross(Index, Vec<u8>, Index),
}

/// One of `corpus` after one to four changes; `splices` are pieces that the parser under test may trip over.
pub fn mutated(corpus: &[&str], splices: &[&[u8]]) -> impl Strategy<Value = Vec<u8>> {
    let corpus: Vec<Vec<u8>> = corpus.iter().map(|text| text.as_bytes().to_vec()).collect();
    let splices: Vec<Vec<u8>> = splices.iter().map(|piece| piece.to_vec()).collect();
    let at = any::<Index>;
    let mutation = prop_oneof![
        (at(), 0_u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        at().prop_map(Mutation::Remove),
        at().prop_map(Mutation::Truncate),
        (at(), select(splices)).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (at(), 0_usize..40).prop_map(|(at, length)| Mutation::Repeat(at, length)),
        (at(), select(corpus.clone()), at()).prop_map(|(at, other, from)| Mutation::Cross(at, other, from)),
    ];
    (select(corpus), vec(mutation, 1..=4)).prop_map(|(bytes, mutations)| {
        mutations.into_iter().fold(bytes, |bytes, mutation| mutation.apply(bytes))
    })
}

impl Mutation {
    fn apply(self, mut bytes: Vec<u8>) -> Vec<u8> {
        if bytes.is_empty() {
            return bytes;
        }
        let size = bytes.len();
        match self {
            Self::Flip(at, bit) => bytes[at.index(size)] ^= 1 << bit,
            Self::Remove(at) => drop(bytes.remove(at.index(size))),
            Self::Truncate(at) => bytes.truncate(at.index(size)),
            Self::Insert(at, piece) => drop(bytes.splice(at.index(size)..at.index(size), piece)),
            Self::Repeat(at, length) => {
                let at = at.index(size);
                let copy = bytes[at..size.min(at + length)].to_vec();
                bytes.splice(at..at, copy);
            }
            Self::Cross(at, other, from) => {
                bytes.truncate(at.index(size));
                bytes.extend_from_slice(&other[from.index(other.len())..]);
            }
        }
        bytes
    }
}
