//! The outside of the benchmarks: a relay that plays the senders itself, and listeners in bare Rust to compare with.
//!
//! ```text
//! loadgen serve --ca FILE                     relay + load generator, JSON lines on stdin and stdout
//! loadgen web                                 a relay that plays senders of HTTP requests
//! loadgen streams                             a target of byte streams, and clients that load the way there
//! loadgen proxies PORT COUNT                  a chain of bare TCP proxies
//! loadgen peer ceiling|codec URL [--ca FILE] [--direct]
//! ```

#![forbid(unsafe_code)]

mod conn;
mod http;
mod leg;
mod meter;
mod peer;
mod proc_stat;
mod relay;
mod run;
mod scanner;
mod streams;
mod tls;
mod web;
mod wire;

// The codec of the addon, as it is, and what it takes its buffers and locks from.
#[allow(dead_code)]
#[path = "../../../src/buffers.rs"]
mod buffers;
#[allow(dead_code, unused_imports, clippy::wrong_self_convention)]
#[path = "../../../src/frame/mod.rs"]
mod frame;
#[allow(dead_code, unused_imports, unexpected_cfgs)]
#[path = "../../../src/sync.rs"]
mod sync;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", rest @ ..] => relay::serve(option(rest, "--ca").ok_or("--ca FILE is missing")?),
        ["web"] => web::serve(),
        ["streams"] => streams::serve(),
        ["proxies", port, count] => streams::proxies(port, count),
        ["peer", kind, url, rest @ ..] => {
            peer::run(kind, url, option(rest, "--ca"), rest.contains(&"--direct"))
        }
        _ => {
            Err("usage: loadgen serve --ca FILE | web | streams | proxies PORT COUNT | peer KIND URL [--ca FILE] [--direct]"
                .into())
        }
    }
}

fn option<'a>(args: &[&'a str], name: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| *arg == name)?;
    args.get(at + 1).copied()
}
