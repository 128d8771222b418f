//! One connection of a peer: its control channel, or a data socket into which the relay plays the sender's messages.

use std::collections::VecDeque;
use std::io;

use crate::conn::Conn;
use crate::scanner::Scanner;
use crate::wire::{self, Block};

/// Bytes written to one leg before the others get their turn.
const TURN: usize = 2 * 1024 * 1024;

/// The same of a leg that is flooded while others are measured: they must not wait for the load generator.
const FLOOD_TURN: usize = 64 * 1024;

pub enum State {
    /// The opening request so far.
    Opening(Vec<u8>),
    Control,
    Data,
}

pub struct Leg {
    pub conn: Conn,
    pub secure: bool,
    pub state: State,
    pub peer: usize,
    pub scanner: Scanner,
    /// Bytes that go out before the block, at the next frame boundary.
    prefix: Vec<u8>,
    prefix_at: usize,
    /// Bytes of the run's block that are still to be sent, over and over.
    pub to_send: u64,
    pub sent: u64,
    phase: usize,
    /// When messages were sent that have not come back: time in ns and number.
    pub in_flight: VecDeque<(u64, u64)>,
    /// Gets messages as fast as it takes them, while the others are measured.
    pub flood: bool,
    /// Is opened, used once and closed: when it was asked for, in ns.
    pub churn: Option<u64>,
    /// permessage-deflate is agreed.
    pub deflate: bool,
}

pub enum Pumped {
    /// Everything is written, or the socket is full and will say when it is not.
    Rest,
    /// There is more to write.
    Again,
}

impl Leg {
    pub fn new(conn: Conn, secure: bool) -> Self {
        Self {
            conn,
            secure,
            state: State::Opening(Vec::new()),
            peer: 0,
            scanner: Scanner::new(true),
            prefix: Vec::new(),
            prefix_at: 0,
            to_send: 0,
            sent: 0,
            phase: 0,
            in_flight: VecDeque::new(),
            flood: false,
            churn: None,
            deflate: false,
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.prefix.extend_from_slice(bytes);
    }

    pub fn push_text(&mut self, text: &str) {
        wire::frame(&mut self.prefix, 0x81, text.as_bytes(), None);
    }

    pub fn push_close(&mut self) {
        wire::frame(&mut self.prefix, 0x88, &1000u16.to_be_bytes(), None);
    }

    pub fn push_pong(&mut self, payload: &[u8]) {
        wire::frame(&mut self.prefix, 0x8a, payload, None);
    }

    /// Nothing more after the message that is being written.
    pub fn stop_sending(&mut self, frame_len: usize) {
        self.to_send = if self.phase == 0 { 0 } else { (frame_len - self.phase) as u64 };
    }

    pub fn pump(&mut self, block: Option<&Block>) -> io::Result<Pumped> {
        let mut written = 0;
        loop {
            if self.conn.is_handshaking() {
                self.conn.flush()?;
                return Ok(Pumped::Rest);
            }
            let taken = if self.phase == 0 && self.prefix_at < self.prefix.len() {
                let taken = self.conn.write(&self.prefix[self.prefix_at..])?;
                self.prefix_at += taken;
                if self.prefix_at == self.prefix.len() {
                    self.prefix = Vec::new();
                    self.prefix_at = 0;
                }
                taken
            } else if let (Some(block), 1..) = (block, self.to_send) {
                let room = (block.bytes.len() - self.phase) as u64;
                let taken = self.conn.write(&block.bytes[self.phase..][..room.min(self.to_send) as usize])?;
                self.phase = (self.phase + taken) % block.frame_len;
                self.to_send -= taken as u64;
                self.sent += taken as u64;
                taken
            } else {
                self.conn.flush()?;
                return Ok(Pumped::Rest);
            };
            if taken == 0 {
                return Ok(Pumped::Rest);
            }
            written += taken;
            if written > if self.flood { FLOOD_TURN } else { TURN } {
                return Ok(Pumped::Again);
            }
        }
    }
}
