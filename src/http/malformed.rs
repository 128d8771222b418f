//! What is wrong with a message.

/// Not HTTP, or more of it than is read; in the words of Node's parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// `HPE_…`
    pub code: &'static str,
    /// What Node says behind `Parse Error: `.
    pub text: &'static str,
}

impl Malformed {
    /// The code of a head that is too long.
    pub const OVERFLOW: &str = "HPE_HEADER_OVERFLOW";

    pub(super) const fn new(code: &'static str, text: &'static str) -> Self {
        Self { code, text }
    }
}
