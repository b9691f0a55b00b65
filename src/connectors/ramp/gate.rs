//! The question that is asked while a share of the traffic is on the new side.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

#[cfg(feature = "http")]
use crate::connectors::dotted::look;
#[cfg(feature = "http")]
use crate::connectors::http;
use crate::connectors::patience::Patience;
use crate::connectors::{ActionError, Call};
use crate::model::{Arguments, Condition, Span, Value};

/// What is asked, how often, and how many answers decide.
pub(super) struct Gate {
    question: Question,
    pub(super) every: Duration,
    pub(super) consecutive: u64,
    pub(super) fail_limit: u64,
    pub(super) undecided_for: Option<Duration>,
    /// How many requests of the new side a good sample rests on.
    requests: u64,
    /// How many requests a second the whole backend gets, where the author says so.
    rate: Option<u64>,
}

enum Question {
    /// A request whose answer is a number or a value.
    #[cfg(feature = "http")]
    Value { order: Box<http::Order>, path: Option<String>, condition: Condition },
    /// A request whose answer is as expected or not.
    #[cfg(feature = "http")]
    Look(Box<http::Order>),
    /// The share of one kind of failure among the requests of the new side.
    Counters { word: String, condition: Condition },
}

/// One answer.
pub(super) enum Sample {
    Good(Value),
    Bad(String),
    /// No answer, or none that rests on enough requests.
    Missing(String),
}

/// What the proxy itself counted of the new side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::connectors) struct Counted {
    pub(in crate::connectors) requests: u64,
    pub(in crate::connectors) failures: u64,
}

/// Where the proxy's own counters come from.
#[async_trait]
pub(in crate::connectors) trait Counters: Send {
    /// Requests and failures of the new side since the process began.
    async fn count(&mut self) -> Result<Counted, String>;
}

/// A proxy that counts nothing by side.
pub(in crate::connectors) struct NoCounters;

#[async_trait]
impl Counters for NoCounters {
    async fn count(&mut self) -> Result<Counted, String> {
        Err("it keeps no counters".to_owned())
    }
}

const BOUNDS: [&str; 5] = ["below", "at_most", "above", "at_least", "equals"];

