use proptest::prelude::*;

use super::assembly::FIRST_RESERVE;
use super::*;
use crate::frame::{Deflate, DeflateParams, MaskKeys, encode};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Message { binary: bool, payload: Vec<u8>, fragments: Vec<u32> },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, Vec<u8>),
    Error(FrameError),
}

#[derive(Default)]
struct Recorder {
    events: Vec<Event>,
    /// Where the last message's bytes lay, to see whether they were copied.
    last: Option<(usize, bool)>,
}

impl Sink for Recorder {
    fn message(&mut self, binary: bool, payload: Payload<'_>, fragments: &[u32]) {
        self.last = Some((payload.as_ptr() as usize, matches!(payload, Payload::Owned(_))));
        self.events.push(Event::Message { binary, payload: payload.to_vec(), fragments: fragments.to_vec() });
    }
    fn ping(&mut self, payload: &[u8]) {
        self.events.push(Event::Ping(payload.to_vec()));
    }
    fn pong(&mut self, payload: &[u8]) {
        self.events.push(Event::Pong(payload.to_vec()));
    }
    fn close(&mut self, code: u16, reason: &[u8]) {
        self.events.push(Event::Close(code, reason.to_vec()));
    }
}

fn text(payload: &str) -> Event {
    Event::Message { binary: false, payload: payload.into(), fragments: vec![] }
}

fn options(role: Role) -> DecoderOptions {
    DecoderOptions::new(role)
}

fn compressed() -> DecoderOptions {
    let inflate = Some(Inflate::new(Role::Client, &DeflateParams::default()));
    DecoderOptions { inflate, ..options(Role::Client) }
}

/// Decodes `wire` in one piece and, to be sure, byte by byte.
fn decode(make: impl Fn() -> DecoderOptions, wire: &[u8]) -> Vec<Event> {
    let whole = feed(make(), &[wire.to_vec()], false);
    let bytes: Vec<_> = wire.iter().map(|byte| vec![*byte]).collect();
    assert_eq!(whole, feed(make(), &bytes, false));
    whole
}

/// Decodes chunk by chunk; with `direct` large payloads go around `decode`, a part at a time.
fn feed(options: DecoderOptions, chunks: &[Vec<u8>], direct: bool) -> Vec<Event> {
    let mut decoder = Decoder::new(options);
    let mut sink = Recorder::default();
    for chunk in chunks {
        let mut rest = chunk.clone();
        while direct && !rest.is_empty() {
            let Some((buf, room)) = decoder.direct() else { break };
            assert!(room > 0 && room <= buf.capacity() - buf.len());
            buf.extend(rest.drain(..room.min(rest.len()).min(700)));
            if let Err(error) = decoder.direct_advance(&mut sink) {
                sink.events.push(Event::Error(error));
            }
        }
        if let Err(error) = decoder.decode(&mut rest, &mut sink) {
            assert!(decoder.is_finished());
            sink.events.push(Event::Error(error));
        }
    }
    let ended = matches!(sink.events.last(), Some(Event::Close(..) | Event::Error(_)));
    assert_eq!(decoder.is_finished(), ended);
    if ended {
        // Whatever follows is ignored, and no memory is held for it.
        assert!(decoder.direct().is_none());
        assert_eq!(decoder.decode(&mut [0x81, 0x01, b'x'], &mut sink), Ok(()));
        assert!(decoder.body.is_none() && decoder.message.is_none() && decoder.inflate.is_none());
    }
    sink.events
}

