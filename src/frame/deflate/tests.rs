use proptest::prelude::*;

use super::*;

fn params(server_forgets: bool, client_forgets: bool, bits: Option<u8>) -> DeflateParams {
    DeflateParams {
        server_no_context_takeover: server_forgets,
        client_no_context_takeover: client_forgets,
        server_max_window_bits: bits,
        client_max_window_bits: bits,
    }
}

fn deflated(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Deflate::new(Role::Server, &DeflateParams::default(), 6).compress(data, true, &mut out).unwrap();
    out
}

fn inflater() -> Inflate {
    Inflate::new(Role::Client, &DeflateParams::default())
}

/// Text that compresses, with matches near and far.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let words = proptest::collection::vec(prop_oneof![Just(0u8..4), Just(0..255)], 0..8);
    (words, 0usize..3000, any::<u64>()).prop_map(|(alphabets, len, seed)| {
        let mut state = seed | 1;
        (0..len)
            .map(|i| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let alphabet = alphabets.get(i / 400).cloned().unwrap_or(97..100);
                alphabet.start + (state >> 40) as u8 % (alphabet.end - alphabet.start)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn messages_come_back_whatever_was_negotiated(
        messages in proptest::collection::vec(proptest::collection::vec(payload(), 1..4), 1..6),
        server_forgets: bool, client_forgets: bool, server_sends: bool,
        bits in proptest::option::of(8u8..=15), level in 0u8..=10
    ) {
        let params = params(server_forgets, client_forgets, bits);
        let (from, to) = if server_sends { (Role::Server, Role::Client) } else { (Role::Client, Role::Server) };
        let (mut deflate, mut inflate) = (Deflate::new(from, &params, level), Inflate::new(to, &params));
        for fragments in messages {
            let mut message = Vec::new();
            for (index, fragment) in fragments.iter().enumerate() {
                let fin = index + 1 == fragments.len();
                let mut wire = Vec::new();
                deflate.compress(fragment, fin, &mut wire).unwrap();
                prop_assert_ne!(wire.len(), 0);
                prop_assert!(!fin || !wire.ends_with(&TAIL));
                let before = message.len();
                inflate.inflate(&wire, fin, &mut message, 0).unwrap();
                prop_assert_eq!(&message[before..], &fragment[..]);
            }
        }
        let forgets = if server_sends { server_forgets } else { client_forgets };
        prop_assert!(!forgets || (deflate.context.is_none() && inflate.context.is_none()));
    }

    #[test]
    fn garbage_is_inflated_or_refused(
        data in proptest::collection::vec(any::<u8>(), 0..300), fin: bool, limit in 0u64..1000
    ) {
        let mut out = Vec::new();
        match inflater().inflate(&data, fin, &mut out, limit) {
            Ok(()) => prop_assert!(limit == 0 || out.len() as u64 <= limit),
            Err(error) => prop_assert!(
                (error.code == "Z_DATA_ERROR" && error.errno == Some(-3) && error.status == 1007 && !error.range)
                || (error.code == "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" && error.status == 1009 && error.range)
            ),
        }
    }
}

#[test]
fn the_rfc_examples_inflate() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(deflated(b"Hello"), hello);
    let mut inflate = inflater();
    let mut out = Vec::new();
    inflate.inflate(&hello, true, &mut out, 0).unwrap();
    // The second message refers to the first one's window.
    inflate.inflate(&[0xf2, 0x00, 0x11, 0x00, 0x00], true, &mut out, 0).unwrap();
    // A stored block, then a final block followed by padding.
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    inflate.inflate(&stored, true, &mut out, 0).unwrap();
    inflate.inflate(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], true, &mut out, 0).unwrap();
    assert!(inflate.context.is_none());
    inflate.inflate(&hello, true, &mut out, 0).unwrap();
    assert_eq!(out, b"Hello".repeat(5));
}