impl Gate {
    pub(super) fn of(params: &Arguments) -> Result<Option<Self>, ActionError> {
        if params.get("gate").is_none() {
            return Ok(None);
        }
        let inner = Arguments::new(params.map("gate")?);
        let wrong = |why: &str| ActionError::untouched(format!("`gate`: {why}"));
        let number = |name: &str, default: Option<i64>| -> Result<Option<u64>, ActionError> {
            let found = inner.opt_integer(name)?.or(default);
            found
                .map(|n| u64::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| wrong(&format!("`{name}` must be above 0"))))
                .transpose()
        };
        let question = Question::of(&inner)?;
        let requests = match (number("requests", None)?, &question) {
            (Some(requests), _) => requests,
            (None, Question::Counters { condition, .. }) => decisive(condition),
            #[cfg(feature = "http")]
            (None, Question::Value { .. } | Question::Look(_)) => 0,
        };
        let every = inner.opt_span("every")?.unwrap_or(Span::from_secs(1)).as_duration();
        if every.is_zero() {
            return Err(wrong("`every` must be above 0"));
        }
        Ok(Some(Self {
            question,
            every,
            consecutive: number("consecutive", Some(3))?.unwrap_or(3),
            fail_limit: number("fail_limit", Some(1))?.unwrap_or(1),
            undecided_for: inner.opt_span("undecided_for")?.map(Span::as_duration),
            requests,
            rate: number("requests_per_second", None)?,
        }))
    }

    /// The dwell that gives enough samples at a share; none where the traffic is not known and one sample is enough.
    pub(super) fn needs(&self, share: f64) -> Option<Duration> {
        let samples = u32::try_from(self.consecutive.max(self.fail_limit)).unwrap_or(u32::MAX);
        let asked = self.every.saturating_mul(samples);
        let counted = self.rate.filter(|_| self.requests > 0).map(|rate| {
            let seconds = (self.requests as f64 / (rate as f64 * share)).ceil();
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        });
        Some(counted.map_or(asked, |counted| counted.max(asked)))
    }

    pub(super) fn needs_words(&self) -> String {
        let mut text = format!("it decides by {} samples in a row", self.consecutive.max(self.fail_limit));
        if self.requests > 0 && self.rate.is_some() {
            text.push_str(&format!(" that rest on {} requests of the new side", self.requests));
        }
        text
    }

    pub(super) fn shown(&self, call: &Call) -> Value {
        let asked = call.recorder.redact(&match &self.question {
            #[cfg(feature = "http")]
            Question::Value { order, condition, .. } => format!("{}, expected {condition}", order.shown()),
            #[cfg(feature = "http")]
            Question::Look(order) => order.shown(),
            Question::Counters { word, condition } => format!("the share of `{word}`, expected {condition}"),
        });
        json!({ "asks": asked, "consecutive": self.consecutive, "fail_limit": self.fail_limit, "requests": self.requests })
    }

    #[cfg_attr(not(feature = "http"), expect(unused_variables, reason = "only HTTP gates ask anybody"))]
    pub(super) async fn sample(
        &self,
        call: &Call,
        patience: &Patience,
        first: Option<Counted>,
        counters: &mut dyn Counters,
    ) -> Sample {
        match &self.question {
            #[cfg(feature = "http")]
            Question::Value { order, path, condition } => {
                let shown = call.recorder.redact(&order.shown());
                let answer = match order.send(call, patience, &shown).await {
                    Ok(answer) => answer.outputs(&call.recorder),
                    Err(trouble) => return Sample::Missing(format!("{shown}: {trouble}")),
                };
                if !answer["status"].as_u64().is_some_and(|status| (200..300).contains(&status)) {
                    return Sample::Missing(format!("{shown}: the status is {}", answer["status"]));
                }
                let value = match path {
                    Some(path) => look(&answer["json"], path).cloned(),
                    None => serde_json::from_str(answer["body"].as_str().unwrap_or_default().trim()).ok(),
                };
                let Some(value) = value.filter(|value| !value.is_null()) else {
                    return Sample::Missing(format!("{shown}: the answer has no such value"));
                };
                match condition.check(Some(&value)) {
                    Ok(()) => Sample::Good(value),
                    Err(why) => Sample::Bad(format!("{shown}: {why}")),
                }
            }
            #[cfg(feature = "http")]
            Question::Look(order) => {
                let shown = call.recorder.redact(&order.shown());
                match order.send(call, patience, &shown).await {
                    Ok(answer) => match order.expect.check(&answer) {
                        Ok(()) => Sample::Good(json!("as expected")),
                        Err(why) => Sample::Bad(format!("{shown}: {}", call.recorder.redact(&why))),
                    },
                    Err(trouble) => Sample::Missing(format!("{shown}: {trouble}")),
                }
            }
            Question::Counters { word, condition } => self.counted(word, condition, first, counters.count().await),
        }
    }

    fn counted(&self, word: &str, condition: &Condition, first: Option<Counted>, now: Result<Counted, String>) -> Sample {
        let (first, now) = match (first, now) {
            (Some(first), Ok(now)) => (first, now),
            (None, _) => return Sample::Missing("the counters could not be read at the beginning".to_owned()),
            (_, Err(why)) => return Sample::Missing(why),
        };
        let (Some(requests), Some(failures)) =
            (now.requests.checked_sub(first.requests), now.failures.checked_sub(first.failures))
        else {
            return Sample::Missing("the counters went back: the process is another one".to_owned());
        };
        let share = |of: u64| json!(failures as f64 / of.max(1) as f64);
        // Even if all that is still missing were good, this would be too much: no need to wait for it.
        if failures > 0 && condition.check(Some(&share(requests.max(self.requests)))).is_err() {
            return Sample::Bad(format!("{failures} of {requests} requests are `{word}`, expected {condition}"));
        }
        if requests < self.requests.max(1) {
            return Sample::Missing(format!("{requests} requests reached the new side, {} decide", self.requests.max(1)));
        }
        match condition.check(Some(&share(requests))) {
            Ok(()) => Sample::Good(json!({ "requests": requests, "failures": failures })),
            Err(why) => Sample::Bad(format!("{failures} of {requests} requests are `{word}`: {why}")),
        }
    }
}