#[derive(Debug, PartialEq)]
struct Refusal(&'static str, bool, String, u16);

fn refusal(make: impl Fn() -> DecoderOptions, wire: &[u8]) -> Refusal {
    let mut events = decode(make, wire);
    match events.pop() {
        Some(Event::Error(error)) => {
            Refusal(error.code, error.range, error.message.to_string(), error.status)
        }
        other => panic!("{events:?}, {other:?}"),
    }
}

fn invalid(code: &'static str, what: &str) -> Refusal {
    Refusal(code, true, format!("Invalid WebSocket frame: {what}"), 1002)
}

#[test]
fn every_violation_has_wss_code_class_text_and_status() {
    let client = || options(Role::Client);
    let server = || options(Role::Server);
    assert_eq!(refusal(client, &[0x09, 0]), invalid("WS_ERR_EXPECTED_FIN", "FIN must be set"));
    assert_eq!(refusal(client, &[0x81, 0x80]), invalid("WS_ERR_UNEXPECTED_MASK", "MASK must be clear"));
    assert_eq!(refusal(server, &[0x81, 0x00]), invalid("WS_ERR_EXPECTED_MASK", "MASK must be set"));
    assert_eq!(
        refusal(client, &[0x88, 2, 0x03, 0xed]),
        invalid("WS_ERR_INVALID_CLOSE_CODE", "invalid status code 1005")
    );
    assert_eq!(
        refusal(client, &[0x88, 2, 0, 0]),
        invalid("WS_ERR_INVALID_CLOSE_CODE", "invalid status code 0")
    );
    for (first, len) in [(0x88, 1), (0x88, 126), (0x89, 127), (0x8a, 126)] {
        assert_eq!(
            refusal(client, &[first, len]),
            invalid("WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", &format!("invalid payload length {len}"))
        );
    }
    // Unknown, continuation of nothing, new message inside another one.
    for (wire, opcode) in [
        (&[0x83, 0][..], 3),
        (&[0x8f, 0], 15),
        (&[0x80, 0], 0),
        (&[0x01, 0, 0x81, 0], 1),
        (&[0x02, 0, 2, 0], 2),
    ] {
        assert_eq!(
            refusal(client, wire),
            invalid("WS_ERR_INVALID_OPCODE", &format!("invalid opcode {opcode}"))
        );
    }
    assert_eq!(refusal(client, &[0xc1, 0]), invalid("WS_ERR_UNEXPECTED_RSV_1", "RSV1 must be clear"));
    for wire in [&[0xc9, 0][..], &[0xc0, 0], &[0x41, 0, 0xc0, 0]] {
        assert_eq!(refusal(compressed, wire), invalid("WS_ERR_UNEXPECTED_RSV_1", "RSV1 must be clear"));
    }
    for first in [0x91, 0xa1, 0xb1] {
        assert_eq!(
            refusal(client, &[first, 0]),
            invalid("WS_ERR_UNEXPECTED_RSV_2_3", "RSV2 and RSV3 must be clear")
        );
    }
    assert_eq!(
        refusal(client, &[0x82, 127, 0, 0x20, 0, 0, 0, 0, 0, 0]),
        Refusal(
            "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
            true,
            "Unsupported WebSocket frame: payload length > 2^53 - 1".into(),
            1009
        )
    );
    assert_eq!(
        refusal(compressed, &[0xc1, 1, 0x06]),
        Refusal("Z_DATA_ERROR", false, "invalid block type".into(), 1007)
    );
}

fn too_big() -> Refusal {
    Refusal("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", true, "Max payload size exceeded".into(), 1009)
}

#[test]
fn the_payload_limit_is_checked_on_the_announced_length() {
    let limit = || DecoderOptions { max_payload: 5, ..options(Role::Client) };
    assert_eq!(decode(limit, b"\x81\x05abcde"), [text("abcde")]);
    assert_eq!(refusal(limit, &[0x81, 6]), too_big());
    assert_eq!(refusal(limit, &[0x82, 126, 0, 6]), too_big());
    // Summed up over fragments, with something else in between.
    assert_eq!(refusal(limit, b"\x01\x03abc\x89\x06------\x00\x03"), too_big());
    // The next message begins at nought.
    assert_eq!(decode(limit, b"\x01\x03abc\x80\x02de\x81\x05abcde").len(), 2);
}

#[test]
fn no_limit_ends_below_what_a_record_can_count() {
    let announce = |len: u64| [&[0x82, 127][..], &len.to_be_bytes()].concat();
    for max_payload in [0, u64::MAX, 1 << 32] {
        let unlimited = || DecoderOptions { max_payload, ..options(Role::Client) };
        for len in [1 << 32, (1 << 32) + 5, 1 << 40, (1 << 53) - 1] {
            assert_eq!(refusal(unlimited, &announce(len)), too_big());
        }
        assert_eq!(decode(unlimited, &announce((1 << 32) - 1)), []);
    }
    // Fragments that add up to it.
    let mut decoder = Decoder::new(options(Role::Client));
    let mut sink = Recorder::default();
    decoder.decode(&mut b"\x02\x01a".to_vec(), &mut sink).unwrap();
    decoder.message.as_mut().unwrap().total = MAX_MESSAGE - 3;
    decoder.decode(&mut b"\x00\x03abc".to_vec(), &mut sink).unwrap();
    let error = decoder.decode(&mut b"\x00\x01a".to_vec(), &mut sink).unwrap_err();
    assert_eq!((error.code, error.status), ("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009));
    // Nor are there more fragments than lengths fit into a record.
    let mut decoder = Decoder::new(options(Role::Client));
    decoder.decode(&mut b"\x02\x01a".to_vec(), &mut sink).unwrap();
    decoder.message.as_mut().unwrap().frames = u32::MAX / 4;
    let error = decoder.decode(&mut b"\x80\x01a".to_vec(), &mut sink).unwrap_err();
    assert_eq!(error.status, 1008);
}

#[test]
fn says_what_it_holds_of_an_unfinished_message() {
    let mut decoder = Decoder::new(compressed());
    let mut sink = Recorder::default();
    let mut deflate = Deflate::new(Role::Server, &DeflateParams::default(), 6);
    assert_eq!(decoder.held(), 0);
    for (fragment, opcode) in
        [OpCode::Binary, OpCode::Continuation, OpCode::Continuation].into_iter().enumerate()
    {
        let mut small = Vec::new();
        deflate.compress(&vec![0; 1 << 20], false, &mut small).unwrap();
        let mut wire = Vec::new();
        encode(&mut wire, opcode, false, fragment == 0, None, &small);
        decoder.decode(&mut wire, &mut sink).unwrap();
        let inflated = (fragment + 1) << 20;
        assert!((inflated..=inflated * 2 + 64 * 1024).contains(&decoder.held()), "{}", decoder.held());
    }
    // The next fragment is in the making, too.
    let before = decoder.held();
    decoder.decode(&mut b"\x00\x7f\0\0\0\0\0\x10\0\0".to_vec(), &mut sink).unwrap();
    assert!(decoder.held() >= before + (1 << 20));
    decoder.give_up();
    assert_eq!((decoder.held(), sink.events.len()), (0, 0));

    // Many small fragments weigh more by their number than by their bytes.
    let mut decoder = Decoder::new(options(Role::Client));
    decoder.decode(&mut b"\x02\x01a".to_vec(), &mut sink).unwrap();
    decoder.decode(&mut b"\x00\x01a".repeat(9_999), &mut sink).unwrap();
    assert!(decoder.held() >= 50_000 && decoder.held() as u64 <= most_held(10_000, 10_000));
}

#[test]
fn the_payload_limit_also_holds_for_what_is_inflated() {
    let mut deflate = Deflate::new(Role::Server, &DeflateParams::default(), 6);
    let mut wire = Vec::new();
    let mut small = Vec::new();
    deflate.compress(&[b'a'; 1000], true, &mut small).unwrap();
    encode(&mut wire, OpCode::Text, true, true, None, &small);
    let limit = |max_payload| move || DecoderOptions { max_payload, ..compressed() };
    assert_eq!(decode(limit(1000), &wire).len(), 1);
    assert_eq!(refusal(limit(999), &wire), too_big());
    // In fragments each of which would do.
    let mut wire = Vec::new();
    for (opcode, fin, rsv1) in [(OpCode::Text, false, true), (OpCode::Continuation, true, false)] {
        small.clear();
        deflate.compress(&[b'a'; 600], fin, &mut small).unwrap();
        encode(&mut wire, opcode, fin, rsv1, None, &small);
    }
    let mut fresh = Vec::new();
    Deflate::new(Role::Server, &DeflateParams::default(), 6)
        .compress(&[b'a'; 1000], true, &mut fresh)
        .unwrap();
    let mut all = Vec::new();
    encode(&mut all, OpCode::Text, true, true, None, &fresh);
    all.extend(wire);
    let events = decode(limit(1200), &all);
    assert!(matches!(&events[1], Event::Message { fragments, .. } if *fragments == [600, 600]));
    assert_eq!(refusal(limit(1199), &all), too_big());
}

#[test]
fn fragments_are_counted_even_if_empty() {
    let limit = || DecoderOptions { max_fragments: 3, ..options(Role::Client) };
    let message = |fragments: &[u32]| Event::Message {
        binary: false,
        payload: b"ab".into(),
        fragments: fragments.into(),
    };
    let wire = b"\x01\x01a\x00\x00\x80\x01b";
    assert_eq!(decode(limit, &wire.repeat(2)), [message(&[1, 1]), message(&[1, 1])]);
    assert_eq!(
        refusal(limit, b"\x01\x01a\x00\x00\x89\x00\x00\x00\x80\x01b"),
        Refusal("WS_ERR_TOO_MANY_BUFFERED_PARTS", true, "Too many message fragments".into(), 1008)
    );
    // The payload limit is looked at first.
    let both = || DecoderOptions { max_fragments: 1, max_payload: 1, ..options(Role::Client) };
    assert_eq!(refusal(both, b"\x01\x01a\x80\x01b"), too_big());
}

#[test]
fn text_is_checked_as_a_whole() {
    let client = || options(Role::Client);
    let bad = || {
        Refusal("WS_ERR_INVALID_UTF8", false, "Invalid WebSocket frame: invalid UTF-8 sequence".into(), 1007)
    };
    // A character may be cut by a fragment's end.
    let euro = decode(client, b"\x01\x01\xe2\x80\x02\x82\xac");
    assert!(matches!(&euro[..], [Event::Message { payload, .. }] if payload == "€".as_bytes()));
    for text in [&b"\xe2\x82"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff"] {
        let mut wire = Vec::new();
        encode(&mut wire, OpCode::Text, true, false, None, text);
        assert_eq!(refusal(client, &wire), bad());
        let mut wire = Vec::new();
        encode(&mut wire, OpCode::Text, true, false, Some([1, 2, 3, 4]), text);
        assert_eq!(refusal(|| options(Role::Server), &wire), bad());
        let mut wire = Vec::new();
        encode(&mut wire, OpCode::Text, false, false, None, text);
        encode(&mut wire, OpCode::Continuation, true, false, None, b"");
        assert_eq!(refusal(client, &wire), bad());
        // Unless nobody wants to know.
        let skip = || DecoderOptions { skip_utf8: true, ..options(Role::Client) };
        assert_eq!(decode(skip, &wire).len(), 1);
        assert_eq!(decode(skip, &[&[0x82, text.len() as u8], text].concat()).len(), 1);
    }
    assert_eq!(refusal(client, b"\x88\x03\x03\xe8\xff"), bad());
    let skip = || DecoderOptions { skip_utf8: true, ..options(Role::Client) };
    assert_eq!(decode(skip, b"\x88\x03\x03\xe8\xff"), [Event::Close(1000, vec![0xff])]);
    let mut deflated = Vec::new();
    Deflate::new(Role::Server, &DeflateParams::default(), 6).compress(b"a\xff", true, &mut deflated).unwrap();
    let mut wire = Vec::new();
    encode(&mut wire, OpCode::Text, true, true, None, &deflated);
    assert_eq!(refusal(compressed, &wire), bad());
}

#[test]
fn a_close_frame_ends_it_all() {
    let client = || options(Role::Client);
    assert_eq!(decode(client, b"\x88\x00\x81\x01a"), [Event::Close(1005, vec![])]);
    assert_eq!(decode(client, b"\x88\x02\x03\xe8\x8f"), [Event::Close(1000, vec![])]);
    let mut wire = b"\x81\x01a\x01\x01b".to_vec();
    let reason = "tschüß".as_bytes();
    encode(&mut wire, OpCode::Close, true, false, None, &[&4000_u16.to_be_bytes(), reason].concat());
    assert_eq!(decode(client, &wire), [text("a"), Event::Close(4000, "tschüß".into())]);
}

#[test]
fn a_close_frame_has_a_code_that_may_be_sent() {
    let close = |code: u16| [&[0x88, 2], &code.to_be_bytes()[..]].concat();
    for code in [0, 999, 1004, 1005, 1006, 1015, 1100, 2999, 5000] {
        let message = format!("invalid status code {code}");
        let refused = refusal(|| options(Role::Client), &close(code));
        assert_eq!(refused, invalid("WS_ERR_INVALID_CLOSE_CODE", &message));
    }
    for code in [1000, 1003, 1007, 1014, 3000, 4999] {
        assert_eq!(decode(|| options(Role::Client), &close(code)), [Event::Close(code, vec![])]);
    }
}

#[test]
fn what_came_before_a_violation_is_delivered() {
    let events = decode(|| options(Role::Client), b"\x81\x01a\x89\x01p\x83\x00\x81\x01b");
    assert_eq!(events[..2], [text("a"), Event::Ping(b"p".to_vec())]);
    assert!(matches!(events[2..], [Event::Error(_)]));
}

#[test]
fn empty_messages_are_messages() {
    let empty = |binary| Event::Message { binary, payload: vec![], fragments: vec![] };
    let wire = b"\x81\x00\x82\x00\x01\x00\x80\x00\xc1\x01\x00";
    let expected = [empty(false), empty(true), empty(false), empty(false)];
    assert_eq!(decode(compressed, wire), expected);
}

#[test]
fn a_whole_message_reaches_the_sink_where_it_lies() {
    for (role, key) in [(Role::Client, None), (Role::Server, Some([1, 2, 3, 4]))] {
        for len in [0, 5, 200, 70_000] {
            let mut wire = Vec::new();
            encode(&mut wire, OpCode::Binary, true, false, key, &vec![7; len]);
            let at = wire.as_ptr() as usize + wire.len() - len;
            let mut sink = Recorder::default();
            let mut decoder = Decoder::new(options(role));
            decoder.decode(&mut wire, &mut sink).unwrap();
            assert_eq!(sink.last, Some((at, false)));
            let expected = Event::Message { binary: true, payload: vec![7; len], fragments: vec![] };
            assert_eq!(sink.events, [expected]);
        }
    }
}

#[test]
fn a_large_message_is_handed_over_in_the_buffer_it_was_read_into() {
    let mut wire = Vec::new();
    encode(&mut wire, OpCode::Binary, true, false, None, &[7; 100_000]);
    let mut decoder = Decoder::new(options(Role::Client));
    let mut sink = Recorder::default();
    let (start, rest) = wire.split_at_mut(1_000);
    decoder.decode(start, &mut sink).unwrap();
    let (buf, room) = decoder.direct().unwrap();
    assert_eq!(room, rest.len());
    assert!((100_000..=112_500).contains(&buf.capacity()), "its buffer is an eighth larger at most");
    let at = buf.as_ptr() as usize;
    buf.extend_from_slice(rest);
    decoder.direct_advance(&mut sink).unwrap();
    assert_eq!(sink.last, Some((at, true)));
    assert!(decoder.direct().is_none());
    // Advancing when there is nothing to advance does no harm.
    decoder.direct_advance(&mut sink).unwrap();
    assert_eq!(sink.events.len(), 1);
}

#[test]
fn an_announcement_alone_reserves_little() {
    for wire in [&[0x82, 127, 0, 0, 0, 0, 255, 255, 255, 255][..], &[0x82, 127, 0, 0, 0, 0, 128, 0, 0, 0, 1]]
    {
        let mut decoder = Decoder::new(options(Role::Client));
        decoder.decode(&mut wire.to_vec(), &mut Recorder::default()).unwrap();
        let (buf, room) = decoder.direct().unwrap();
        assert!(buf.capacity() <= FIRST_RESERVE && room <= FIRST_RESERVE);
        assert_eq!(decoder.held(), FIRST_RESERVE, "what is reserved counts");
    }
}

#[test]
fn a_buffer_grows_with_what_arrives() {
    let len = FIRST_RESERVE * 2 + 10;
    let mut wire = Vec::new();
    encode(&mut wire, OpCode::Binary, true, false, None, &[]);
    wire[1] = 127;
    wire.extend((len as u64).to_be_bytes());
    let mut decoder = Decoder::new(options(Role::Client));
    let mut sink = Recorder::default();
    decoder.decode(&mut wire, &mut sink).unwrap();
    let mut capacities = Vec::new();
    while let Some((buf, room)) = decoder.direct() {
        capacities.push(buf.capacity());
        buf.resize(buf.len() + room, 1);
        decoder.direct_advance(&mut sink).unwrap();
    }
    assert_eq!(capacities, [FIRST_RESERVE, FIRST_RESERVE * 2, len]);
    assert!(matches!(&sink.events[..], [Event::Message { payload, .. }] if payload.len() == len));
}

#[test]
fn an_idle_decoder_holds_nothing() {
    assert!(size_of::<Decoder>() <= 80, "{}", size_of::<Decoder>());
    let mut deflated = Vec::new();
    let forget = DeflateParams { server_no_context_takeover: true, ..DeflateParams::default() };
    Deflate::new(Role::Server, &forget, 6).compress(&[b'a'; 50_000], true, &mut deflated).unwrap();
    let mut wire = Vec::new();
    encode(&mut wire, OpCode::Text, false, false, None, &[b'a'; 40_000]);
    encode(&mut wire, OpCode::Ping, true, false, None, b"p");
    encode(&mut wire, OpCode::Continuation, true, false, None, b"b");
    encode(&mut wire, OpCode::Text, true, true, None, &deflated);
    let inflate = Some(Inflate::new(Role::Client, &forget));
    let mut decoder = Decoder::new(DecoderOptions { inflate, ..options(Role::Client) });
    let mut sink = Recorder::default();
    for chunk in wire.chunks_mut(999) {
        decoder.decode(chunk, &mut sink).unwrap();
    }
    assert_eq!(sink.events.len(), 3);
    assert!(decoder.body.is_none() && decoder.message.is_none() && decoder.head_len == 0);
}

/// A message in fragments, perhaps compressed, with control frames between them; or what breaks a rule.
#[derive(Debug, Clone)]
struct Script {
    binary: bool,
    compress: bool,
    fragments: Vec<Vec<u8>>,
    control: Vec<(bool, Vec<u8>)>,
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![
        8 => 0usize..40,
        3 => 120usize..132,
        2 => 990usize..1010,
        1 => prop_oneof![Just(65_535usize), Just(65_536), Just(65_537)],
    ];
    (len, any::<u8>())
        .prop_map(|(len, seed)| (0..len).map(|i| b' ' + ((i * 7 + usize::from(seed)) % 90) as u8).collect())
}

fn script() -> impl Strategy<Value = Script> {
    let control = (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..=125));
    let fragments = prop_oneof![
        3 => proptest::collection::vec(payload(), 1),
        2 => proptest::collection::vec(payload(), 2..5),
    ];
    (any::<bool>(), any::<bool>(), fragments, proptest::collection::vec(control, 0..3))
        .prop_map(|(binary, compress, fragments, control)| Script { binary, compress, fragments, control })
}

fn play(scripts: &[Script], role: Role, params: Option<&DeflateParams>) -> (Vec<u8>, Vec<Event>) {
    let from = if role == Role::Client { Role::Server } else { Role::Client };
    let mut keys = MaskKeys::new();
    let mut key = || (from == Role::Client).then(|| keys.next_key());
    let mut deflate = params.map(|params| Deflate::new(from, params, 6));
    let (mut wire, mut events) = (Vec::new(), Vec::new());
    for script in scripts {
        let mut control = script.control.iter();
        for (index, fragment) in script.fragments.iter().enumerate() {
            let fin = index + 1 == script.fragments.len();
            let opcode = match (index, script.binary) {
                (0, true) => OpCode::Binary,
                (0, false) => OpCode::Text,
                _ => OpCode::Continuation,
            };
            match &mut deflate {
                Some(deflate) if script.compress => {
                    let mut small = Vec::new();
                    deflate.compress(fragment, fin, &mut small).unwrap();
                    encode(&mut wire, opcode, fin, index == 0, key(), &small);
                }
                _ => encode(&mut wire, opcode, fin, false, key(), fragment),
            }
            if fin {
                let many = script.fragments.len() > 1;
                let lengths = script.fragments.iter().map(|fragment| fragment.len() as u32);
                events.push(Event::Message {
                    binary: script.binary,
                    payload: script.fragments.concat(),
                    fragments: lengths.filter(|len| many && *len > 0).collect(),
                });
            }
            if let Some((ping, payload)) = control.next() {
                let opcode = if *ping { OpCode::Ping } else { OpCode::Pong };
                encode(&mut wire, opcode, true, false, key(), payload);
                events.push(if *ping { Event::Ping(payload.clone()) } else { Event::Pong(payload.clone()) });
            }
        }
    }
    (wire, events)
}

fn cut(wire: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
    at.extend([0, wire.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| wire[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn valid_frames_give_the_same_events_however_they_arrive(
        scripts in proptest::collection::vec(script(), 1..5),
        server: bool, deflate in proptest::option::of(any::<(bool, bool)>()),
        large in prop_oneof![Just(0usize), Just(100), Just(1000), Just(DEFAULT_LARGE)],
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)
    ) {
        let role = if server { Role::Server } else { Role::Client };
        let params = deflate.map(|(server, client)| DeflateParams {
            server_no_context_takeover: server,
            client_no_context_takeover: client,
            ..DeflateParams::default()
        });
        let (wire, events) = play(&scripts, role, params.as_ref());
        let make = || DecoderOptions {
            inflate: params.as_ref().map(|params| Inflate::new(role, params)),
            large,
            ..options(role)
        };
        prop_assert_eq!(&feed(make(), std::slice::from_ref(&wire), false), &events);
        prop_assert_eq!(&feed(make(), &cut(&wire, &cuts), false), &events);
        prop_assert_eq!(&feed(make(), &cut(&wire, &cuts), true), &events);
        let pieces: Vec<_> = wire.chunks(997).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(&feed(make(), &pieces, true), &events);
    }

    #[test]
    fn garbage_never_panics_and_errors_do_not_depend_on_the_cuts(
        wire in proptest::collection::vec(garbage(), 1..8),
        server: bool, deflate: bool, skip_utf8: bool, large in 0usize..60,
        max_payload in 0u64..200, max_fragments in 0u32..5,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)
    ) {
        let wire = wire.concat();
        let role = if server { Role::Server } else { Role::Client };
        let make = || DecoderOptions {
            role,
            max_payload,
            max_fragments,
            skip_utf8,
            inflate: deflate.then(|| Inflate::new(role, &DeflateParams::default())),
            large,
        };
        let events = feed(make(), std::slice::from_ref(&wire), false);
        prop_assert_eq!(&feed(make(), &cut(&wire, &cuts), false), &events);
        prop_assert_eq!(&feed(make(), &cut(&wire, &cuts), true), &events);
        let bytes: Vec<_> = wire.iter().map(|byte| vec![*byte]).collect();
        prop_assert_eq!(&feed(make(), &bytes, true), &events);
    }
}

/// Bytes that look enough like frames to get past the first check.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => proptest::sample::select(&[0x81u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0xc1, 0x41][..]),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let frame =
        (first, proptest::collection::vec(any::<u8>(), 0..140), any::<bool>(), any::<bool>(), -1i32..=1);
    let frame = frame.prop_map(|(first, payload, masked, ascii, off)| {
        let payload: Vec<u8> =
            payload.into_iter().map(|byte| if ascii { byte & 0x7f } else { byte }).collect();
        let mut wire = Vec::new();
        encode(&mut wire, OpCode::Text, true, false, masked.then_some([5, 6, 7, 8]), &payload);
        wire[0] = first;
        // Mostly true lengths, sometimes one off: the next frame then begins in the wrong place.
        if payload.len() > 100 {
            wire[1] = (i32::from(wire[1]) + off) as u8;
        }
        wire
    });
    prop_oneof![5 => frame, 1 => proptest::collection::vec(any::<u8>(), 0..30)]
}
