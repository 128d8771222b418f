//! How the opening handshake of a data socket comes to permessage-deflate.

use crate::frame::{DeflateOptions, DeflateParams, Role, negotiation};

/// What the opening request says about compression.
#[derive(Debug, Clone, Copy)]
pub enum Compression {
    /// We offer, and the server chooses.
    Offer(DeflateOptions),
    /// We answer what a sender has offered through the relay: of the two ends we are the server, although we dial.
    Answer(DeflateParams),
}

/// What was agreed, and which end of it is ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreed {
    pub(super) role: Role,
    pub(super) params: DeflateParams,
}

impl Agreed {
    /// Whether what we send starts afresh with each message.
    pub(super) fn forgets(&self) -> bool {
        match self.role {
            Role::Client => self.params.client_no_context_takeover,
            Role::Server => self.params.server_no_context_takeover,
        }
    }
}

impl Compression {
    /// Checks the response's `Sec-WebSocket-Extensions`.
    ///
    /// # Errors
    /// ws's message for the failed handshake.
    pub(super) fn agree(&self, header: &str) -> Result<Agreed, &'static str> {
        match self {
            Compression::Offer(options) => {
                Ok(Agreed { role: Role::Client, params: negotiation::accept(header, options)? })
            }
            Compression::Answer(params) => {
                // The relay repeats our answer; what it says beyond the name is our own.
                negotiation::accept(header, &DeflateOptions::default())?;
                Ok(Agreed { role: Role::Server, params: *params })
            }
        }
    }
}
