//! Percent-encoding, as JavaScript and Node's legacy `url` do it.

/// Appends `text` as JavaScript's `encodeURIComponent` writes it.
pub fn push_component(out: &mut String, text: &str) {
    const STEP: usize = 64;
    // Without a branch for each byte: a token changes between kept and escaped every few of them.
    for chunk in text.as_bytes().chunks(STEP) {
        let mut block = [0; STEP * 3 + 4];
        let mut length = 0;
        for &byte in chunk {
            let piece = PIECES[usize::from(byte)];
            if let Some(slot) = block.get_mut(length..length + 4) {
                slot.copy_from_slice(&piece);
            }
            length += usize::from(piece[3]);
        }
        let encoded = block.get(..length).and_then(|bytes| str::from_utf8(bytes).ok());
        out.push_str(encoded.unwrap_or_default());
    }
}

/// What becomes of a byte: up to three bytes, and their number, which the next piece overwrites.
static PIECES: [[u8; 4]; 256] = {
    let kept = ByteSet::alphanumeric_and(b"-_.!~*'()");
    let mut pieces = [[0; 4]; 256];
    let mut byte = 0;
    while byte < 256 {
        pieces[byte] =
            if kept.0[byte] { [byte as u8, 0, 0, 1] } else { [b'%', HEX[byte >> 4], HEX[byte & 15], 3] };
        byte += 1;
    }
    pieces
};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Bytes that an encoder leaves alone.
pub(super) struct ByteSet([bool; 256]);

impl ByteSet {
    pub(super) const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut kept = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            kept[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let mut index = 0;
        while index < others.len() {
            kept[others[index] as usize] = true;
            index += 1;
        }
        Self(kept)
    }

    pub(super) const fn all_but(others: &[u8]) -> Self {
        let mut kept = [true; 256];
        let mut index = 0;
        while index < others.len() {
            kept[others[index] as usize] = false;
            index += 1;
        }
        Self(kept)
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}

/// Appends `text`, every byte outside of `kept` as `%XX`; `kept` must hold all non-ASCII bytes or none.
pub(super) fn push_escaped(out: &mut String, text: &str, kept: &ByteSet) {
    let mut plain_from = 0;
    for (index, byte) in text.bytes().enumerate() {
        if kept.contains(byte) {
            continue;
        }
        out.push_str(text.get(plain_from..index).unwrap_or_default());
        out.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
        plain_from = index + 1;
    }
    out.push_str(text.get(plain_from..).unwrap_or_default());
}
