//! Fields of the control messages: read tolerantly, written in the types of the protocol guide.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::http::headers::HeaderList;

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(items) => Some(items.iter().filter_map(plain).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Object(_) => None,
    }
}

pub(super) fn tolerant_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(plain(&Value::deserialize(deserializer)?).unwrap_or_default())
}

/// `{"address": "…", "port": n}`; anything else counts as unknown.
pub(super) fn endpoint<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<(String, u16)>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let address = value.get("address").and_then(Value::as_str).map(str::to_owned);
    let port = value.get("port").and_then(|port| match port {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
    });
    Ok(address.filter(|text| !text.is_empty()).map(|text| (text, port.unwrap_or(0))))
}

/// An object of headers, in its own order; `null` and a missing object are an empty list.
pub(super) fn header_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderList, D::Error> {
    struct HeadersVisitor;

    impl<'de> Visitor<'de> for HeadersVisitor {
        type Value = HeaderList;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of headers")
        }

        fn visit_unit<E>(self) -> Result<HeaderList, E> {
            Ok(HeaderList::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderList, A::Error> {
            let mut headers = HeaderList::new();
            while let Some((name, value)) = map.next_entry::<String, Value>()? {
                headers.extend(plain(&value).map(|value| (name, value)));
            }
            Ok(headers)
        }
    }

    deserializer.deserialize_any(HeadersVisitor)
}

/// The object again; each name stands once.
pub(super) fn as_header_map<N: Serialize, V: Serialize, S: Serializer>(
    headers: &[(N, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name, value)))
}

/// The endpoint's object again, always with both fields and of the right types.
pub fn as_endpoint<S: Serializer>(
    endpoint: &Option<(String, u16)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct EndpointFields<'a> {
        address: &'a str,
        port: u16,
    }
    endpoint.as_ref().map(|(address, port)| EndpointFields { address, port: *port }).serialize(serializer)
}

/// An HTTP status. The protocol guide calls it a number and prints it as a string.
pub(super) fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let status = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    status.filter(|status| (100..=999).contains(status)).ok_or_else(|| D::Error::custom("not a status"))
}
