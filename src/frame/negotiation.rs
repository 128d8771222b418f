//! Which compression parameters both sides get: the offer, the answer, and both ends' checks, as in ws.

use serde::Serialize;

use crate::http::headers::is_token_byte;

/// The only extension there is.
pub const EXTENSION: &str = "permessage-deflate";

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

const NOT_REQUESTED: &str = "Server indicated an extension that was not requested";
const INVALID: &str = "Invalid Sec-WebSocket-Extensions header";

/// A window option of `perMessageDeflate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WindowBits {
    /// Not given.
    #[default]
    Unset,
    /// `false`: refused.
    Refuse,
    /// `true`: any size will do.
    Any,
    /// This size.
    Bits(u8),
}

impl WindowBits {
    fn bits(self) -> Option<u8> {
        match self {
            WindowBits::Bits(bits) => Some(bits),
            _ => None,
        }
    }
}

/// The keys of the `perMessageDeflate` option that have to do with negotiation. The default is ws's `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeflateOptions {
    /// `serverNoContextTakeover`; a server that gets `false` refuses such offers.
    pub server_no_context_takeover: Option<bool>,
    /// `clientNoContextTakeover`; a client that gets `false` refuses such answers.
    pub client_no_context_takeover: Option<bool>,
    /// `serverMaxWindowBits`.
    pub server_max_window_bits: WindowBits,
    /// `clientMaxWindowBits`.
    pub client_max_window_bits: WindowBits,
}

/// What was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeflateParams {
    /// The server forgets after each message.
    pub server_no_context_takeover: bool,
    /// The client forgets after each message.
    pub client_no_context_takeover: bool,
    /// The server's window, if it is not the default of 15 bits.
    pub server_max_window_bits: Option<u8>,
    /// The client's window, if it is not the default of 15 bits.
    pub client_max_window_bits: Option<u8>,
}

impl DeflateParams {
    /// The server's answer as a header value.
    pub fn to_header(&self) -> String {
        let bits = |bits: Option<u8>| bits.map_or(WindowBits::Unset, WindowBits::Bits);
        format(
            self.server_no_context_takeover,
            self.client_no_context_takeover,
            bits(self.server_max_window_bits),
            bits(self.client_max_window_bits),
        )
    }
}

/// The value of the client's `Sec-WebSocket-Extensions` header.
pub fn offer(options: &DeflateOptions) -> String {
    let client = match options.client_max_window_bits {
        WindowBits::Unset => WindowBits::Any,
        bits => bits,
    };
    format(
        options.server_no_context_takeover == Some(true),
        options.client_no_context_takeover == Some(true),
        options.server_max_window_bits,
        client,
    )
}

fn format(server_forgets: bool, client_forgets: bool, server: WindowBits, client: WindowBits) -> String {
    let mut value = String::from(EXTENSION);
    let mut push = |name: &str, bits: WindowBits| match bits {
        // JavaScript's 0 is as good as `false`.
        WindowBits::Unset | WindowBits::Refuse | WindowBits::Bits(0) => {}
        WindowBits::Any => value.extend(["; ", name]),
        WindowBits::Bits(bits) => value.extend(["; ", name, "=", &bits.to_string()]),
    };
    let flag = |on| if on { WindowBits::Any } else { WindowBits::Unset };
    push(SERVER_NO_CONTEXT_TAKEOVER, flag(server_forgets));
    push(CLIENT_NO_CONTEXT_TAKEOVER, flag(client_forgets));
    push(SERVER_MAX_WINDOW_BITS, server);
    push(CLIENT_MAX_WINDOW_BITS, client);
    value
}

/// Checks the server's answer (all `Sec-WebSocket-Extensions` headers, joined by commas) to our offer.
///
/// # Errors
/// The message with which ws fails the handshake.
pub fn accept(answer: &str, options: &DeflateOptions) -> Result<DeflateParams, &'static str> {
    let extensions = parse(answer).ok_or(INVALID)?;
    if extensions.iter().any(|extension| extension.name != EXTENSION) {
        return Err(NOT_REQUESTED);
    }
    let answers: Option<Vec<Requested>> = extensions.iter().map(|ext| normalize(ext, false)).collect();
    let answer = answers.as_deref().and_then(|answers| answers.first()).ok_or(INVALID)?;

    let mut params = answer.params;
    if options.client_no_context_takeover == Some(false) && params.client_no_context_takeover {
        return Err(INVALID);
    }
    params.client_max_window_bits = match (params.client_max_window_bits, options.client_max_window_bits) {
        (None, option) => option.bits(),
        (Some(_), WindowBits::Refuse) => return Err(INVALID),
        (Some(bits), WindowBits::Bits(most)) if bits > most => return Err(INVALID),
        (bits, _) => bits,
    };
    Ok(params)
}

/// Chooses among a client's offers, as a server; `None` if it made none for this extension.
///
/// # Errors
/// If the header cannot be read or no offer suits `options`; ws answers 400 then.
pub fn answer(offers: &str, options: &DeflateOptions) -> Result<Option<DeflateParams>, &'static str> {
    const UNACCEPTABLE: &str = "Invalid or unacceptable Sec-WebSocket-Extensions header";
    let extensions = parse(offers).ok_or(UNACCEPTABLE)?;
    let offers: Option<Vec<Requested>> =
        extensions.iter().filter(|ext| ext.name == EXTENSION).map(|ext| normalize(ext, true)).collect();
    let offers = offers.ok_or(UNACCEPTABLE)?;
    if offers.is_empty() {
        return Ok(None);
    }
    let offer = offers.iter().find(|offer| suits(offer, options)).ok_or(UNACCEPTABLE)?;

    let mut params = offer.params;
    params.server_no_context_takeover |= options.server_no_context_takeover == Some(true);
    params.client_no_context_takeover |= options.client_no_context_takeover == Some(true);
    params.server_max_window_bits = options.server_max_window_bits.bits().or(params.server_max_window_bits);
    params.client_max_window_bits = match options.client_max_window_bits {
        WindowBits::Bits(bits) => Some(bits),
        WindowBits::Refuse => None,
        _ => params.client_max_window_bits,
    };
    Ok(Some(params))
}

