//! What a sender says, as one record, which `lib/engine/packed.js` reads once. Thirty strings through napi would
//! cost more than all else about it, and so would JSON: that is read whole before anything of it can be used.
//!
//! ```text
//!   u32 x 7   number (low, high), port of the sender, two numbers more, bytes of the first text, count of the texts behind it
//!   UTF-8     the first text, which outlives the others
//!   UTF-8     length of each text in UTF-16 units, as three characters of seven bits, the lowest first; then the texts, one
//!             behind the other: four, then names and values of the headers in turn
//! ```

/// Bytes of the numbers at the beginning.
const HEAD: usize = 7 * 4;
/// Bytes of a text's length.
const LENGTH: usize = 3;

/// All of it; the numbers are little-endian.
pub(super) struct PackedRecord<'a> {
    pub(super) number: u64,
    pub(super) remote: &'a Option<(String, u16)>,
    pub(super) numbers: [u32; 2],
    pub(super) first: &'a str,
    /// Path and query, the relay's host, the tracking id; the sender's address follows.
    pub(super) texts: [&'a str; 3],
    pub(super) headers: &'a [(String, String)],
}

impl PackedRecord<'_> {
    pub(super) fn pack(&self) -> Vec<u8> {
        let Self { first, headers, .. } = self;
        let (remote, port) =
            self.remote.as_ref().map_or(("", 0), |(address, port)| (address.as_str(), *port));
        let [target, host, tracking_id] = self.texts;
        let second = [target, host, tracking_id, remote];
        let pairs = headers.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let texts = || second.into_iter().chain(pairs.clone());
        let bytes: usize = texts().map(|text| LENGTH + text.len()).sum();
        let mut record = Vec::with_capacity(HEAD + first.len() + bytes);
        let mut number = |number: u32| record.extend_from_slice(&number.to_le_bytes());
        number(self.number as u32);
        number((self.number >> 32) as u32);
        number(port.into());
        self.numbers.into_iter().for_each(&mut number);
        number(first.len() as u32);
        number((second.len() + 2 * headers.len()) as u32);
        record.extend_from_slice(first.as_bytes());
        for text in texts() {
            // A control message has 256 KiB at most.
            let length = utf16_len(text);
            record.extend([length, length >> 7, length >> 14].map(|bits| bits as u8 & 0x7f));
        }
        texts().for_each(|text| record.extend_from_slice(text.as_bytes()));
        record
    }
}

fn utf16_len(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}
