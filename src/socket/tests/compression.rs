//! permessage-deflate in both directions.

use super::*;
use crate::frame::{Decoder, DecoderOptions, Deflate, DeflateParams, Inflate, Payload, Role, Sink};

const COMPRESSED: Outline = Outline { rsv1: true, compress: true, ..RECEIPT };

async fn open(tls: bool) -> Rig {
    let setup = Setup { tls, deflate: Some(DeflateOptions::default()), ..Setup::default() };
    let mut rig = Rig::dial(&setup).await;
    rig.peer.upgrade("Sec-WebSocket-Extensions: permessage-deflate\r\n", b"").await;
    let report = rig.inbox.expect(Kind::Open).await.json();
    assert_eq!(report["extensions"]["clientNoContextTakeover"], false);
    rig
}

#[derive(Default)]
struct Messages(Vec<Vec<u8>>);

impl Sink for Messages {
    fn message(&mut self, _: bool, payload: Payload<'_>, _: &[u32]) {
        self.0.push(payload.to_vec());
    }
    fn ping(&mut self, payload: &[u8]) {
        self.0.push(payload.to_vec());
    }
    fn pong(&mut self, _: &[u8]) {}
    fn close(&mut self, _: u16, _: &[u8]) {}
}

/// Reads as many messages as a server that agreed to compression.
async fn read_messages(peer: &mut Peer, count: usize) -> Vec<Vec<u8>> {
    let inflate = Some(Inflate::new(Role::Server, &DeflateParams::default()));
    let mut decoder = Decoder::new(DecoderOptions { inflate, ..DecoderOptions::new(Role::Server) });
    let mut messages = Messages::default();
    let mut buffer = vec![0; 64 * 1024];
    while messages.0.len() < count {
        let got = peer.io.read(&mut buffer).await.unwrap();
        assert_ne!(got, 0);
        decoder.decode(&mut buffer[..got], &mut messages).unwrap();
    }
    messages.0
}

#[tokio::test]
async fn of_what_goes_out() {
    for tls in [false, true] {
        let mut rig = open(tls).await;
        let sizes = [0, 1, 5000, 100_000, 3 << 20];
        let sent: Vec<_> = (0..).zip(sizes).map(|(seed, size)| pattern(size, seed)).collect();
        for payload in &sent {
            rig.send(COMPRESSED, payload);
        }
        assert_eq!(rig.socket.buffered_amount(), sizes.iter().sum::<usize>());
        assert!(read_messages(&mut rig.peer, sent.len()).await == sent);
        rig.inbox.receipts(sent.len() as u32).await;
        assert_eq!(rig.socket.buffered_amount(), 0);
        rig.finish().await;
    }
}

#[tokio::test]
async fn nothing_overtakes_a_message_that_is_being_compressed() {
    let mut rig = open(false).await;
    rig.send(COMPRESSED, &pattern(50_000, 1));
    rig.send(Outline { opcode: OpCode::Ping, ..RECEIPT }, b"ping");
    rig.send(RECEIPT, b"plain");
    rig.socket.shutdown();
    let got = read_messages(&mut rig.peer, 3).await;
    assert_eq!(got, [pattern(50_000, 1), b"ping".to_vec(), b"plain".to_vec()]);
    rig.inbox.receipts(3).await;
    rig.peer.expect_end().await;
    rig.peer.end().await;
    rig.inbox.expect(Kind::End).await;
    rig.inbox.closed(0).await;
}

#[tokio::test]
async fn of_what_comes_in() {
    for tls in [false, true] {
        let mut rig = open(tls).await;
        let mut deflate = Deflate::new(Role::Server, &DeflateParams::default(), 6);
        for (seed, size) in (0..).zip([0, 1, 5000, 100_000, 3 << 20]) {
            let payload = pattern(size, seed);
            let (mut compressed, mut bytes) = (Vec::new(), Vec::new());
            deflate.compress(&payload, true, &mut compressed).unwrap();
            frame::encode(&mut bytes, OpCode::Binary, true, true, None, &compressed);
            let (_, record) = tokio::join!(rig.peer.write(&bytes), rig.inbox.expect(Kind::Binary));
            assert!(record.payload == payload);
        }
        rig.finish().await;
    }
}

#[tokio::test]
async fn a_socket_that_compresses_much_gives_others_their_turns() {
    let mut rig = open(false).await;
    for _ in 0..10 {
        rig.send(COMPRESSED, &[0; 100_000]);
    }
    // What is left, as another task of the thread sees it: more than the budget, and no part of a message.
    let mut left = vec![10];
    while left.last() != Some(&0) {
        tokio::task::yield_now().await;
        left.push(rig.socket.buffered_amount() / 100_000);
    }
    left.dedup();
    assert_eq!(left, [10, 7, 4, 1, 0]);
    assert_eq!(read_messages(&mut rig.peer, 10).await, vec![vec![0; 100_000]; 10]);
    rig.inbox.receipts(10).await;
    rig.finish().await;
}

#[tokio::test]
async fn terminating_with_messages_that_wait_counts_them_as_unwritten() {
    let mut rig = open(false).await;
    rig.send(COMPRESSED, &pattern(1000, 1));
    rig.socket.terminate();
    assert!(rig.inbox.closed(0).await > 0);
}
