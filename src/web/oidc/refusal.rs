//! Why somebody who comes from an identity provider is not let in: a word for the page, a sentence for the diary. Neither
//! holds anything of a code or a token, except the name by which the provider knows the person.

/// Why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Nobody began this sign-in here, or it was finished already.
    Unknown,
    /// It was begun too long ago.
    Late,
    /// It was begun in another browser.
    OtherBrowser,
    /// The answer says that it comes from somebody else, or does not say from whom.
    OtherIssuer,
    /// The answer holds a parameter twice, or neither a code nor an error.
    Malformed,
    /// The person or the provider said no.
    Denied,
    /// The provider refused, with this code.
    Provider(String),
    /// The provider cannot be asked.
    Unreachable(String),
    /// The token does not prove what it should.
    Unproven(&'static str),
    /// The provider does not vouch for the address.
    EmailUnverified(String),
    /// The token says nothing about the person under the claim that counts.
    NoClaim(String),
    /// The token does not say what it has to say besides.
    Requirement {
        /// The person, as the provider says.
        name: String,
        /// The claim that is missing or says something else.
        claim: String,
    },
    /// The file names no such person.
    Stranger(String),
    /// The file, its secret, or the system cannot be used now.
    Broken(String),
    /// There were too many tries.
    TooMany,
}

impl Refusal {
    /// The word by which the page tells it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unknown | Self::Late | Self::OtherBrowser => "again",
            Self::OtherIssuer | Self::Malformed | Self::Unproven(_) => "unproven",
            Self::Denied => "denied",
            Self::Provider(_) => "provider",
            Self::Unreachable(_) => "unreachable",
            Self::EmailUnverified(_) => "email",
            Self::NoClaim(_) | Self::Requirement { .. } | Self::Stranger(_) => "stranger",
            Self::Broken(_) => "broken",
            Self::TooMany => "too_many",
        }
    }

    /// The sentence of the diary.
    pub fn why(&self) -> String {
        match self {
            Self::Unknown => "nobody began this sign-in here, or it was finished already".to_owned(),
            Self::Late => "it was begun too long ago".to_owned(),
            Self::OtherBrowser => "it was begun in another browser".to_owned(),
            Self::OtherIssuer => "the answer does not come from this provider".to_owned(),
            Self::Malformed => "the answer of the provider is malformed".to_owned(),
            Self::Denied => "the person or the provider said no".to_owned(),
            Self::Provider(code) => format!("the provider refused: {code}"),
            Self::Unreachable(why) => format!("the provider cannot be asked: {why}"),
            Self::Unproven(why) => format!("the token proves nothing: {why}"),
            Self::EmailUnverified(_) => "the provider does not say that the address is the person's own".to_owned(),
            Self::NoClaim(claim) => format!("the token has no claim {claim} that is a text"),
            Self::Requirement { claim, .. } => format!("the token does not have the claim {claim} that is required"),
            Self::Stranger(_) => "the file of the provider names no such person".to_owned(),
            Self::Broken(why) => why.clone(),
            Self::TooMany => "too many tries in a minute".to_owned(),
        }
    }

    /// As whom the provider knows the person, where that is proven.
    pub fn name(&self) -> &str {
        match self {
            Self::EmailUnverified(name) | Self::Requirement { name, .. } | Self::Stranger(name) => name,
            Self::Unknown
            | Self::Late
            | Self::OtherBrowser
            | Self::OtherIssuer
            | Self::Malformed
            | Self::Denied
            | Self::Provider(_)
            | Self::Unreachable(_)
            | Self::Unproven(_)
            | Self::NoClaim(_)
            | Self::Broken(_)
            | Self::TooMany => "",
        }
    }
}