#[test]
fn both_sides_share_the_window_unless_told_to_forget() {
    let data: Vec<u8> = (0..2000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for forgets in [false, true] {
        let params = params(false, forgets, None);
        let mut deflate = Deflate::new(Role::Client, &params, 6);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        deflate.compress(&data, true, &mut first).unwrap();
        deflate.compress(&data, true, &mut second).unwrap();
        assert_eq!(second.len() < 100, !forgets);
    }
}

#[test]
fn incompressible_data_of_all_sizes_survives() {
    let mut noise = vec![0; 300_000];
    getrandom::fill(&mut noise).unwrap();
    for len in [1, 2, 255, 256, 257, 16_383, 16_384, 65_535, 65_536, 65_537, 300_000] {
        for level in [0, 1, 6, 9] {
            let mut wire = Vec::new();
            let params = DeflateParams::default();
            Deflate::new(Role::Client, &params, level).compress(&noise[..len], true, &mut wire).unwrap();
            let mut out = Vec::new();
            Inflate::new(Role::Server, &params).inflate(&wire, true, &mut out, len as u64).unwrap();
            assert_eq!(out, &noise[..len]);
        }
    }
}

#[test]
fn an_empty_message_is_one_byte_and_needs_no_context() {
    let mut deflate = Deflate::new(Role::Client, &DeflateParams::default(), 6);
    let mut out = Vec::new();
    deflate.compress(b"", true, &mut out).unwrap();
    assert_eq!(out, [0]);
    assert!(deflate.context.is_none());
    let mut inflated = Vec::new();
    inflater().inflate(&out, true, &mut inflated, 0).unwrap();
    assert!(inflated.is_empty());
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let bomb = deflated(&vec![0; 64 * 1024 * 1024]);
    assert!(bomb.len() < 100_000);
    let mut out = Vec::new();
    let error = inflater().inflate(&bomb, true, &mut out, 100_000).unwrap_err();
    assert_eq!((error.code, error.status), ("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009));
    assert_eq!(error.message, "Max payload size exceeded");
    assert!(out.capacity() < 1024 * 1024, "{}", out.capacity());
}

#[test]
fn the_limit_is_inclusive_and_counts_earlier_fragments() {
    let wire = deflated(&[7; 1000]);
    let mut out = vec![0; 24];
    inflater().inflate(&wire, true, &mut out, 1024).unwrap();
    let mut out = vec![0; 25];
    assert!(inflater().inflate(&wire, true, &mut out, 1024).is_err());
}

#[test]
fn corrupt_data_is_reported_in_zlibs_words() {
    for (data, message) in [
        (&[0x00, 0x05, 0x00, 0x00, 0x00][..], "invalid stored block lengths"),
        (&[0x06], "invalid block type"),
        (&[0x02, 0x07, 0x00, 0x00], "invalid distance too far back"),
    ] {
        let mut inflate = inflater();
        let error = inflate.inflate(data, true, &mut Vec::new(), 0).unwrap_err();
        assert_eq!((error.code, error.errno, error.status), ("Z_DATA_ERROR", Some(-3), 1007));
        assert!(!error.range);
        assert_eq!(error.message, message);
        assert!(inflate.context.is_none());
    }
}

#[test]
fn a_reason_that_zlib_rs_forgot_becomes_zlibs_general_one() {
    // Begins with a match in a message that the receiver never saw, and is long enough for the fast loop.
    let noise: Vec<u8> = (0..400u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    let mut deflate = Deflate::new(Role::Server, &DeflateParams::default(), 6);
    deflate.compress(&noise[..300], true, &mut Vec::new()).unwrap();
    let mut data = Vec::new();
    deflate.compress(&noise, true, &mut data).unwrap();
    let error = inflater().inflate(&data, true, &mut Vec::new(), 0).unwrap_err();
    assert_eq!((error.code, &*error.message), ("Z_DATA_ERROR", "data error"));
}

#[test]
fn a_pooled_context_starts_anew() {
    let forget = params(true, true, None);
    let mut one = Deflate::new(Role::Client, &forget, 6);
    let mut two = Deflate::new(Role::Client, &forget, 6);
    let (mut first, mut again) = (Vec::new(), Vec::new());
    one.compress(b"the same text, the same bytes", true, &mut first).unwrap();
    two.compress(b"the same text, the same bytes", true, &mut again).unwrap();
    assert_eq!(first, again);

    let mut inflate = Inflate::new(Role::Server, &forget);
    inflate.inflate(&first, true, &mut Vec::new(), 0).unwrap();
    // A reference into another message's window must not find it.
    let error = inflate.inflate(&[0xf2, 0x00, 0x11, 0x00, 0x00], true, &mut Vec::new(), 0).unwrap_err();
    assert_eq!(error.message, "invalid distance too far back");
}
