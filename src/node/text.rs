//! Strings across the border, for functions that are called often.
//!
//! napi's own conversion asks for the length of a string before it reads it, and zeroes the memory in between:
//! two calls into V8 where one does. What goes back is ASCII nearly always, which V8 takes without decoding it.

#![allow(unsafe_code)]

use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, Latin1String, Result, ToNapiValue, TypeName, ValidateNapiValue};
use napi::{ValueType, check_status, sys};

/// A string argument.
pub struct Text(pub String);

/// Longer strings are read the long way.
const USUAL: usize = 512;

impl TypeName for Text {
    fn type_name() -> &'static str {
        String::type_name()
    }

    fn value_type() -> ValueType {
        String::value_type()
    }
}

impl ValidateNapiValue for Text {}

impl FromNapiValue for Text {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let mut bytes: Vec<u8> = Vec::with_capacity(USUAL);
        let mut written = 0;
        // SAFETY: the buffer has room for USUAL bytes, of which napi writes at most USUAL - 1 and a zero.
        let status = unsafe {
            sys::napi_get_value_string_utf8(
                env,
                value,
                bytes.as_mut_ptr().cast(),
                USUAL,
                ptr::from_mut(&mut written),
            )
        };
        // The value is not part of the message: it may be a key.
        check_status!(status, "Expected a string")?;
        // A full buffer may have been too small, by up to the rest of a character.
        if written + 4 >= USUAL {
            // SAFETY: as the caller promises for this very function.
            return unsafe { String::from_napi_value(env, value) }.map(Self);
        }
        // SAFETY: napi has initialised the first `written` bytes, and replaces what is not well-formed.
        Ok(Self(unsafe {
            bytes.set_len(written);
            String::from_utf8_unchecked(bytes)
        }))
    }
}

/// A string argument whose characters are Latin-1: its bytes.
pub struct Latin1Text(pub Vec<u8>);

impl TypeName for Latin1Text {
    fn type_name() -> &'static str {
        String::type_name()
    }

    fn value_type() -> ValueType {
        String::value_type()
    }
}

impl ValidateNapiValue for Latin1Text {}

impl FromNapiValue for Latin1Text {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let mut room = USUAL;
        loop {
            let mut bytes: Vec<u8> = Vec::with_capacity(room);
            let mut written = 0;
            // SAFETY: the buffer has room for that many bytes, of which napi writes one less at most, and a zero.
            let status = unsafe {
                sys::napi_get_value_string_latin1(
                    env,
                    value,
                    bytes.as_mut_ptr().cast(),
                    room,
                    ptr::from_mut(&mut written),
                )
            };
            check_status!(status, "Expected a string")?;
            // A full buffer may have been too small.
            if written + 1 < room {
                // SAFETY: napi has initialised the first `written` bytes.
                unsafe { bytes.set_len(written) };
                return Ok(Self(bytes));
            }
            room *= 4;
        }
    }
}

/// A string result.
pub struct TextResult(pub String);

impl TypeName for TextResult {
    fn type_name() -> &'static str {
        String::type_name()
    }

    fn value_type() -> ValueType {
        String::value_type()
    }
}

impl ToNapiValue for TextResult {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        if value.0.is_ascii() {
            let latin1 = Latin1String::from(value.0);
            // SAFETY: as the caller promises for this very function.
            return unsafe { Latin1String::to_napi_value(env, latin1) };
        }
        // SAFETY: as above.
        unsafe { String::to_napi_value(env, value.0) }
    }
}
