//! Walks frames without putting messages together: counts them, and keeps the small ones that steer.

const MAX_HEADER: usize = 14;
/// Longest payload that is kept.
const KEEP: usize = 4096;

#[derive(Default)]
pub struct Scan {
    /// Complete binary and text messages that were not kept.
    pub messages: u64,
    /// Their payload bytes, those of unfinished ones too.
    pub bytes: u64,
    pub texts: Vec<String>,
    pub pings: Vec<Vec<u8>>,
    pub closed: bool,
    pub broken: Option<&'static str>,
}

pub struct Scanner {
    /// Whether frames must be masked (we are the server) or must not be.
    masked: bool,
    /// Texts are commands, to be kept, and not part of the load.
    pub keep_texts: bool,
    head: [u8; MAX_HEADER],
    head_len: usize,
    remaining: u64,
    opcode: u8,
    fin: bool,
    key: [u8; 4],
    message: u8,
    kept: Option<Vec<u8>>,
}

impl Scanner {
    pub fn new(masked: bool) -> Self {
        Self {
            masked,
            keep_texts: true,
            head: [0; MAX_HEADER],
            head_len: 0,
            remaining: 0,
            opcode: 0,
            fin: true,
            key: [0; 4],
            message: 0,
            kept: None,
        }
    }

    pub fn feed(&mut self, mut chunk: &[u8], scan: &mut Scan) {
        loop {
            if self.remaining > 0 {
                let take = self.remaining.min(chunk.len() as u64) as usize;
                self.payload(&chunk[..take], scan);
                chunk = &chunk[take..];
            }
            if chunk.is_empty() || scan.broken.is_some() {
                return;
            }
            if self.head_len == 0 && self.message == 0 {
                chunk = self.small_frames(chunk, scan);
                if chunk.is_empty() {
                    return;
                }
            }
            self.head[self.head_len] = chunk[0];
            self.head_len += 1;
            chunk = &chunk[1..];
            if self.head_len == self.header_size() {
                self.begin(scan);
            }
        }
    }

    /// Whole unfragmented binary frames below 126 bytes, which is what most runs consist of.
    fn small_frames<'a>(&self, mut chunk: &'a [u8], scan: &mut Scan) -> &'a [u8] {
        let (mask_bit, header) = if self.masked { (0x80, 6) } else { (0, 2) };
        while let [first, second, ..] = *chunk {
            let len = usize::from(second ^ mask_bit);
            let wanted = first == 0x82 || (first == 0x81 && !self.keep_texts);
            if !wanted || len > 125 || chunk.len() < header + len {
                break;
            }
            scan.messages += 1;
            scan.bytes += len as u64;
            chunk = &chunk[header + len..];
        }
        chunk
    }

    fn header_size(&self) -> usize {
        if self.head_len < 2 {
            return 2;
        }
        let length = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if self.head[1] & 0x80 != 0 { 4 } else { 0 }
    }

    fn begin(&mut self, scan: &mut Scan) {
        let size = self.head_len;
        self.head_len = 0;
        let masked = self.head[1] & 0x80 != 0;
        if masked != self.masked {
            scan.broken = Some("wrong masking");
            return;
        }
        let (len, after) = match self.head[1] & 0x7f {
            126 => (u64::from(u16::from_be_bytes([self.head[2], self.head[3]])), 4),
            127 => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(&self.head[2..10]);
                (u64::from_be_bytes(bytes), 10)
            }
            len => (u64::from(len), 2),
        };
        debug_assert!(after + if masked { 4 } else { 0 } == size);
        if masked {
            self.key.copy_from_slice(&self.head[after..after + 4]);
        }
        self.opcode = self.head[0] & 0x0f;
        self.fin = self.head[0] & 0x80 != 0;
        self.remaining = len;
        match self.opcode {
            0 if self.message != 0 => {}
            1 | 2 if self.message == 0 => self.message = self.opcode,
            8..=10 if self.fin && len < 126 => {}
            _ => {
                scan.broken = Some("frame out of place");
                return;
            }
        }
        let keep =
            self.opcode >= 8 || (self.opcode == 1 && self.keep_texts && self.fin && len <= KEEP as u64);
        self.kept = keep.then(Vec::new);
        if len == 0 {
            self.end(scan);
        }
    }

    fn payload(&mut self, bytes: &[u8], scan: &mut Scan) {
        match &mut self.kept {
            Some(kept) => {
                for byte in bytes {
                    let key = if self.masked { self.key[kept.len() & 3] } else { 0 };
                    kept.push(byte ^ key);
                }
            }
            None => scan.bytes += bytes.len() as u64,
        }
        self.remaining -= bytes.len() as u64;
        if self.remaining == 0 {
            self.end(scan);
        }
    }

    fn end(&mut self, scan: &mut Scan) {
        let kept = self.kept.take();
        match (self.opcode, kept) {
            (8, _) => scan.closed = true,
            (9, Some(payload)) => scan.pings.push(payload),
            (10, _) => {}
            (_, Some(text)) => {
                self.message = 0;
                scan.texts.push(String::from_utf8_lossy(&text).into_owned());
            }
            (_, None) => {
                if self.fin {
                    self.message = 0;
                    scan.messages += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    #[test]
    fn counts_at_every_split() {
        let mut bytes = Vec::new();
        for len in [0, 1, 125, 126, 5000, 70_000, 32] {
            wire::frame(&mut bytes, 0x82, &vec![7; len], Some([1, 2, 3, 4]));
        }
        wire::frame(&mut bytes, 0x81, b"ok", Some([9, 8, 7, 6]));
        wire::frame(&mut bytes, 0x89, b"hi", Some([9, 8, 7, 6]));
        wire::frame(&mut bytes, 0x88, &[], Some([9, 8, 7, 6]));
        for size in [1, 2, 3, 7, 1000, bytes.len()] {
            let mut scanner = Scanner::new(true);
            let mut scan = Scan::default();
            for chunk in bytes.chunks(size) {
                scanner.feed(chunk, &mut scan);
            }
            assert_eq!(scan.broken, None);
            assert_eq!((scan.messages, scan.bytes), (7, 1 + 125 + 126 + 5000 + 70_000 + 32));
            assert_eq!(scan.texts, ["ok"]);
            assert_eq!(scan.pings, [b"hi"]);
            assert!(scan.closed);
        }
    }
}
