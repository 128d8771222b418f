use proptest::prelude::*;

use super::*;
use crate::uri::push_component;

const KEY: &str = "q7Yl0ZcX0r3mJ8Gk6t9uVw2y5B1dF4hK7nP0sR3uX6c=";
const NOW: i64 = 1_700_000_000;
const HOST: &str = "contoso.servicebus.windows.net";

fn policy(name: &str, rights: &[Right], path: Option<&str>) -> PolicyOptions {
    PolicyOptions {
        key_name: name.to_owned(),
        key: KEY.to_owned(),
        rights: rights.to_vec(),
        path: path.map(str::to_owned),
    }
}

fn check(policies: &[PolicyOptions], token: &str, path: &str, right: Right) -> Result<i64, u16> {
    let demand = Demand { hosts: &[HOST], path, right, now: NOW };
    verify(policies, token, &demand).map_err(|refusal| {
        assert!(!refusal.text.contains("SharedAccessSignature"), "a token leaked into {:?}", refusal.text);
        refusal.status
    })
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    push_component(&mut out, text);
    out
}

fn token(uri: &str) -> String {
    sas::sign_resource(uri, "root", KEY, NOW + 60)
}

fn root() -> Vec<PolicyOptions> {
    vec![policy("root", &[Right::Manage], None)]
}

#[test]
fn tokens_of_the_node_packages_are_known_answers() {
    // PROTOCOL vectors 1, 3, 7, 8 and 10, made by hyco-ws 1.0.5, and the .NET and Java flavours of case 2.
    let policies = [
        policy("RootManageSharedAccessKey", &[Right::Listen, Right::Send], None),
        policy("send", &[Right::Send], None),
    ];
    let cases = [
        (
            "SharedAccessSignature sr=http%3A%2F%2Fcontoso.servicebus.windows.net%3A443%2Fhyco&sig=c1FgBFI6yTQrGTaQxiX6Asizjg8d1JFeWkoUyR1EB6A%3D&se=1700003600&skn=RootManageSharedAccessKey",
            "/hyco",
        ),
        (
            "SharedAccessSignature sr=http%3A%2F%2Fcontoso.servicebus.windows.net%2F&sig=ptQM3vZeIZ6SIyRowJAXYsUrId95JpCbxptzA%2B6cuhY%3D&se=1700003600&skn=RootManageSharedAccessKey",
            "/anything/below",
        ),
        (
            "SharedAccessSignature sr=http%3A%2F%2Fcontoso.servicebus.windows.net%2Fmy%2520hyco&sig=VFfizbt%2F1tzJmPb%2BJre4jwDfT%2FQ2ZK8Jk%2Fje04YL5zI%3D&se=1700003600&skn=send",
            "/my%20hyco",
        ),
        (
            "SharedAccessSignature sr=http%3A%2F%2Fcontoso.servicebus.windows.net%2Fh%C3%BCbrid&sig=SCC9K%2BaJxXBjqd07crw1SiUodCVc3ii%2F5g100pgDCz0%3D&se=1700003600&skn=send",
            "/h%C3%BCbrid",
        ),
        (
            "SharedAccessSignature sr=http%3A%2F%2Fu%3Ap%40contoso.servicebus.windows.net%2Fhyco&sig=wTys4CC%2BR7Ws%2BaGK2K%2Bw%2BKUwTgWmSrqNuWhu8tH2jIQ%3D&se=1700003600&skn=send",
            "/HYCO/sub",
        ),
        (
            "SharedAccessSignature sr=http%3A%2F%2Fcontoso.servicebus.windows.net%2Fhyco%2F&sig=UgF3XqWzz2%2B0L4Xo4DTvPFnATPQvsZMBb%2B7lELTsd0w%3D&se=1700003600&skn=RootManageSharedAccessKey",
            "/hyco",
        ),
        (
            "SharedAccessSignature sr=sb%3A%2F%2Fcontoso.servicebus.windows.net%2Fhyco&sig=fKcQilN4uk856qBr73siJf44%2Blm5uzaUw7IG2GHta5E%3D&se=1700003600&skn=RootManageSharedAccessKey",
            "/hyco",
        ),
    ];
    for (token, path) in cases {
        assert_eq!(check(&policies, token, path, Right::Send), Ok(1_700_003_600), "{token}");
    }
}

