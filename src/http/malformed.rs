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
    /// A head that is too long, or has too many lines.
    pub const OVERFLOW: Self = Self::new("HPE_HEADER_OVERFLOW", "Header overflow");

    pub(super) const fn new(code: &'static str, text: &'static str) -> Self {
        Self { code, text }
    }
}
