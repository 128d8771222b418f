//! What the relay says on a control channel, from its text to the dial that follows from it.
#![no_main]

use core_under_test::error::ErrorKind;
use core_under_test::protocol::accept::{reject_address, rendezvous_head};
use core_under_test::protocol::address::{Address, HostPolicy};
use core_under_test::protocol::answer;
use core_under_test::protocol::control::{self, Accept, ControlMessage};
use core_under_test::protocol::target::RequestTarget;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match control::parse(text) {
    Ok(ControlMessage::Accept(accept)) => follow(&accept),
    Ok(ControlMessage::Request(request)) => {
        assert!(request.head.is_some() || request.address.is_some());
        let answer: serde_json::Value =
            serde_json::from_str(&answer::bare_response(&request.id, 503)).unwrap();
        assert_eq!(answer["response"]["requestId"], request.id.as_str());
    }
    Ok(ControlMessage::Unknown(name)) => assert!(name.chars().count() <= 64),
    Err(error) => assert_eq!(error.kind, ErrorKind::Protocol),
});

fn follow(accept: &Accept) {
    let again = control::parse(&control::accept(accept));
    assert!(again.is_ok_and(|again| again == ControlMessage::Accept(accept.clone())));
    let _ = RequestTarget::of_address(&accept.address).logical();

    let listen = Address::parse("wss://ns.servicebus.windows.net/$hc/hyco").unwrap();
    let Ok(address) = Address::parse(&accept.address) else { return };
    // What would stand in the request line must be one line of it.
    assert!(address.target.bytes().all(|byte| byte > b' ' && byte != 0x7f), "{:?}", address.target);
    let rejection = reject_address(&address.target, 503, &accept.id);
    assert!(rejection.bytes().all(|byte| byte > b' ' && byte != 0x7f), "{rejection:?}");
    if HostPolicy::ParentDomain.check(&address, &listen).is_ok() {
        assert!(address.secure && address.host.ends_with("servicebus.windows.net"), "{address:?}");
    }
    let head = rendezvous_head(&address.host_header(), None, None, &[]);
    for line in head.split_terminator("\r\n") {
        assert!(!line.is_empty() && !line.contains(['\r', '\n', '\0']), "{head:?}");
    }
}