#[test]
fn a_changed_token_has_an_invalid_signature() {
    let good = token("http://contoso.servicebus.windows.net/hyco");
    assert_eq!(check(&root(), &good, "/hyco", Right::Listen), Ok(NOW + 60));
    for (from, to) in [("hyco", "hyc0"), ("se=17000", "se=27000"), ("skn=root", "skn=other")] {
        assert_eq!(check(&root(), &good.replace(from, to), "/hyco", Right::Listen), Err(401), "{to}");
    }
    let other =
        sas::sign_resource("http://contoso.servicebus.windows.net/hyco", "root", "other key", NOW + 60);
    assert_eq!(check(&root(), &other, "/hyco", Right::Listen), Err(401));
}

#[test]
fn expiry_audience_and_right() {
    let expired = sas::sign_resource("http://contoso.servicebus.windows.net/hyco", "root", KEY, NOW);
    assert_eq!(check(&root(), &expired, "/hyco", Right::Send), Err(401));
    for elsewhere in ["http://fabrikam/hyco", "http://contoso.servicebus.windows.net/hyc"] {
        assert_eq!(check(&root(), &token(elsewhere), "/hyco", Right::Send), Err(401), "{elsewhere}");
    }
    let below = token("http://contoso.servicebus.windows.net/hyco/sub");
    assert_eq!(check(&root(), &below, "/hyco", Right::Send), Err(401));
    assert_eq!(check(&root(), &below, "/hyco/sub/leaf", Right::Send), Ok(NOW + 60));
    let listen_only = [policy("root", &[Right::Listen], None)];
    let good = token("http://contoso.servicebus.windows.net/hyco");
    assert_eq!(check(&listen_only, &good, "/hyco", Right::Listen), Ok(NOW + 60));
    assert_eq!(check(&listen_only, &good, "/hyco", Right::Send), Err(403));
}

#[test]
fn a_rule_of_one_hybrid_connection_does_not_reach_others() {
    let policies = [policy("root", &[Right::Send], Some("hyco"))];
    let entity = token("http://contoso.servicebus.windows.net/hyco");
    assert_eq!(check(&policies, &entity, "/hyco/x", Right::Send), Ok(NOW + 60));
    for wider in ["http://contoso.servicebus.windows.net/", "http://contoso.servicebus.windows.net/other"] {
        assert_eq!(check(&policies, &token(wider), "/hyco", Right::Send), Err(401));
        assert_eq!(check(&policies, &token(wider), "/other", Right::Send), Err(401));
    }
}

#[test]
fn malformed_tokens_are_refused() {
    let good = token("http://contoso.servicebus.windows.net/hyco");
    let bad = [
        String::new(),
        "[object Promise]".to_owned(),
        "SharedAccessSignature".to_owned(),
        "SharedAccessSignature sr=&sig=&se=&skn=".to_owned(),
        good.replace("se=", "se=x"),
        good.replace("&skn=root", ""),
        format!("{good}&skn=root"),
        good.replace("SharedAccessSignature ", ""),
    ];
    for text in bad {
        assert_eq!(check(&root(), &text, "/hyco", Right::Send), Err(401), "{text}");
    }
}

#[test]
fn tokens_of_entra_id_are_refused_by_name() {
    let demand = Demand { hosts: &[HOST], path: "/hyco", right: Right::Send, now: NOW };
    for (token, name) in [("eyJhbGciOi.eyJhdWQi.c2ln", "Entra ID"), ("eyJhbGciOi.eyJhdWQi", "malformed")] {
        let refusal = verify(&root(), token, &demand).unwrap_err();
        assert_eq!(refusal.status, 401);
        assert!(refusal.text.contains(name), "{}", refusal.text);
    }
}

#[test]
fn hosts_lose_their_ports() {
    assert_eq!(host_name("[::1]:80"), "[::1]");
    assert_eq!(host_name("[::1]"), "[::1]");
    assert_eq!(host_name("localhost:443"), "localhost");
}

proptest! {
    #[test]
    fn any_text_is_refused_without_a_panic(text in "\\PC{0,80}", fields in "[a-z=&%+]{0,60}") {
        prop_assert_eq!(check(&root(), &text, "/hyco", Right::Send), Err(401));
        let text = format!("SharedAccessSignature {fields}");
        prop_assert_eq!(check(&root(), &text, "/hyco", Right::Send), Err(401));
    }

    #[test]
    fn what_is_signed_verifies(name in "[ -~]{1,20}", path in "[a-zA-Z0-9 ü&+-]{1,20}", life in 1i64..1_000_000) {
        let policies = [policy(&name, &[Right::Send], None)];
        let uri = format!("http://{HOST}/{}", encoded(&path));
        let text = sas::sign_resource(&uri, &encoded(&name), KEY, NOW + life);
        let asked = format!("/{}", encoded(&path));
        prop_assert_eq!(check(&policies, &text, &asked, Right::Send), Ok(NOW + life));
    }
}
