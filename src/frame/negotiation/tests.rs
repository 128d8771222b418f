use proptest::prelude::*;

use super::*;

const NONE: DeflateOptions = DeflateOptions {
    server_no_context_takeover: None,
    client_no_context_takeover: None,
    server_max_window_bits: WindowBits::Unset,
    client_max_window_bits: WindowBits::Unset,
};

#[test]
fn offers_read_as_those_of_ws() {
    assert_eq!(offer(&NONE), "permessage-deflate; client_max_window_bits");
    let refuse = DeflateOptions { client_max_window_bits: WindowBits::Refuse, ..NONE };
    assert_eq!(offer(&refuse), "permessage-deflate");
    let all = DeflateOptions {
        server_no_context_takeover: Some(true),
        client_no_context_takeover: Some(true),
        server_max_window_bits: WindowBits::Bits(10),
        client_max_window_bits: WindowBits::Bits(11),
    };
    assert_eq!(
        offer(&all),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=10; client_max_window_bits=11"
    );
}

#[test]
fn plain_answers_are_accepted() {
    assert_eq!(accept("permessage-deflate", &NONE), Ok(DeflateParams::default()));
    let expected = DeflateParams {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: Some(9),
        client_max_window_bits: Some(12),
    };
    let header = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                  server_max_window_bits=9; client_max_window_bits=\"12\"";
    assert_eq!(accept(header, &NONE), Ok(expected));
    // Only the first counts, but all are checked.
    assert_eq!(accept("permessage-deflate, permessage-deflate", &NONE), Ok(DeflateParams::default()));
}

#[test]
fn our_own_window_holds_even_if_the_answer_is_silent() {
    let options = DeflateOptions { client_max_window_bits: WindowBits::Bits(10), ..NONE };
    assert_eq!(accept("permessage-deflate", &options).unwrap().client_max_window_bits, Some(10));
    assert_eq!(
        accept("permessage-deflate; client_max_window_bits=9", &options).unwrap().client_max_window_bits,
        Some(9)
    );
    assert_eq!(accept("permessage-deflate; client_max_window_bits=11", &options), Err(INVALID));
}

#[test]
fn other_extensions_were_not_requested() {
    for header in ["foo", "permessage-deflate, foo", "Permessage-Deflate", "foo; bar=1"] {
        assert_eq!(accept(header, &NONE), Err(NOT_REQUESTED), "{header}");
    }
}

#[test]
fn answers_that_break_a_rule_are_invalid() {
    for header in [
        "",
        "permessage-deflate; foo",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=9.5",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate, permessage-deflate; foo",
    ] {
        assert_eq!(accept(header, &NONE), Err(INVALID), "{header}");
    }
    let options = DeflateOptions { client_no_context_takeover: Some(false), ..NONE };
    assert_eq!(accept("permessage-deflate; client_no_context_takeover", &options), Err(INVALID));
    let options = DeflateOptions { client_max_window_bits: WindowBits::Refuse, ..NONE };
    assert_eq!(accept("permessage-deflate; client_max_window_bits=10", &options), Err(INVALID));
}

#[test]
fn numbers_are_read_as_javascript_reads_them() {
    for (value, expected) in [
        ("8", Some(8)),
        ("15", Some(15)),
        ("010", Some(10)),
        ("+9", Some(9)),
        ("9.0", Some(9)),
        ("1e1", Some(10)),
        ("0xf", Some(15)),
        ("0B1111", Some(15)),
        ("0o11", Some(9)),
        ("0x+9", None),
        ("-9", None),
        ("nan", None),
        ("1_0", None),
        ("x", None),
    ] {
        assert_eq!(bits(value), expected, "{value}");
    }
}

