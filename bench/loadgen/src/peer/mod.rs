//! Listeners in bare Rust that do what `bench/peers/*.js` do.
//!
//! A binary message is echoed. A text message is a command, until one of them makes texts part of the load:
//!
//! | command | meaning | answer |
//! |---|---|---|
//! | `echo-all` | echo texts, too | `ok` |
//! | `receive` | count what comes | `ok` |
//! | `end` | | the count, which starts again |
//! | `send SIZE BURST` | send binary messages without end, waiting for each burst to be written | `ok` |
//! | `stop` | no more of them | `sent COUNT` |

mod ceiling;
mod codec;
mod role;

use std::io::{self, BufRead};
use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::{Failure, tls};

/// What a peer is asked to do over stdin in direct mode: dial this many sockets, or keep so many short-lived ones.
#[derive(Debug)]
pub enum Order {
    Dial { url: String, sockets: usize },
    Churn { url: String, concurrency: usize },
    ChurnStop,
}

pub struct Setup {
    pub url: Option<String>,
    pub tls: Option<Arc<ClientConfig>>,
}

pub fn run(kind: &str, url: &str, ca: Option<&str>, direct: bool) -> Result<(), Failure> {
    let setup = Setup { url: (!direct).then(|| url.to_string()), tls: ca.map(tls::client).transpose()? };
    match kind {
        "ceiling" => ceiling::run(&setup),
        "codec" => codec::run(setup),
        _ => Err(format!("no such peer: {kind}").into()),
    }
}

/// Reads orders until stdin ends, and then ends the process.
fn take_orders(mut give: impl FnMut(Order) + Send + 'static) {
    println!("{}", json!({ "event": "ready" }));
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(order) = serde_json::from_str::<Value>(&line) else { continue };
            let url = || order["url"].as_str().unwrap_or_default().to_string();
            let number = |name: &str| order[name].as_u64().unwrap_or(0) as usize;
            match order["cmd"].as_str() {
                Some("dial") => give(Order::Dial { url: url(), sockets: number("sockets") }),
                Some("churn") => give(Order::Churn { url: url(), concurrency: number("concurrency") }),
                Some("churn-stop") => give(Order::ChurnStop),
                _ => {}
            }
            println!("{}", json!({ "id": order["id"] }));
        }
        std::process::exit(0);
    });
}

/// The address of an `accept` message.
fn accept_address(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    Some(message["accept"]["address"].as_str()?.to_string())
}
