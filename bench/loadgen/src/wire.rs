//! Frames and payloads that are made once and sent many times.

use flate2::{Compress, Compression, FlushCompress};

/// Appends a frame with its first byte as given.
pub fn frame(out: &mut Vec<u8>, first: u8, payload: &[u8], key: Option<[u8; 4]>) {
    let mask = if key.is_some() { 0x80 } else { 0 };
    out.push(first);
    match payload.len() {
        len @ 0..=125 => out.push(mask | len as u8),
        len @ 126..=0xffff => {
            out.push(mask | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(mask | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    match key {
        None => out.extend_from_slice(payload),
        Some(key) => {
            out.extend_from_slice(&key);
            out.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at & 3]));
        }
    }
}

/// Many copies of one message, back to back.
pub struct Block {
    pub bytes: Vec<u8>,
    pub frame_len: usize,
}

impl Block {
    pub fn new(size: usize, text: bool, deflate: bool) -> Self {
        let payload = if deflate { json(size) } else { pattern(size, text) };
        let opcode = if text || deflate { 0x81 } else { 0x82 };
        let mut one = Vec::new();
        if deflate {
            frame(&mut one, opcode | 0x40, &compressed(&payload), None);
        } else {
            frame(&mut one, opcode, &payload, None);
        }
        let copies = (128 * 1024 / one.len()).max(1);
        Self { frame_len: one.len(), bytes: one.repeat(copies) }
    }
}

fn pattern(size: usize, text: bool) -> Vec<u8> {
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..size).map(|at| if text { letters[at % letters.len()] } else { (at * 31 % 251) as u8 }).collect()
}

/// A JSON text of exactly `size` bytes, as repetitive as such texts are.
fn json(size: usize) -> Vec<u8> {
    let mut text = String::from("[");
    let mut number = 7919u64;
    while text.len() + 120 < size {
        number = number.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        text += &format!(
            "{{\"device\":\"sensor-{:04}\",\"temperature\":{}.{},\"humidity\":{},\"ok\":true}},",
            number >> 52,
            number >> 20 & 31,
            number >> 30 & 7,
            number >> 40 & 63
        );
    }
    text += "\"";
    while text.len() + 2 < size {
        text.push('x');
    }
    text += "\"]";
    text.into_bytes()
}

/// As permessage-deflate without context takeover sends it.
fn compressed(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 64);
    let mut deflate = Compress::new(Compression::default(), false);
    let status = deflate.compress_vec(payload, &mut out, FlushCompress::Sync);
    assert!(status.is_ok() && out.ends_with(&[0, 0, 0xff, 0xff]), "the compressed message fits");
    out.truncate(out.len() - 4);
    out
}
