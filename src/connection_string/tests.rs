use super::*;
use proptest::prelude::*;

const BASE: &str = "Endpoint=sb://contoso.servicebus.windows.net/";

fn fault(text: &str) -> String {
    match parse(text) {
        Ok(parsed) => panic!("{parsed:?}"),
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::InvalidFormat);
            error.message.trim_start_matches("the connection string is malformed: ").to_owned()
        }
    }
}

#[test]
fn reads_what_the_portal_hands_out() {
    let parsed =
        parse(&format!("{BASE};SharedAccessKeyName=rule;SharedAccessKey=ab=c==;EntityPath=hyco")).unwrap();
    assert_eq!(parsed.endpoint, "sb://contoso.servicebus.windows.net/");
    assert_eq!(parsed.fully_qualified_namespace, "contoso.servicebus.windows.net");
    assert_eq!(parsed.entity_path.as_deref(), Some("hyco"));
    assert_eq!(parsed.shared_access_key_name.as_deref(), Some("rule"));
    assert_eq!(parsed.shared_access_key.as_deref().map(String::as_str), Some("ab=c=="));
    assert!(!parsed.use_development_emulator);
    let shown = format!("{parsed:?}");
    assert!(!shown.contains("ab=c") && shown.contains("***"), "{shown}");
}

#[test]
fn names_are_case_insensitive_and_spaces_do_not_matter() {
    let parsed = parse(" ENDPOINT = sb://h ; entitypath=p;;").unwrap();
    assert_eq!(parsed.fully_qualified_namespace, "h");
    assert_eq!(parsed.entity_path.as_deref(), Some("p"));
}

