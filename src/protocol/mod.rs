//! The messages and addresses of the Hybrid Connections protocol. Pure: no IO, no clock.
//!
//! The control conversation, as the listener sees it:
//!
//! ```text
//! listener                                  relay                                   sender
//!    | GET /$hc/path?sb-hc-action=listen      |                                        |
//!    |   ServiceBusAuthorization: token       |                                        |
//!    |--------------------------------------->|                                        |
//!    |<------------- 101 (that is all: registered) ------|                             |
//!    |                                        |<-- GET /$hc/path?sb-hc-action=connect -|
//!    |<- {"accept":{address,id,               |                                        |
//!    |     connectHeaders,remoteEndpoint}} ---|                                        |
//!    |                                        |                                        |
//!    | to accept: a second socket, GET address|                                        |
//!    |======================================> |--------------- 101 ------------------->|
//!    |<============================ messages both ways ===============================>|
//!    |                                        |                                        |
//!    | to reject: GET address&sb-hc-statusCode=n&sb-hc-statusDescription=text          |
//!    |--------------------------------------> |--------------- n text ---------------->|
//!    |<------------- 410 (means: done) -------|                                        |
//!    |                                        |                                        |
//!    |<- {"request":{id,method,…}} [body] ----|<------------- plain HTTPS -------------|
//!    |-- {"response":{requestId,…}} [body] -->|------------- the response ------------>|
//!    |   (short form: only an address; dial it, read the request there, answer there)  |
//!    |                                        |                                        |
//!    |-- {"renewToken":{"token":"…"}} ------->|  (no reply; a bad token: close 1008)   |
//!    |                                        |                                        |
//!    |<------------ close 1001 | 1008 | 1011 -|  (entity gone | token | fault, recycle)|
//! ```
//!
//! - [`control`]: the JSON messages of both sides, read tolerantly and written strictly.
//! - [`fields`]: what stands in them.
//! - [`address`]: the `wss://…` addresses inside them, and the listener's own rule on their hosts.
//! - [`relay_uri`]: what a program's own address of a hybrid connection says.
//! - [`target`]: the path and query that such an address asks for.
//! - [`relayed`]: an HTTP request as the program gets it.
//! - [`answer`]: what the program answers, as it is told to the relay.
//! - [`accept`]: what an `accept` means for the program: its URL, its subprotocols, the reject address, header lines.

pub mod accept;
pub mod address;
pub mod answer;
pub mod control;
pub mod fields;
pub mod relay_uri;
pub mod relayed;
pub mod target;