fn suits(offer: &Requested, options: &DeflateOptions) -> bool {
    let params = &offer.params;
    let server_bits = match (params.server_max_window_bits, options.server_max_window_bits) {
        (Some(_), WindowBits::Refuse) => false,
        (Some(most), WindowBits::Bits(bits)) => bits <= most,
        _ => true,
    };
    let client_bits = match (options.client_max_window_bits, params.client_max_window_bits) {
        (WindowBits::Bits(bits), Some(most)) => bits <= most,
        (WindowBits::Bits(_), None) => offer.any_client_bits,
        _ => true,
    };
    let forgets = options.server_no_context_takeover == Some(false) && params.server_no_context_takeover;
    server_bits && client_bits && !forgets
}

/// Parameters as they stand in a header.
struct Requested {
    params: DeflateParams,
    /// `client_max_window_bits` without a value.
    any_client_bits: bool,
}

/// Reads the parameters; `None` if one is unknown, doubled, or has no such value.
fn normalize(extension: &Extension<'_>, server: bool) -> Option<Requested> {
    let mut wanted = Requested { params: DeflateParams::default(), any_client_bits: false };
    let params = &mut wanted.params;
    for (index, (name, value)) in extension.params.iter().enumerate() {
        if extension.params.iter().skip(index + 1).any(|(other, _)| other == name) {
            return None;
        }
        match (*name, value) {
            (SERVER_NO_CONTEXT_TAKEOVER, None) => params.server_no_context_takeover = true,
            (CLIENT_NO_CONTEXT_TAKEOVER, None) => params.client_no_context_takeover = true,
            (SERVER_MAX_WINDOW_BITS, Some(value)) => params.server_max_window_bits = Some(bits(value)?),
            (CLIENT_MAX_WINDOW_BITS, Some(value)) => params.client_max_window_bits = Some(bits(value)?),
            (CLIENT_MAX_WINDOW_BITS, None) if server => wanted.any_client_bits = true,
            _ => return None,
        }
    }
    Some(wanted)
}

/// A number from 8 to 15, written in any way that JavaScript's `Number()` understands.
fn bits(value: &str) -> Option<u8> {
    let radix = |prefix: [&str; 2], radix| {
        let digits = value.strip_prefix(prefix[0]).or_else(|| value.strip_prefix(prefix[1]))?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain.then(|| u8::from_str_radix(digits, radix).ok()).flatten()
    };
    let number = radix(["0x", "0X"], 16)
        .or_else(|| radix(["0o", "0O"], 8))
        .or_else(|| radix(["0b", "0B"], 2))
        .map(f64::from)
        .or_else(|| value.parse().ok())?;
    (8..=15).find(|bits| f64::from(*bits) == number)
}

struct Extension<'a> {
    name: &'a str,
    /// Names with their values, which only some have.
    params: Vec<(&'a str, Option<String>)>,
}

/// Reads a `Sec-WebSocket-Extensions` value; `None` where ws finds a syntax error.
fn parse(value: &str) -> Option<Vec<Extension<'_>>> {
    let mut input = ExtensionReader { text: value, at: 0 };
    let mut extensions = Vec::new();
    loop {
        // ws allows a blank before a name everywhere but at the very start.
        if input.at > 0 {
            input.blanks();
        }
        let mut extension = Extension { name: input.token()?, params: Vec::new() };
        let mut separator = input.separator()?;
        while separator == Some(b';') {
            input.blanks();
            let name = input.token()?;
            let value = if input.take(b'=') { Some(input.value()?) } else { None };
            extension.params.push((name, value));
            separator = input.separator()?;
        }
        extensions.push(extension);
        if separator.is_none() {
            return Some(extensions);
        }
    }
}

/// Reads a `Sec-WebSocket-Extensions` value token by token.
struct ExtensionReader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> ExtensionReader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Skips blanks and tells whether there were any.
    fn blanks(&mut self) -> bool {
        let start = self.at;
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
        self.at > start
    }

    /// At least one character of a token.
    fn token(&mut self) -> Option<&'a str> {
        let start = self.at;
        while self.peek().is_some_and(is_token_byte) {
            self.at += 1;
        }
        self.text.get(start..self.at).filter(|token| !token.is_empty())
    }

    /// A token, or a quoted string that is one once unescaped.
    fn value(&mut self) -> Option<String> {
        if !self.take(b'"') {
            return self.token().map(str::to_owned);
        }
        let mut value = String::new();
        loop {
            match self.peek()? {
                b'"' if !value.is_empty() => {
                    self.at += 1;
                    return Some(value);
                }
                b'\\' => self.at += 1,
                _ => {}
            }
            let byte = self.peek().filter(|byte| is_token_byte(*byte))?;
            value.push(char::from(byte));
            self.at += 1;
        }
    }

    /// `;` or `,`, or the end, which must not follow a blank.
    fn separator(&mut self) -> Option<Option<u8>> {
        let blank = self.blanks();
        let next = self.peek();
        self.at += 1;
        match next {
            Some(b';' | b',') => Some(next),
            None if !blank => Some(None),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
