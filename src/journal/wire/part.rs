//! The forms of what events are made of: people, findings, causes, moments.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{
    Actor, Authentication, Digest, Finding, PersonId, RoleName, RunId, RunOutcome, StepId, Timestamp, Touch, Value,
};
use crate::run::{Resolver, RollbackCause, SkipReason};

/// A type with a form on disk that borrows from it while it is written.
pub(super) trait OnDisk: Sized {
    /// What is serialised.
    type Form<'a>
    where
        Self: 'a;

    /// The form, borrowed.
    fn to_disk(&self) -> Self::Form<'_>;

    /// The value that the form stands for.
    fn from_disk(form: Self::Form<'_>) -> Self;
}

macro_rules! plain {
    ($($type:ty),*) => { $(
        impl OnDisk for $type {
            type Form<'a> = Self;

            fn to_disk(&self) -> Self {
                *self
            }

            fn from_disk(form: Self) -> Self {
                form
            }
        }
    )* };
}

// A digest is written `sha256:<hex>`; that text is a format of its own and will not change.
plain!(u32, u64, i64, Digest);

macro_rules! names {
    ($($type:ty),*) => { $(
        impl OnDisk for $type {
            type Form<'a> = Cow<'a, str>;

            fn to_disk(&self) -> Cow<'_, str> {
                Cow::Borrowed(self.as_str())
            }

            fn from_disk(form: Cow<'_, str>) -> Self {
                Self::new(form)
            }
        }
    )* };
}

names!(RunId, StepId, PersonId, RoleName);

impl OnDisk for String {
    type Form<'a> = Cow<'a, str>;

    fn to_disk(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }

    fn from_disk(form: Cow<'_, str>) -> Self {
        form.into_owned()
    }
}

impl OnDisk for Value {
    type Form<'a> = Cow<'a, Value>;

    fn to_disk(&self) -> Cow<'_, Value> {
        Cow::Borrowed(self)
    }

    fn from_disk(form: Cow<'_, Value>) -> Self {
        form.into_owned()
    }
}

impl<T: OnDisk + 'static> OnDisk for Vec<T> {
    type Form<'a> = Vec<T::Form<'a>>;

    fn to_disk(&self) -> Vec<T::Form<'_>> {
        self.iter().map(T::to_disk).collect()
    }

    fn from_disk(form: Vec<T::Form<'_>>) -> Self {
        form.into_iter().map(T::from_disk).collect()
    }
}

impl<T: OnDisk + 'static> OnDisk for Option<T> {
    type Form<'a> = Option<T::Form<'a>>;

    fn to_disk(&self) -> Option<T::Form<'_>> {
        self.as_ref().map(T::to_disk)
    }

    fn from_disk(form: Option<T::Form<'_>>) -> Self {
        form.map(T::from_disk)
    }
}

/// A moment as text; `<n>ms` where the calendar has no year for it, so that a record is never unreadable.
pub(super) struct Moment(pub Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        let beyond = || text.strip_suffix("ms").and_then(|n| n.parse().ok()).map(Timestamp::from_millis);
        Timestamp::parse(&text)
            .or_else(beyond)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a UTC time")))
    }
}

impl OnDisk for Timestamp {
    type Form<'a> = Moment;

    fn to_disk(&self) -> Moment {
        Moment(*self)
    }

    fn from_disk(form: Moment) -> Self {
        form.0
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActorForm<'a> {
    #[serde(rename = "person")]
    person: Option<Cow<'a, str>>,
    #[serde(rename = "roles", default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<Cow<'a, str>>,
    #[serde(rename = "deputy_for", default, skip_serializing_if = "Option::is_none")]
    deputy_for: Option<Cow<'a, str>>,
    #[serde(rename = "by")]
    by: AuthenticationForm<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "method", deny_unknown_fields)]
