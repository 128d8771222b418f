//! What became of a token, in words for whoever reads a record: which part was wrong, what was expected in its place and
//! how to mend it. Neither the signature nor a key is in it.

use serde::{Serialize, Serializer};

/// How the check of a token ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenResult {
    /// It admits.
    Ok,
    /// There is none, and there should be.
    None,
    /// Nobody asks for one here.
    NotNeeded,
    /// It cannot be read.
    Malformed,
    /// Its time is over.
    Expired,
    /// It was signed with another key.
    WrongKey,
    /// There is no rule of its name.
    UnknownRule,
    /// It is for another resource.
    WrongAudience,
    /// Its rule lacks the right.
    NoRight,
}

/// What became of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenFate {
    /// How its check ended.
    pub result: TokenResult,
    /// The parameter, header or message that it came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried_by: Option<&'static str>,
    /// The name of its SAS rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// When it expires, in Unix seconds; milliseconds in JSON, as JavaScript counts.
    #[serde(rename = "expires", skip_serializing_if = "Option::is_none", serialize_with = "milliseconds")]
    pub expires_at: Option<i64>,
    /// What was wrong.
    #[serde(flatten)]
    pub flaw: Option<Box<TokenFlaw>>,
}

/// What was wrong with a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenFlaw {
    /// The part of it.
    pub part: &'static str,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// How to mend it.
    pub remedy: &'static str,
}

impl TokenFate {
    /// Nothing more than that.
    pub fn of(result: TokenResult) -> Self {
        Self { result, carried_by: None, rule: None, expires_at: None, flaw: None }
    }

    /// A token that admits.
    pub fn admitted(rule: &str, expires_at: i64) -> Self {
        Self { rule: Some(rule.to_owned()), expires_at: Some(expires_at), ..Self::of(TokenResult::Ok) }
    }

    /// There is no token where one is needed.
    pub fn missing() -> Self {
        let flaw = TokenFlaw {
            part: "token",
            expected: "a token as sb-hc-token in the query, or in the header ServiceBusAuthorization"
                .to_owned(),
            found: "none".to_owned(),
            remedy: "Give listener or sender the name and the key of a SAS rule (keyName, key), or a token; or let senders \
                     come without one (the option requiresClientAuthorization set to false, --anonymous).",
        };
        Self { flaw: Some(Box::new(flaw)), ..Self::of(TokenResult::None) }
    }

    /// A token that does not admit.
    pub fn flawed(result: TokenResult, flaw: TokenFlaw) -> Self {
        Self { flaw: Some(Box::new(flaw)), ..Self::of(result) }
    }

    /// What its texts take of the memory.
    pub fn size(&self) -> usize {
        let flaw = self.flaw.as_ref().map_or(0, |flaw| flaw.expected.len() + flaw.found.len());
        self.rule.as_ref().map_or(0, String::len) + flaw
    }

    /// Where it was.
    pub fn in_place(mut self, place: Option<&'static str>) -> Self {
        self.carried_by = place;
        self
    }
}

fn milliseconds<S: Serializer>(seconds: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(seconds.unwrap_or_default().saturating_mul(1000))
}