#[test]
fn the_grammar_is_that_of_ws() {
    let shape = |header| {
        parse(header).map(|list| {
            list.into_iter().map(|ext| (ext.name.to_owned(), ext.params.len())).collect::<Vec<_>>()
        })
    };
    assert_eq!(shape("a , b\t;c; d = e"), None, "a blank before the equals sign");
    assert_eq!(shape("a , b\t;c; d=e ,f"), Some(vec![("a".into(), 0), ("b".into(), 2), ("f".into(), 0)]));
    let value = |header| parse(header).map(|list| list[0].params[0].1.clone());
    assert_eq!(value("a;b=c"), Some(Some("c".into())));
    assert_eq!(value("a;b"), Some(None));
    assert_eq!(value(r#"a;b="c\d\e""#), Some(Some("cde".into())));
    for broken in [
        " a",
        "a ",
        "a,",
        "a;",
        "a b",
        "a;b=",
        "a;b= c",
        "a;b c",
        "=a",
        "a;=b",
        "a\u{e9}",
        "a;b=\"",
        "a;b=\"\"",
        "a;b=\"c",
        "a;b=\"c\"d",
        "a;b=\"c d\"",
        "a;b=\"c\\\"",
        "a;b=c\"d\"",
        ",a",
        "a,,b",
        "a;;b",
    ] {
        assert!(parse(broken).is_none(), "{broken}");
    }
}

#[test]
fn a_server_takes_the_first_offer_that_suits() {
    let header = "permessage-deflate; server_max_window_bits=9, permessage-deflate; client_max_window_bits";
    let options = DeflateOptions { server_max_window_bits: WindowBits::Bits(10), ..NONE };
    let params = answer(header, &options).unwrap().unwrap();
    assert_eq!(params.server_max_window_bits, Some(10));
    assert_eq!(params.to_header(), "permessage-deflate; server_max_window_bits=10");

    assert_eq!(answer("foo; bar", &NONE), Ok(None));
    assert_eq!(
        answer("permessage-deflate; client_max_window_bits", &NONE),
        Ok(Some(DeflateParams::default()))
    );
    let refused = "Invalid or unacceptable Sec-WebSocket-Extensions header";
    assert_eq!(answer("permessage-deflate; foo", &NONE), Err(refused));
    assert_eq!(answer("permessage-deflate; server_max_window_bits=9", &options), Err(refused));
    let options = DeflateOptions { client_max_window_bits: WindowBits::Bits(10), ..NONE };
    assert_eq!(answer("permessage-deflate", &options), Err(refused));
    assert_eq!(answer("permessage-deflate; client_max_window_bits=9", &options), Err(refused));
    let params = answer("permessage-deflate; client_max_window_bits", &options).unwrap().unwrap();
    assert_eq!(params.client_max_window_bits, Some(10));
    let options = DeflateOptions { server_no_context_takeover: Some(false), ..NONE };
    assert_eq!(answer("permessage-deflate; server_no_context_takeover", &options), Err(refused));
}

fn window() -> impl Strategy<Value = WindowBits> {
    prop_oneof![
        Just(WindowBits::Unset),
        Just(WindowBits::Refuse),
        Just(WindowBits::Any),
        (8u8..=15).prop_map(WindowBits::Bits)
    ]
}

proptest! {
    #[test]
    fn parsing_survives_anything(header in "[ \t,;=\"\\\\a-c0-9é]{0,24}") {
        let _ = parse(&header);
        let _ = accept(&header, &NONE);
        let _ = answer(&header, &NONE);
    }

    #[test]
    fn a_client_accepts_what_a_server_answers_to_its_offer(
        takeover: (Option<bool>, Option<bool>), server_takeover: (Option<bool>, Option<bool>),
        windows in (window(), window()), server_windows in (window(), window())
    ) {
        let client = DeflateOptions {
            // `true` makes no sense in an offer, and both sides say so.
            server_max_window_bits: if windows.0 == WindowBits::Any { WindowBits::Unset } else { windows.0 },
            server_no_context_takeover: takeover.0,
            client_no_context_takeover: takeover.1.filter(|takeover| *takeover),
            client_max_window_bits: windows.1,
        };
        let server = DeflateOptions {
            server_no_context_takeover: server_takeover.0,
            client_no_context_takeover: server_takeover.1,
            server_max_window_bits: server_windows.0,
            client_max_window_bits: server_windows.1,
        };
        if let Ok(agreed) = answer(&offer(&client), &server) {
            let agreed = agreed.unwrap();
            let accepted = accept(&agreed.to_header(), &client).unwrap();
            prop_assert_eq!(accepted.server_max_window_bits, agreed.server_max_window_bits);
            if agreed.client_max_window_bits.is_some() {
                prop_assert_eq!(accepted, agreed);
            }
        }
    }
}