pub(super) enum AuthenticationForm<'a> {
    #[serde(rename = "local_user")]
    LocalUser { uid: u32, login: Cow<'a, str> },
    #[serde(rename = "console")]
    Console { uid: u32, login: Cow<'a, str>, user: Cow<'a, str>, how: Cow<'a, str> },
    #[serde(rename = "executor")]
    Executor,
    #[serde(rename = "signature")]
    Signature {
        key: Cow<'a, str>,
        signature: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "str::is_empty")]
        statement: Cow<'a, str>,
    },
}

impl OnDisk for Actor {
    type Form<'a> = ActorForm<'a>;

    fn to_disk(&self) -> ActorForm<'_> {
        let by = match &self.by {
            Authentication::LocalUser { uid, login } => AuthenticationForm::LocalUser { uid: *uid, login: login.to_disk() },
            Authentication::Console { uid, login, user, how } => {
                AuthenticationForm::Console { uid: *uid, login: login.to_disk(), user: user.to_disk(), how: how.to_disk() }
            }
            Authentication::Executor => AuthenticationForm::Executor,
            Authentication::Signature { key, signature, statement } => AuthenticationForm::Signature {
                key: key.to_disk(),
                signature: signature.to_disk(),
                statement: statement.to_disk(),
            },
        };
        ActorForm { person: self.person.to_disk(), roles: self.roles.to_disk(), deputy_for: self.deputy_for.to_disk(), by }
    }

    fn from_disk(form: ActorForm<'_>) -> Self {
        let by = match form.by {
            AuthenticationForm::LocalUser { uid, login } => Authentication::LocalUser { uid, login: login.into_owned() },
            AuthenticationForm::Console { uid, login, user, how } => {
                Authentication::Console { uid, login: login.into_owned(), user: user.into_owned(), how: how.into_owned() }
            }
            AuthenticationForm::Executor => Authentication::Executor,
            AuthenticationForm::Signature { key, signature, statement } => Authentication::Signature {
                key: key.into_owned(),
                signature: signature.into_owned(),
                statement: statement.into_owned(),
            },
        };
        Self {
            person: OnDisk::from_disk(form.person),
            roles: OnDisk::from_disk(form.roles),
            deputy_for: OnDisk::from_disk(form.deputy_for),
            by,
        }
    }
}