/// How many requests it takes to see that a rate is below a bound, nineteen times of twenty: three failures' worth.
fn decisive(condition: &Condition) -> u64 {
    match condition {
        Condition::Below(bound) | Condition::AtMost(bound) if *bound > 0.0 => (3.0 / bound).ceil() as u64,
        Condition::Below(_)
        | Condition::AtMost(_)
        | Condition::Equals(_)
        | Condition::Not(_)
        | Condition::Above(_)
        | Condition::AtLeast(_)
        | Condition::Contains(_)
        | Condition::AnyOf(_) => 100,
    }
}

impl Question {
    fn of(inner: &Arguments) -> Result<Self, ActionError> {
        let wrong = |why: &str| ActionError::untouched(format!("`gate`: {why}"));
        let given: Vec<_> = ["http", "look", "stat"].into_iter().filter(|key| inner.get(key).is_some()).collect();
        let bounds: Vec<_> = BOUNDS.into_iter().filter(|word| inner.get(word).is_some()).collect();
        let condition = || -> Result<Condition, ActionError> {
            let [word] = bounds[..] else { return Err(wrong("give exactly one of below, at_most, above, at_least, equals")) };
            Condition::parse(&json!({ word: inner.get(word) })).map_err(|why| wrong(&why))
        };
        match given[..] {
            ["stat"] => Ok(Self::Counters { word: inner.text("stat")?.to_owned(), condition: condition()? }),
            #[cfg(feature = "http")]
            ["http"] => {
                let mut request = crate::model::Object::new();
                request.insert("url".to_owned(), json!(inner.text("http")?));
                request.insert("headers".to_owned(), Value::Object(inner.map("headers")?));
                let order = Box::new(http::Order::of(&Arguments::new(request))?);
                Ok(Self::Value { order, path: inner.opt_text("json")?.map(str::to_owned), condition: condition()? })
            }
            #[cfg(feature = "http")]
            ["look"] if bounds.is_empty() => {
                let order = http::Order::nested(inner, "look")?.ok_or_else(|| wrong("`look` names no request"))?;
                Ok(Self::Look(Box::new(order)))
            }
            #[cfg(feature = "http")]
            ["look"] => Err(wrong("`look` has its conditions in `expect`")),
            #[cfg(not(feature = "http"))]
            ["http" | "look"] => Err(wrong("this build of Pointsman speaks no HTTP")),
            _ => Err(wrong("give exactly one of http, look, stat")),
        }
    }

    /// The counter that is asked for, if it is one.
    pub(super) fn counter(&self) -> Option<&str> {
        match self {
            Self::Counters { word, .. } => Some(word),
            #[cfg(feature = "http")]
            Self::Value { .. } | Self::Look(_) => None,
        }
    }
}

impl Gate {
    /// The counter that is asked for, if it is one.
    pub(super) fn counter(&self) -> Option<&str> {
        self.question.counter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(value: Value) -> Gate {
        let params = json!({ "gate": value });
        let params = Arguments::new(params.as_object().cloned().unwrap_or_default());
        Gate::of(&params).expect("a gate").expect("one")
    }

    #[test]
    fn one_in_ten_thousand_of_two_thousand_a_second_needs_its_time() {
        let gate = gate(json!({ "stat": "5xx", "below": 0.01, "requests_per_second": 2000 }));
        assert_eq!(gate.requests, 300);
        // 0.2 requests a second on the new side: 300 take 25 minutes.
        assert_eq!(gate.needs(0.0001), Some(Duration::from_secs(1500)));
        assert_eq!(gate.needs(1.0), Some(Duration::from_secs(3)));
    }

    #[test]
    fn nothing_counted_is_never_good_and_too_many_failures_are_bad_at_once() {
        let gate = gate(json!({ "stat": "5xx", "below": 0.01 }));
        let condition = Condition::Below(0.01);
        let sample =
            |requests, failures| gate.counted("5xx", &condition, Some(Counted::default()), Ok(Counted { requests, failures }));
        assert!(matches!(sample(0, 0), Sample::Missing(_)));
        assert!(matches!(sample(299, 0), Sample::Missing(_)));
        assert!(matches!(sample(300, 0), Sample::Good(_)));
        assert!(matches!(sample(20, 3), Sample::Bad(_)), "3 of 300 are already 1 %");
        assert!(matches!(sample(20, 2), Sample::Missing(_)));
        let back = gate.counted("5xx", &condition, Some(Counted { requests: 5, failures: 0 }), Ok(Counted::default()));
        assert!(matches!(back, Sample::Missing(_)));
    }
}
