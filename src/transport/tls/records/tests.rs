//! A session against rustls's own server connection, and against records made by hand.

use std::io::{self, Read, Write};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::cipher::{AeadKey, Iv, MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::crypto::ring::cipher_suite::*;
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, InvalidMessage, PeerMisbehaved, ProtocolVersion,
    ServerConfig, ServerConnection, SupportedCipherSuite,
};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio_rustls::TlsAcceptor;

use super::header::{HEADER, MAX_FRAGMENT};
use super::*;
use crate::transport::tls::{TlsOptions, client_config, handshake};

const SUITES: [SupportedCipherSuite; 6] = [
    TLS13_AES_128_GCM_SHA256,
    TLS13_AES_256_GCM_SHA384,
    TLS13_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];
const TLS13: SupportedCipherSuite = TLS13_AES_128_GCM_SHA256;
const TLS12: SupportedCipherSuite = TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;

/// Both ends after the handshake. The server's tickets are on their way.
async fn connected(suite: SupportedCipherSuite) -> (TlsSession, ServerConnection) {
    let pair = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["relay".to_owned()]).unwrap().self_signed(&pair).unwrap();
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites = vec![suite];
    let mut server = ServerConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[suite.version()])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], pair.serialize_der().try_into().unwrap())
        .unwrap();
    server.enable_secret_extraction = true;
    let client = client_config(&TlsOptions { ca: vec![cert.pem()], ..Default::default() }).unwrap();
    let (mut ours, theirs) = tokio::io::duplex(1 << 20);
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let name = "relay".try_into().unwrap();
    let (client, server) = tokio::join!(handshake::perform(client, name, &mut ours), acceptor.accept(theirs));
    let (session, _) = client.unwrap();
    let (io, server) = server.unwrap().into_inner();
    let mut tickets = rest(ours, io).await;
    assert_eq!(open(&session, &mut tickets).unwrap(), b"");
    (session, server)
}

/// What the server has sent by now.
async fn rest(mut ours: DuplexStream, theirs: DuplexStream) -> Vec<u8> {
    drop(theirs);
    let mut bytes = Vec::new();
    ours.read_to_end(&mut bytes).await.unwrap();
    bytes
}

fn open(session: &TlsSession, bytes: &mut [u8]) -> Result<Vec<u8>, Error> {
    let mut reader = session.reader();
    let mut all = reader.take_pending();
    all.extend_from_slice(bytes);
    let mut plain = Vec::new();
    reader.open(session.keys(), &mut all, |bytes| plain.extend_from_slice(bytes))?;
    Ok(plain)
}

fn sealed(session: &TlsSession, mut data: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut writer = session.writer();
    loop {
        let done = writer.flush(|slices| {
            // As a kernel does, it takes as much as it likes.
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let count = bytes.len().min(10_000);
            wire.extend_from_slice(&bytes[..count]);
            Ok(count)
        });
        assert!(done.unwrap());
        if data.is_empty() {
            return wire;
        }
        let (first, second) = data.split_at(data.len() / 3);
        let taken = writer.seal(session.keys(), &[first, second]).unwrap();
        data = &data[taken..];
    }
}

fn server_sends(server: &mut ServerConnection, data: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for piece in data.chunks(3 * MAX_FRAGMENT) {
        server.writer().write_all(piece).unwrap();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
    }
    wire
}

fn server_reads(server: &mut ServerConnection, mut wire: &[u8]) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    while !wire.is_empty() {
        server.read_tls(&mut wire).unwrap();
        server.process_new_packets()?;
        // `WouldBlock` at the end.
        let _ = server.reader().read_to_end(&mut plain);
    }
    Ok(plain)
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[tokio::test]
async fn every_suite_carries_data_both_ways() {
    for suite in SUITES {
        let (session, mut server) = connected(suite).await;
        for size in [1, 2, 1000, MAX_FRAGMENT, MAX_FRAGMENT + 1, 300_000] {
            let data = pattern(size);
            assert!(server_reads(&mut server, &sealed(&session, &data)).unwrap() == data, "{suite:?} {size}");
            let mut wire = server_sends(&mut server, &data);
            assert!(open(&session, &mut wire).unwrap() == data, "{suite:?} {size}");
        }
    }
}

