//! Messages both ways, with every fast path on and off.

use super::*;

const SIZES: [usize; 9] = [0, 1, 125, 126, 65_535, 65_536, 100_000, 1 << 20, 20 << 20];

fn tunings() -> [Tuning; 3] {
    let usual = Tuning::default();
    [usual, Tuning { direct_write: false, direct_read: false, ..usual }, Tuning { direct_limit: 0, ..usual }]
}

fn setups() -> impl Iterator<Item = Setup> {
    both().into_iter().flat_map(|setup| tunings().map(|tuning| Setup { tuning, ..setup.clone() }))
}

#[tokio::test]
async fn of_all_sizes_go_out() {
    for setup in setups() {
        let mut rig = Rig::open(&setup).await;
        for (seed, size) in (0..).zip(SIZES) {
            let payload = pattern(size, seed);
            rig.send(RECEIPT, &payload);
            assert_eq!(rig.peer.frame().await, Frame { first: 0x82, payload });
            rig.inbox.receipts(1).await;
            assert_eq!(rig.socket.buffered_amount(), 0);
        }
        rig.finish().await;
    }
}

#[tokio::test]
async fn of_all_sizes_come_in() {
    for setup in setups() {
        let mut rig = Rig::open(&setup).await;
        for (seed, size) in (0..).zip(SIZES) {
            let payload = pattern(size, seed);
            let (_, record) =
                tokio::join!(rig.peer.send(OpCode::Binary, &payload), rig.inbox.expect(Kind::Binary));
            assert!(record.payload == payload, "{size} bytes");
        }
        rig.finish().await;
    }
}

#[tokio::test]
async fn survive_being_cut_into_single_bytes() {
    for setup in both() {
        let tuning = Tuning { short_io: true, ..Tuning::default() };
        let mut rig = Rig::open(&Setup { tuning, ..setup }).await;
        for size in [0, 1, 125, 126, 300, 40_000] {
            let payload = pattern(size, 7);
            rig.send(RECEIPT, &payload);
            assert_eq!(rig.peer.frame().await.payload, payload);
            rig.inbox.receipts(1).await;
            rig.peer.send(OpCode::Binary, &payload).await;
            assert_eq!(rig.inbox.expect(Kind::Binary).await.payload, payload);
        }
        rig.finish().await;
    }
}

#[tokio::test]
async fn keep_their_order_and_kinds() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        let mut bytes = Vec::new();
        for seed in 0..200u8 {
            bytes.extend(encode(OpCode::Text, &[b'a' + seed % 26]));
            bytes.extend(encode(OpCode::Ping, &[seed]));
            bytes.extend(encode(OpCode::Pong, &[]));
            bytes.extend(encode(OpCode::Binary, &pattern(usize::from(seed) * 300, seed)));
        }
        let writes = rig.peer.write(&bytes);
        let reads = async {
            for seed in 0..200u8 {
                assert_eq!(rig.inbox.expect(Kind::Text).await.payload, [b'a' + seed % 26]);
                assert_eq!(rig.inbox.expect(Kind::Ping).await.payload, [seed]);
                assert_eq!(rig.inbox.expect(Kind::Pong).await.payload, b"");
                let payload = pattern(usize::from(seed) * 300, seed);
                assert_eq!(rig.inbox.expect(Kind::Binary).await.payload, payload);
            }
        };
        tokio::join!(writes, reads);
        rig.finish().await;
    }
}

#[tokio::test]
async fn of_several_frames_come_with_their_lengths() {
    let mut rig = Rig::open(&Setup::default()).await;
    let mut bytes = Vec::new();
    frame::encode(&mut bytes, OpCode::Binary, false, false, None, b"abc");
    frame::encode(&mut bytes, OpCode::Continuation, true, false, None, b"de");
    rig.peer.write(&bytes).await;
    assert_eq!(rig.inbox.expect(Kind::Fragments).await.payload, [3, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(rig.inbox.expect(Kind::Binary).await.payload, b"abcde");
    rig.finish().await;
}

#[tokio::test]
async fn of_one_run_share_their_receipts() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        let mut run = rig.socket.send(&mut rig.keys);
        for index in 0..10 {
            run.frame(if index % 2 == 0 { RECEIPT } else { BINARY }, &[index]);
        }
        drop(run);
        for index in 0..10 {
            assert_eq!(rig.peer.frame().await.payload, [index]);
        }
        rig.inbox.receipts(5).await;
        rig.finish().await;
    }
}

#[tokio::test]
async fn are_masked_as_they_are_told() {
    let mut rig = Rig::open(&Setup::default()).await;
    rig.send(Outline { mask: Masking::Key([1, 2, 3, 4]), ..BINARY }, b"abcd");
    let mut bytes = [0; 10];
    rig.peer.io.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, [0x82, 0x84, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3, b'd' ^ 4]);
    rig.send(Outline { mask: Masking::None, ..BINARY }, b"abcd");
    let mut bytes = [0; 6];
    rig.peer.io.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, [0x82, 4, b'a', b'b', b'c', b'd']);
    rig.finish().await;
}
