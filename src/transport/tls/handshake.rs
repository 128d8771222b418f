//! The TLS handshake: rustls says what to send, this sends it.

use std::io;
use std::sync::Arc;

use rustls::client::{ClientConfig, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{Error, HandshakeKind};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::records::{TlsSession, record_length};

/// Read at once; the server's whole flight, in most cases.
const READ: usize = 4 * 1024;

/// Performs the handshake. What it leaves unread is in the session's reader.
///
/// # Errors
/// rustls's, within an [`io::Error`]; [`io::ErrorKind::UnexpectedEof`] where the server hung up.
pub(super) async fn perform(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<(TlsSession, Option<HandshakeKind>)> {
    let mut connection = UnbufferedClientConnection::new(config, name).map_err(failed)?;
    let mut received = Vec::with_capacity(READ);
    let mut outgoing = Vec::new();
    // rustls is shown one more record each time that it asks: it must not take any that come after the handshake.
    let mut shown = 0;
    loop {
        let UnbufferedStatus { discard, state } = connection.process_tls_records(&mut received[..shown]);
        let (mut more, mut done) = (false, false);
        match state {
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut outgoing)?,
            Ok(ConnectionState::TransmitTlsData(data)) => {
                stream.write_all(&outgoing).await?;
                stream.flush().await?;
                outgoing.clear();
                data.done();
            }
            Ok(ConnectionState::BlockedHandshake) => more = true,
            Ok(ConnectionState::WriteTraffic(_)) => done = true,
            // The server closed the connection before the handshake was done.
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => {
                received.drain(..discard);
                if let Some(alert) = alert(&mut connection, &mut received[..shown - discard]) {
                    // The alert tells the server why; one attempt to send it is enough.
                    let _ = stream.write_all(&alert).await;
                }
                return Err(failed(error));
            }
        }
        received.drain(..discard);
        shown -= discard;
        if done {
            break;
        }
        if more {
            shown = next_record(stream, &mut received, shown).await?;
        }
    }
    let kind = connection.handshake_kind();
    let session = TlsSession::new(connection, received).map_err(failed)?;
    Ok((session, kind))
}

/// Receives the record behind the first `shown` bytes, and says where it ends.
async fn next_record(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut Vec<u8>,
    shown: usize,
) -> io::Result<usize> {
    loop {
        match record_length(&received[shown..]) {
            Ok(Some(length)) if length <= received.len() - shown => return Ok(shown + length),
            Ok(_) if stream.read_buf(received).await? == 0 => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(_) => {}
            // This is no TLS record: rustls makes the error.
            Err(_) => return Ok(received.len()),
        }
    }
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

/// The alert that rustls makes after an error.
fn alert(connection: &mut UnbufferedClientConnection, received: &mut [u8]) -> Option<Vec<u8>> {
    let UnbufferedStatus { state: Ok(ConnectionState::EncodeTlsData(data)), .. } =
        connection.process_tls_records(received)
    else {
        return None;
    };
    let mut alert = Vec::new();
    encode(data, &mut alert).ok()?;
    Some(alert)
}

fn failed(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