#[tokio::test]
async fn records_arrive_in_any_pieces() {
    let (session, server) = connected(TLS13).await;
    let server = std::sync::Mutex::new(server);
    proptest!(ProptestConfig::with_cases(64), |(data in vec(any::<u8>(), 0..40_000), cuts in vec(1..20_000_usize, 1..40))| {
        let mut wire = server_sends(&mut server.lock().unwrap(), &data);
        let mut plain = Vec::new();
        let mut rest = &mut wire[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at_mut((*cut).min(rest.len()));
            plain.extend(open(&session, piece).unwrap());
            rest = behind;
        }
        prop_assert!(plain == data);
        prop_assert!(session.reader().take_pending().is_empty());
    });
}

#[tokio::test]
async fn what_is_wanted_ends_where_a_record_ends() {
    const LIMIT: usize = 64 * 1024;
    let (session, mut server) = connected(TLS13).await;
    assert_eq!(session.reader().wanted(LIMIT), LIMIT);
    let mut wire = server_sends(&mut server, &pattern(50 * MAX_FRAGMENT));
    let mut rest = &mut wire[..];
    let mut reads = 0;
    while !rest.is_empty() {
        let wanted = session.reader().wanted(LIMIT);
        assert!(wanted > 0 && wanted <= LIMIT);
        let (piece, behind) = rest.split_at_mut(wanted.min(rest.len()));
        open(&session, piece).unwrap();
        rest = behind;
        reads += 1;
        // The first one could not know.
        let pending = session.reader().take_pending();
        assert!(reads == 1 || rest.is_empty() || pending.is_empty());
        session.reader().keep(&pending);
    }
    open(&session, &mut server_sends(&mut server, b"small")).unwrap();
    assert_eq!(session.reader().wanted(LIMIT), LIMIT);
}

#[tokio::test]
async fn the_peers_key_may_change() {
    let (session, mut server) = connected(TLS13).await;
    for round in 0..40 {
        server.refresh_traffic_keys().unwrap();
        let data = pattern(round);
        let mut wire = server_sends(&mut server, &data);
        assert_eq!(open(&session, &mut wire).unwrap(), data);
        assert_eq!(server_reads(&mut server, &sealed(&session, &data)).unwrap(), data);
    }
}

#[tokio::test]
async fn our_key_changes_before_it_is_used_up() {
    let (session, mut server) = connected(TLS13).await;
    session.writer().limit = 3;
    for size in 1..20 {
        let data = pattern(size * 9_000);
        assert!(server_reads(&mut server, &sealed(&session, &data)).unwrap() == data);
    }
}

#[tokio::test]
async fn tls_1_2_has_one_key_only() {
    let (session, mut server) = connected(TLS12).await;
    // The handshake took one.
    session.writer().limit = 2;
    assert_eq!(server_reads(&mut server, &sealed(&session, b"ab")).unwrap(), b"ab");
    assert_eq!(session.writer().seal(session.keys(), &[b"cd"]), Err(Error::EncryptError));
    // The server learns that nothing more will come.
    server_reads(&mut server, &sealed(&session, b"")).unwrap();
    assert_eq!(server.reader().read(&mut [0; 1]).unwrap(), 0);
}

#[tokio::test]
async fn close_notify_ends_each_direction_by_itself() {
    for suite in [TLS13, TLS12] {
        let (session, mut server) = connected(suite).await;
        let mut wire = server_sends(&mut server, b"last");
        server.send_close_notify();
        wire.extend(server_sends(&mut server, b""));
        let mut end = Vec::new();
        server.write_tls(&mut end).unwrap_or(0);
        wire.extend(end);
        wire.extend_from_slice(b"whatever follows");
        assert_eq!(open(&session, &mut wire).unwrap(), b"last");
        assert!(session.reader().closed() && session.reader().take_pending().is_empty());
        assert_eq!(server_reads(&mut server, &sealed(&session, b"still")).unwrap(), b"still");
        session.writer().close();
        session.writer().close();
        server_reads(&mut server, &sealed(&session, b"")).unwrap();
        assert_eq!(server.reader().read(&mut [0; 1]).unwrap(), 0);
        assert!(session.writer().seal(session.keys(), &[b"more"]).is_err());
    }
}