/// Writes a mirror of an enum without fields.
macro_rules! words {
    ($type:ident $form:ident { $( $name:literal $variant:ident ),* $(,)? }) => {
        #[derive(Serialize, Deserialize)]
        pub(super) enum $form {
            $( #[serde(rename = $name)] $variant, )*
        }

        impl OnDisk for $type {
            type Form<'a> = $form;

            fn to_disk(&self) -> $form {
                match self { $( Self::$variant => $form::$variant, )* }
            }

            fn from_disk(form: $form) -> Self {
                match form { $( $form::$variant => Self::$variant, )* }
            }
        }
    };
}

words!(RunOutcome OutcomeForm {
    "succeeded" Succeeded, "rolled_back" RolledBack, "needs_attention" NeedsAttention, "aborted" Aborted,
});
words!(Touch TouchForm { "untouched" Untouched, "possible" Possible });

#[derive(Serialize, Deserialize)]
#[serde(tag = "is", deny_unknown_fields)]
pub(super) enum FindingForm<'a> {
    #[serde(rename = "applied")]
    Applied,
    #[serde(rename = "not_applied")]
    NotApplied,
    #[serde(rename = "partial")]
    Partial { what: Cow<'a, str> },
    #[serde(rename = "unknown")]
    Unknown { why: Cow<'a, str> },
}

impl OnDisk for Finding {
    type Form<'a> = FindingForm<'a>;

    fn to_disk(&self) -> FindingForm<'_> {
        match self {
            Self::Applied => FindingForm::Applied,
            Self::NotApplied => FindingForm::NotApplied,
            Self::Partial(what) => FindingForm::Partial { what: what.to_disk() },
            Self::Unknown(why) => FindingForm::Unknown { why: why.to_disk() },
        }
    }

    fn from_disk(form: FindingForm<'_>) -> Self {
        match form {
            FindingForm::Applied => Self::Applied,
            FindingForm::NotApplied => Self::NotApplied,
            FindingForm::Partial { what } => Self::Partial(what.into_owned()),
            FindingForm::Unknown { why } => Self::Unknown(why.into_owned()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "why", deny_unknown_fields)]
pub(super) enum SkipForm<'a> {
    #[serde(rename = "when_false")]
    WhenFalse,
    #[serde(rename = "ordered")]
    Ordered { by: ActorForm<'a>, reason: Cow<'a, str> },
}

impl OnDisk for SkipReason {
    type Form<'a> = SkipForm<'a>;

    fn to_disk(&self) -> SkipForm<'_> {
        match self {
            Self::WhenFalse => SkipForm::WhenFalse,
            Self::Ordered { by, reason } => SkipForm::Ordered { by: by.to_disk(), reason: reason.to_disk() },
        }
    }

    fn from_disk(form: SkipForm<'_>) -> Self {
        match form {
            SkipForm::WhenFalse => Self::WhenFalse,
            SkipForm::Ordered { by, reason } => Self::Ordered { by: Actor::from_disk(by), reason: reason.into_owned() },
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "why", deny_unknown_fields)]
pub(super) enum CauseForm<'a> {
    #[serde(rename = "step_failed")]
    StepFailed { step: Cow<'a, str> },
    #[serde(rename = "rejected")]
    Rejected { step: Cow<'a, str> },
    #[serde(rename = "deadline_passed")]
    DeadlinePassed { step: Cow<'a, str> },
    #[serde(rename = "ordered")]
    Ordered { by: ActorForm<'a>, reason: Cow<'a, str> },
}

impl OnDisk for RollbackCause {
    type Form<'a> = CauseForm<'a>;

    fn to_disk(&self) -> CauseForm<'_> {
        match self {
            Self::StepFailed(step) => CauseForm::StepFailed { step: step.to_disk() },
            Self::Rejected(step) => CauseForm::Rejected { step: step.to_disk() },
            Self::DeadlinePassed(step) => CauseForm::DeadlinePassed { step: step.to_disk() },
            Self::Ordered { by, reason } => CauseForm::Ordered { by: by.to_disk(), reason: reason.to_disk() },
        }
    }

    fn from_disk(form: CauseForm<'_>) -> Self {
        match form {
            CauseForm::StepFailed { step } => Self::StepFailed(StepId::from_disk(step)),
            CauseForm::Rejected { step } => Self::Rejected(StepId::from_disk(step)),
            CauseForm::DeadlinePassed { step } => Self::DeadlinePassed(StepId::from_disk(step)),
            CauseForm::Ordered { by, reason } => Self::Ordered { by: Actor::from_disk(by), reason: reason.into_owned() },
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "who", deny_unknown_fields)]
pub(super) enum ResolverForm<'a> {
    #[serde(rename = "probe")]
    Probe,
    #[serde(rename = "policy")]
    Policy,
    #[serde(rename = "person")]
    Person { actor: ActorForm<'a> },
}

impl OnDisk for Resolver {
    type Form<'a> = ResolverForm<'a>;

    fn to_disk(&self) -> ResolverForm<'_> {
        match self {
            Self::Probe => ResolverForm::Probe,
            Self::Policy => ResolverForm::Policy,
            Self::Person(actor) => ResolverForm::Person { actor: actor.to_disk() },
        }
    }

    fn from_disk(form: ResolverForm<'_>) -> Self {
        match form {
            ResolverForm::Probe => Self::Probe,
            ResolverForm::Policy => Self::Policy,
            ResolverForm::Person { actor } => Self::Person(Actor::from_disk(actor)),
        }
    }
}
