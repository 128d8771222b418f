//! The TLS handshake: rustls says what to send, this sends it.

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;

use rustls::client::{ClientConfig, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{Error, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::records::{Session, record_length};

/// Read at once; the server's whole flight, in most cases.
const READ: usize = 4 * 1024;

/// Performs the handshake. What it leaves unread is in the session's reader.
///
/// # Errors
/// rustls's, within an [`io::Error`]; [`io::ErrorKind::UnexpectedEof`] where the server hung up.
pub(super) async fn perform(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    tcp: &mut TcpStream,
) -> io::Result<(Session, Option<HandshakeKind>)> {
    let mut connection = UnbufferedClientConnection::new(config, name).map_err(failed)?;
    let mut received = Vec::with_capacity(READ);
    let mut outgoing = Vec::new();
    // rustls sees one record more each time that it asks, so that what lies behind the handshake is the session's.
    let mut shown = 0;
    loop {
        let UnbufferedStatus { discard, state } = connection.process_tls_records(&mut received[..shown]);
        let (mut more, mut done) = (false, false);
        match state {
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut outgoing)?,
            Ok(ConnectionState::TransmitTlsData(data)) => {
                tcp.write_all(&outgoing).await?;
                outgoing.clear();
                data.done();
            }
            Ok(ConnectionState::BlockedHandshake) => more = true,
            Ok(ConnectionState::WriteTraffic(_)) => done = true,
            // The server ends before it has begun.
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => {
                received.drain(..discard);
                refuse(&mut connection, &mut received[..shown - discard], outgoing, tcp).await;
                return Err(failed(error));
            }
        }
        received.drain(..discard);
        shown -= discard;
        if done {
            break;
        }
        while more {
            match record_length(&received[shown..]) {
                Ok(Some(length)) if length <= received.len() - shown => {
                    shown += length;
                    break;
                }
                // Nothing of TLS: rustls knows what to say of it.
                Err(_) => {
                    shown = received.len();
                    break;
                }
                Ok(_) if tcp.read_buf(&mut received).await? == 0 => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(_) => {}
            }
        }
    }
    let kind = connection.handshake_kind();
    let session = Session::new(connection, received).map_err(failed)?;
    Ok((session, kind))
}

fn encode(
    mut data: EncodeTlsData<'_, rustls::client::ClientConnectionData>,
    outgoing: &mut Vec<u8>,
) -> io::Result<()> {
    let start = outgoing.len();
    // It says how much room it wants when it is given none.
    let size = match data.encode(&mut []) {
        Ok(_) => return Ok(()),
        Err(EncodeError::InsufficientSize(size)) => size.required_size,
        Err(error) => return Err(io::Error::other(error)),
    };
    outgoing.resize(start + size, 0);
    data.encode(&mut outgoing[start..]).map_err(io::Error::other)?;
    Ok(())
}

/// The alert that says why is worth one attempt.
async fn refuse(
    connection: &mut UnbufferedClientConnection,
    received: &mut [u8],
    mut outgoing: Vec<u8>,
    tcp: &mut TcpStream,
) {
    let UnbufferedStatus { state, .. } = connection.process_tls_records(received);
    if let Ok(ConnectionState::EncodeTlsData(data)) = state
        && encode(data, &mut outgoing).is_ok()
    {
        let _ = tcp.try_write(&outgoing);
    }
}

fn failed(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