/// A server that sends what no rustls would.
struct Rogue {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl Rogue {
    async fn connected(suite: SupportedCipherSuite) -> (TlsSession, Self) {
        let (session, server) = connected(suite).await;
        let (sequence, secrets) = server.dangerous_extract_secrets().unwrap().tx;
        let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets
        else {
            unreachable!()
        };
        (session, Self { encrypter: encrypter(suite, key, iv), sequence })
    }

    fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let payload = OutboundChunks::Single(payload);
        let message = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
        let record = self.encrypter.encrypt(message, self.sequence).unwrap();
        self.sequence += 1;
        record.encode()
    }
}

fn encrypter(suite: SupportedCipherSuite, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
    match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => {
            suite.aead_alg.encrypter(key, &iv.as_ref()[..4], &iv.as_ref()[4..])
        }
    }
}

/// What `records` come to, behind data that must arrive in any case.
async fn outcome(suite: SupportedCipherSuite, records: &[(ContentType, &[u8])]) -> Result<Vec<u8>, Error> {
    let (session, mut rogue) = Rogue::connected(suite).await;
    let mut wire = rogue.record(ContentType::ApplicationData, b"+");
    for (kind, payload) in records {
        wire.extend(rogue.record(*kind, payload));
    }
    let mut plain = Vec::new();
    let opened = session.reader().open(session.keys(), &mut wire, |bytes| plain.extend_from_slice(bytes));
    assert_eq!(plain.first(), Some(&b'+'));
    opened.map(|()| plain)
}

const DATA: (ContentType, &[u8]) = (ContentType::ApplicationData, b"!");

