use super::*;
use proptest::prelude::*;
use serde::Deserialize;

fn verify(token: &str, key: &str) -> bool {
    parse(token).is_ok_and(|token| token.is_signed_with(key))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    uri: String,
    key_name: String,
    key: String,
    expiration_seconds: i64,
    token: String,
    appended: String,
}

#[derive(Deserialize)]
struct Vectors {
    now: i64,
    vectors: Vec<Vector>,
}

#[test]
fn signs_as_hyco_ws_does() {
    let Vectors { now, vectors } =
        serde_json::from_str(include_str!("../../__test__/fixtures/sas-vectors.json")).unwrap();
    assert_eq!(vectors.len(), 12);
    for vector in vectors {
        let expires_at = now + vector.expiration_seconds;
        let token = sign(&vector.uri, &vector.key_name, &vector.key, expires_at).unwrap();
        assert_eq!(token, vector.token);
        let appended = sign_and_append(&vector.uri, &vector.key_name, &vector.key, expires_at).unwrap();
        assert_eq!(appended, vector.appended);
        assert!(verify(&token, &vector.key));
        assert_eq!(expiry_of(&token), Some(expires_at));
        assert_eq!(parse(&token).unwrap().resource, resource_of(&vector.uri).unwrap());
    }
}

#[test]
fn checks_what_was_signed_elsewhere() {
    let key = "q7Yl0ZcX0r3mJ8Gk6t9uVw2y5B1dF4hK7nP0sR3uX6c=";
    // Signed by Java's and .NET's libraries.
    let java = "SharedAccessSignature sr=sb%3A%2F%2Fcontoso.servicebus.windows.net%2Fhyco&sig=fKcQilN4uk856qBr73siJf44%2Blm5uzaUw7IG2GHta5E%3D&se=1700003600&skn=RootManageSharedAccessKey";
    let dotnet = "SharedAccessSignature sr=http%3A%2F%2Fcontoso.servicebus.windows.net%2Fhyco%2F&sig=UgF3XqWzz2%2B0L4Xo4DTvPFnATPQvsZMBb%2B7lELTsd0w%3D&se=1700003600&skn=RootManageSharedAccessKey";
    for token in [java, dotnet] {
        assert!(verify(token, key));
        assert!(!verify(token, "another key"));
        assert!(!verify(&token.replace("1700003600", "1700003601"), key));
    }
    assert_eq!(parse(java).unwrap().resource, "sb://contoso.servicebus.windows.net/hyco");
}

#[test]
fn knows_a_rule_by_each_spelling_of_its_name() {
    for (spelled, name) in
        [("a+b", "a+b"), ("a+b", "a b"), ("a%20b", "a b"), ("a%2Bb", "a+b"), ("50%", "50%")]
    {
        let token = parse(&format!("SharedAccessSignature sr=a&sig=c2VjcmV0&se=1&skn={spelled}")).unwrap();
        assert!(token.is_of_rule(name), "{spelled}");
        assert!(!token.is_of_rule("other"));
    }
}

#[test]
fn refuses_malformed_tokens_without_quoting_them() {
    let whole = "SharedAccessSignature sr=a&sig=c2VjcmV0&se=1&skn=k";
    assert!(parse(whole).is_ok());
    let broken = [
        "",
        "Bearer x",
        "SharedAccessSignature",
        "SharedAccessSignature sr=a&sig=c2VjcmV0&se=1",
        "SharedAccessSignature sr=a&sig=c2VjcmV0!&se=1&skn=k",
        "SharedAccessSignature sr=%ff&sig=c2VjcmV0&se=1&skn=k",
        "SharedAccessSignature sr=a&sig=c2VjcmV0&se=1.5&skn=k",
        "SharedAccessSignature sr=a&sig=c2VjcmV0&se=1&skn=k&se=2",
    ];
    for token in broken {
        let error = parse(token).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidFormat);
        assert!(!error.message.contains("c2Vj"), "{}", error.message);
    }
    assert!(!format!("{:?}", parse(whole).unwrap()).contains("115"));
}

#[test]
fn reads_the_expiry_of_web_tokens() {
    let jwt = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
    assert_eq!(expiry_of(&jwt(r#"{"exp":1700000000}"#)), Some(1_700_000_000));
    assert_eq!(expiry_of(&format!("Bearer {}", jwt(r#"{"exp":1700000000.5}"#))), Some(1_700_000_000));
    assert_eq!(expiry_of(&jwt("{}")), None);
    assert_eq!(expiry_of(&jwt("not json")), None);
    assert_eq!(expiry_of("opaque"), None);
    assert_eq!(expiry_of("a.b.c"), None);
    assert_eq!(expiry_of("SharedAccessSignature sr=a"), None);
}

#[test]
fn keeps_the_states_of_a_few_keys_only() {
    for round in 0..3 {
        for number in 0..20 {
            let key = format!("key {number}");
            let token = sign("wss://h/p", "rule", &key, round).unwrap();
            assert!(verify(&token, &key));
            assert!(!verify(&token, &format!("key {}", number + 1)));
        }
    }
    assert!(keyed::kept() <= 8);
    let long = "k".repeat(5000);
    assert!(verify(&sign("wss://h/p", "rule", &long, 1).unwrap(), &long));
}

proptest! {
    #[test]
    fn what_is_signed_verifies(path in "[!-~é€]{0,30}", key in "\\PC{0,80}", expires_at in any::<i64>()) {
        let token = sign(&format!("wss://h.example/{path}"), "rule", &key, expires_at).unwrap();
        prop_assert!(verify(&token, &key));
        prop_assert_eq!(expiry_of(&token), Some(expires_at));
    }

    #[test]
    fn reading_never_panics(token in "(SharedAccessSignature )?\\PC{0,60}") {
        let _ = (parse(&token), expiry_of(&token), verify(&token, "k"));
    }
}
