//! What a sender says, as one record, which `lib/listener/offer-record.js` reads once. Thirty strings through napi would
//! cost more than all else about it, and so would JSON: that is read whole before anything of it can be used.
//!
//! ```text
//!   u32 x 8   number (low, high), port of the sender, two numbers more, bytes of the first text, bytes of the four texts
//!             behind it, count of the header texts
//!   u32 ...   length of each further text in UTF-16 units: those four, then names and values of the headers in turn
//!   UTF-8     the first text, which outlives the others, and those texts, one behind the other
//! ```

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
        let bytes: usize = texts().map(|text| text.len() + 4).sum();
        let mut record = Vec::with_capacity(32 + first.len() + bytes);
        let mut number = |number: u32| record.extend_from_slice(&number.to_le_bytes());
        number(self.number as u32);
        number((self.number >> 32) as u32);
        number(port.into());
        self.numbers.into_iter().for_each(&mut number);
        // A control message has 256 KiB at most.
        number(first.len() as u32);
        number(second.iter().map(|text| text.len() as u32).sum());
        number(2 * headers.len() as u32);
        texts().for_each(|text| number(utf16_len(text) as u32));
        record.extend_from_slice(first.as_bytes());
        texts().for_each(|text| record.extend_from_slice(text.as_bytes()));
        record
    }
}

fn utf16_len(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}