#[tokio::test]
async fn what_is_odd_but_allowed_is_put_up_with() {
    use ContentType::{Alert, Handshake};
    let hello_request: (ContentType, &[u8]) = (Handshake, &[0, 0, 0, 0]);
    let empty: (ContentType, &[u8]) = (ContentType::ApplicationData, b"");
    for (suite, records) in [
        (TLS12, vec![(Alert, &[1, 100][..]); 4]),
        (TLS12, vec![hello_request]),
        (TLS13, vec![(Alert, &[1, 90][..])]),
        (TLS13, vec![empty; 32]),
    ] {
        let records = [&records[..], &[DATA]].concat();
        assert_eq!(outcome(suite, &records).await.unwrap(), b"+!", "{records:?}");
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_an_error() {
    use ContentType::{Alert, ChangeCipherSpec, Handshake};
    let misbehaved = Error::PeerMisbehaved;
    let unexpected = |got_type| Error::InappropriateMessage {
        expect_types: vec![ContentType::ApplicationData, Alert],
        got_type,
    };
    let empty: (ContentType, &[u8]) = (ContentType::ApplicationData, b"");
    for (suite, records, error) in [
        (TLS12, vec![(Alert, &[1, 100][..]); 5], misbehaved(PeerMisbehaved::TooManyWarningAlertsReceived)),
        (TLS13, vec![(Alert, &[1, 100])], Error::AlertReceived(AlertDescription::NoRenegotiation)),
        (TLS13, vec![(Alert, &[2, 80])], Error::AlertReceived(AlertDescription::InternalError)),
        (TLS13, vec![(Alert, &[2])], InvalidMessage::MessageTooShort.into()),
        (TLS13, vec![empty; 33], misbehaved(PeerMisbehaved::TooManyEmptyFragments)),
        (TLS12, vec![(ChangeCipherSpec, &[1])], unexpected(ChangeCipherSpec)),
        (TLS12, vec![(Handshake, &[24, 0, 0, 1, 0])], unexpected(Handshake)),
        (TLS13, vec![(Handshake, &[0, 0, 0, 0])], unexpected(Handshake)),
        (TLS13, vec![(Handshake, &[13, 0, 0, 0])], unexpected(Handshake)),
        (TLS13, vec![(Handshake, &[24, 0, 0, 1, 2])], InvalidMessage::InvalidKeyUpdate.into()),
        (TLS13, vec![(Handshake, &[24, 0, 0, 2, 0, 0])], InvalidMessage::InvalidKeyUpdate.into()),
        (
            TLS13,
            vec![(Handshake, &[24, 0, 0, 1, 0, 24])],
            misbehaved(PeerMisbehaved::KeyEpochWithPendingFragment),
        ),
        (TLS13, vec![(Handshake, &[4, 1, 0, 0])], InvalidMessage::HandshakePayloadTooLarge.into()),
        (
            TLS13,
            vec![(Handshake, &[4, 0]), DATA],
            misbehaved(PeerMisbehaved::MessageInterleavedWithHandshakeMessage),
        ),
        (TLS13, vec![(ContentType::Heartbeat, &[1])], unexpected(ContentType::Heartbeat)),
    ] {
        assert_eq!(outcome(suite, &records).await.unwrap_err(), error);
    }
}

#[tokio::test]
async fn a_request_for_our_key_is_granted_and_not_for_ever() {
    let (session, mut rogue) = Rogue::connected(TLS13).await;
    // A message may come in pieces.
    let mut wire = rogue.record(ContentType::Handshake, &[24, 0]);
    wire.extend(rogue.record(ContentType::Handshake, &[0, 1, 1]));
    assert_eq!(open(&session, &mut wire).unwrap(), b"");
    assert!(session.keys().take_update() && !session.keys().take_update());
    session.keys().ask_for_update();
    assert_eq!(session.writer().seal(session.keys(), &[b"x"]).unwrap(), 1);
    let mut records = 0;
    session
        .writer()
        .flush(|slices| {
            records += slices.len();
            Ok(slices.iter().map(|slice| slice.len()).sum())
        })
        .unwrap();
    assert_eq!(records, 2, "the update, and the data under the new key");
}

#[tokio::test]
async fn a_record_that_was_touched_is_refused_and_the_peer_hears_why() {
    for suite in SUITES {
        let (session, mut server) = connected(suite).await;
        let mut wire = server_sends(&mut server, b"data");
        *wire.last_mut().unwrap() ^= 1;
        let error = open(&session, &mut wire).unwrap_err();
        assert_eq!(error, Error::DecryptError);
        let mut wire = Vec::new();
        session.writer().refuse(&error, |slices| {
            wire.extend_from_slice(&slices[0]);
            Ok(slices[0].len())
        });
        let heard = server_reads(&mut server, &wire).unwrap_err();
        assert_eq!(heard, Error::AlertReceived(AlertDescription::BadRecordMac), "{suite:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_written_now_is_kept_and_what_cannot_be_written_is_an_error() {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, WouldBlock, WriteZero};
    let (session, mut server) = connected(TLS13).await;
    session.writer().seal(session.keys(), &[b"data"]).unwrap();
    assert!(!session.writer().flush(|_| Err(WouldBlock.into())).unwrap());
    for kind in [ConnectionReset, BrokenPipe] {
        assert_eq!(session.writer().flush(|_| Err(kind.into())).unwrap_err().kind(), kind);
    }
    assert_eq!(session.writer().flush(|_| Ok(0)).unwrap_err().kind(), WriteZero);
    assert_eq!(server_reads(&mut server, &sealed(&session, b"")).unwrap(), b"data");
}

#[tokio::test]
async fn what_is_no_record_is_refused_by_its_header() {
    let (session, _) = connected(TLS13).await;
    for (header, error) in [
        ([22, 2, 0, 0, 1], InvalidMessage::UnknownProtocolVersion),
        ([72, 84, 84, 80, 47], InvalidMessage::InvalidContentType),
        ([23, 3, 3, 0x48, 1], InvalidMessage::MessageTooLarge),
    ] {
        assert_eq!(open(&session, &mut header.to_vec()).unwrap_err(), error.into());
    }
    // A plaintext of 16 KiB, and 2 KiB that its protection may add.
    assert_eq!(record_length(&[23, 3, 3, 0x48, 0]).unwrap(), Some(HEADER + 18 * 1024));
    assert_eq!(record_length(&[23, 3, 3, 0x48]).unwrap(), None);
}

#[tokio::test]
async fn garbage_never_panics() {
    let (session, _) = connected(TLS13).await;
    proptest!(|(mut bytes in vec(any::<u8>(), 0..200), head in 20..24_u8)| {
        session.reader().take_pending();
        if bytes.len() > 5 {
            let body = (bytes.len() - 5) as u8;
            bytes[..5].copy_from_slice(&[head, 3, 3, 0, body]);
        }
        let _ = session.reader().open(session.keys(), &mut bytes, |_| {});
    });
}