#[test]
fn reads_signatures_identities_and_time_spans() {
    let text = format!("{BASE};SharedAccessSignature=SharedAccessSignature sr=a&sig=b%3D&se=1&skn=k");
    let parsed = parse(&text).unwrap();
    assert_eq!(
        parsed.shared_access_signature.as_deref().map(String::as_str),
        Some("SharedAccessSignature sr=a&sig=b%3D&se=1&skn=k")
    );
    let parsed =
        parse(&format!("{BASE};Authentication=Managed Identity;OperationTimeout=00:01:30.5")).unwrap();
    assert_eq!(parsed.authentication.as_deref(), Some("Managed Identity"));
    assert_eq!(parsed.operation_timeout, Some(Duration::from_millis(90_500)));
    for (text, seconds) in [("1.02:03:04", 93_784), ("00:05", 300), ("23:59:59", 86_399)] {
        let parsed = parse(&format!("{BASE};OperationTimeout={text}")).unwrap();
        assert_eq!(parsed.operation_timeout, Some(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["60", "24:00:00", "00:60:00", "1:2:3:4", "-00:01:00", "00:00:00", "00:00:01.12345678", "x"] {
        assert!(fault(&format!("{BASE};OperationTimeout={text}")).starts_with("OperationTimeout"), "{text}");
    }
}

#[test]
fn the_emulator_is_on_this_machine() {
    for host in ["localhost", "LOCALHOST:5671", "127.0.0.1:80", "127.1.2.3", "[::1]:443", "[::1]"] {
        let parsed = parse(&format!("Endpoint=sb://{host};UseDevelopmentEmulator=True")).unwrap();
        assert!(parsed.use_development_emulator);
        assert_eq!(parsed.fully_qualified_namespace, host);
    }
    for host in ["contoso.servicebus.windows.net", "localhost.example", "10.0.0.1", "[::2]"] {
        let message = fault(&format!("Endpoint=sb://{host};UseDevelopmentEmulator=true"));
        assert!(message.starts_with("UseDevelopmentEmulator"), "{message}");
        assert!(parse(&format!("Endpoint=sb://{host};UseDevelopmentEmulator=false")).is_ok());
    }
    assert!(fault("Endpoint=sb://localhost;UseDevelopmentEmulator=1").contains("neither"));
}

#[test]
fn refuses_contradictions() {
    assert_eq!(fault(""), "Endpoint is missing");
    assert_eq!(fault("EntityPath=a"), "Endpoint is missing");
    assert_eq!(fault(&format!("{BASE};{BASE}")), "Endpoint is given twice");
    assert_eq!(fault(&format!("{BASE};EntityPath=")), "EntityPath has no value");
    assert_eq!(fault(&format!("{BASE};Secret7=a")), "part 2 begins with an unknown name");
    assert_eq!(fault(&format!("{BASE};secret7")), "part 2 has no equals sign");
    for half in ["SharedAccessKey=secret7", "SharedAccessKeyName=a"] {
        assert_eq!(fault(&format!("{BASE};{half}")), "SharedAccessKeyName and SharedAccessKey go together");
    }
    let pair = "SharedAccessKey=secret7;SharedAccessKeyName=a";
    assert!(fault(&format!("{BASE};{pair};SharedAccessSignature=b")).contains("excludes"));
    assert!(fault(&format!("{BASE};{pair};Authentication=b")).contains("excludes"));
    assert!(fault(&format!("{BASE};SharedAccessSignature=a;Authentication=b")).contains("excludes"));
}

#[test]
fn refuses_endpoints_that_are_none() {
    let wrong = [
        "h",
        "h/",
        "sb://",
        "sb:///",
        "sb://h/p",
        "sb://u@h/",
        "sb://h?x",
        "ftp://h",
        "sb://h:99999",
        "sb://a b/",
    ];
    for endpoint in wrong {
        assert_eq!(
            fault(&format!("Endpoint={endpoint}")),
            "Endpoint is not of the form sb://host/",
            "{endpoint}"
        );
    }
}

#[test]
fn a_hybrid_connection_has_its_uri() {
    let uri = |text: &str, path| parse(text).unwrap().relay_uri(RelayAction::Connect, path).unwrap();
    let plain = "Endpoint=sb://ns.test/;EntityPath=hyco";
    assert_eq!(uri(plain, None), "wss://ns.test:443/$hc/hyco?sb-hc-action=connect");
    assert_eq!(uri(plain, Some("hyco/a?b")), "wss://ns.test:443/$hc/hyco/a?b&sb-hc-action=connect");
    assert_eq!(uri("Endpoint=sb://ns.test:5671", Some("a")), "wss://ns.test:5671/$hc/a?sb-hc-action=connect");
    assert_eq!(uri("Endpoint=sb://[::1]", Some("a")), "wss://[::1]:443/$hc/a?sb-hc-action=connect");
    let local = "Endpoint=sb://[::1]:80/;UseDevelopmentEmulator=true;EntityPath=a";
    let listen = parse(local).unwrap().relay_uri(RelayAction::Listen, None);
    assert_eq!(listen.unwrap(), "ws://[::1]:80/$hc/a?sb-hc-action=listen");
}

#[test]
fn a_path_that_leads_away_is_refused() {
    let own = parse("Endpoint=sb://ns.test/;EntityPath=hyco").unwrap();
    for path in
        ["", "hyc", "hyco2", "/hyco", "hyco/..", "hyco/%252e%252E%255cx", "hyco/.\t./x", "hyco#", "other"]
    {
        let error = own.relay_uri(RelayAction::Listen, Some(path)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{path}");
    }
    let bare = parse("Endpoint=sb://ns.test/").unwrap();
    assert!(bare.relay_uri(RelayAction::Listen, Some("../x")).is_err());
    assert_eq!(bare.relay_uri(RelayAction::Listen, None).unwrap_err().kind, ErrorKind::InvalidArgument);
    let lost = parse("Endpoint=sb://ns.test/;EntityPath=a/../..").unwrap();
    assert_eq!(lost.relay_uri(RelayAction::Listen, None).unwrap_err().kind, ErrorKind::InvalidFormat);
}

proptest! {
    #[test]
    fn what_is_let_through_is_below(pieces in "(hyco|a|\\.|\\.\\.|%2e|%252E|/|\\\\|%2f|%5C|\\?|\t){0,6}") {
        let own = parse("Endpoint=sb://ns.test/;EntityPath=hyco").unwrap();
        if let Ok(uri) = own.relay_uri(RelayAction::Listen, Some(&format!("hyco{pieces}"))) {
            let path = url::Url::parse(&uri).unwrap().path().to_owned();
            prop_assert!(path == "/$hc/hyco" || path.starts_with("/$hc/hyco/"), "{}", path);
        }
    }

    #[test]
    fn never_panics_and_never_quotes(text in "(Endpoint=sb://h/;)?(SharedAccessKey=)?\\PC{0,40}") {
        if let Err(error) = parse(&format!("{text};hunter2")) {
            prop_assert!(!error.message.contains("hunter2"));
        }
    }

    #[test]
    fn every_order_of_the_parts_reads_the_same(
        parts in Just(vec![BASE, "SharedAccessKeyName=r", "SharedAccessKey=k=", "EntityPath=p"]).prop_shuffle(),
        key in "[A-Za-z0-9+/]{43}=",
    ) {
        let text = parts.join(";").replace("k=", &key);
        let parsed = parse(&text).unwrap();
        prop_assert_eq!(parsed.shared_access_key.as_deref().map(String::as_str), Some(key.as_str()));
        prop_assert_eq!(parsed.entity_path.as_deref(), Some("p"));
    }
}

#[test]
fn what_copying_adds_is_left_out_or_named() {
    let plain = "Endpoint=sb://ns.test/;SharedAccessKeyName=rule;SharedAccessKey=c2VjcmV0;EntityPath=hyco";
    let expected = parse(plain).unwrap();
    for copied in [
        format!("\u{feff}{plain}"),
        format!("\u{200b}\"{plain}\"\n"),
        format!("'{}'", plain.replace("Key", "K\u{200d}ey")),
        format!("\u{201c}{plain}\u{201d}"),
    ] {
        assert_eq!(parse(&copied).unwrap(), expected);
    }
    for (copied, name) in [
        (format!("{plain}'"), "EntityPath has a quotation mark"),
        (plain.replace("c2VjcmV0", "\"c2VjcmV0\""), "SharedAccessKey has a quotation mark"),
        (plain.replace("c2VjcmV0", "\""), "SharedAccessKey has a quotation mark"),
        ("\"".to_owned(), "part 1 has no equals sign"),
        ("\u{feff}".to_owned(), "Endpoint is missing"),
    ] {
        let error = parse(&copied).unwrap_err();
        assert!(error.message.contains(name), "{}", error.message);
        assert!(!error.message.contains("c2Vj"));
    }
}
