//! `postgres.carry_sequences`: every sequence of the target past its twin at the source.
//!
//! `setval` is not undone by a rollback and needs no transaction; a sequence never goes backwards here except in an undo, and
//! there only when nobody has taken a value since.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::json;

use super::name::{literal, quoted};
use super::place::source_target;
use super::session::{Session, open, text};
use crate::connectors::pattern::Pattern;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct CarrySequences;

/// Sequences read in one statement.
const AT_ONCE: usize = 200;

/// Where a sequence stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    last: i64,
    /// Whether `last` was handed out already.
    called: bool,
}

/// A sequence with its shape.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Sequence {
    schema: String,
    name: String,
    place: Place,
    increment: i64,
    least: i64,
    greatest: i64,
}

impl Place {
    /// The next value that it hands out is at or past the one of `other`, in the direction of `increment`.
    fn is_past(self, other: Self, increment: i64) -> bool {
        let next = |place: Self| i128::from(place.last) + if place.called { i128::from(increment) } else { 0 };
        if increment < 0 { next(self) <= next(other) } else { next(self) >= next(other) }
    }

    fn to_value(self) -> Value {
        json!({ "last_value": self.last.to_string(), "is_called": self.called })
    }

    fn from_value(value: &Value) -> Result<Self, ActionError> {
        let last = value["last_value"].as_str().and_then(|text| text.parse().ok());
        last.zip(value["is_called"].as_bool())
            .map(|(last, called)| Self { last, called })
            .ok_or_else(|| ActionError::untouched("the snapshot does not hold the place of a sequence"))
    }
}

impl Sequence {
    fn key(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    fn set(&self, place: Place) -> String {
        format!("pg_catalog.setval({}::regclass, {}, {})", literal(&self.quoted()), place.last, place.called)
    }
}

/// What a step asks for.
struct Order {
    patterns: Vec<String>,
    except: Vec<String>,
    margin: i64,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let patterns = call.params.texts("sequences")?;
        let margin = call.params.opt_integer("margin")?.unwrap_or(1000);
        if margin < 0 {
            return Err(ActionError::untouched("`margin` is below 0: the target would hand out values that the source has used"));
        }
        let patterns = if patterns.is_empty() { vec!["*".to_owned()] } else { patterns };
        Ok(Self { patterns, except: call.params.texts("except")?, margin })
    }

    fn chosen(&self, all: Vec<Sequence>) -> Result<Vec<Sequence>, ActionError> {
        let except = self.except.iter().map(|pattern| Pattern::new(pattern)).collect::<Result<Vec<_>, _>>()?;
        let mut chosen = vec![false; all.len()];
        for pattern in &self.patterns {
            let (named, mut known) = (Pattern::new(pattern)?, false);
            for (at, sequence) in all.iter().enumerate() {
                let meant = named.means(&sequence.key());
                known |= meant;
                chosen[at] |= meant;
            }
            if !known && pattern != "*" {
                return Err(ActionError::untouched(format!("no sequence of the source is called `{pattern}`")));
            }
        }
        let kept = all
            .into_iter()
            .zip(chosen)
            .filter(|(sequence, chosen)| *chosen && !except.iter().any(|pattern| pattern.means(&sequence.key())));
        Ok(kept.map(|(sequence, _)| sequence).collect())
    }

    /// Where the target has to stand.
    fn wanted(&self, source: &Sequence, target: &Sequence) -> Result<Place, String> {
        let key = source.key();
        if source.increment.signum() != target.increment.signum() {
            return Err(format!("{key} counts up on one side and down on the other"));
        }
        let ahead = i128::from(self.margin) * i128::from(target.increment);
        let last = i128::from(source.place.last) + ahead;
        let called = source.place.called || self.margin > 0;
        let fits = last >= i128::from(target.least) && last <= i128::from(target.greatest);
        match i64::try_from(last) {
            Ok(last) if fits => Ok(Place { last, called }),
            _ => Err(format!("{key} would be set to {last}, beyond its bounds {} to {}", target.least, target.greatest)),
        }
    }
}

/// Every sequence outside the system's schemas, with its exact place.
async fn sequences(session: &Session) -> Result<Vec<Sequence>, ActionError> {
    let rows = session
        .rows(
            "SELECT n.nspname AS schema, c.relname AS name, s.seqincrement AS increment, s.seqmin AS least, s.seqmax AS greatest \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid \
             WHERE c.relkind = 'S' AND c.relpersistence = 'p' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
             ORDER BY 1, 2",
        )
        .await?;
    let mut found = Vec::new();
    for row in &rows {
        let number = |name: &str| text(row, name).and_then(|text| text.parse().ok()).unwrap_or_default();
        found.push(Sequence {
            schema: text(row, "schema").unwrap_or_default(),
            name: text(row, "name").unwrap_or_default(),
            place: Place { last: 0, called: false },
            increment: number("increment"),
            least: number("least"),
            greatest: number("greatest"),
        });
    }
    for part in found.chunks_mut(AT_ONCE) {
        let each = part.iter().enumerate().map(|(at, s)| format!("SELECT {at} AS at, last_value, is_called FROM {}", s.quoted()));
        let sql = each.collect::<Vec<_>>().join(" UNION ALL ");
        let shown = format!("SELECT last_value, is_called FROM each of {} sequences", part.len());
        for row in session.rows_shown(&sql, &shown).await? {
            let number = |name: &str| text(&row, name).and_then(|text| text.parse::<i64>().ok());
            let at = number("at").and_then(|at| usize::try_from(at).ok());
            if let (Some(sequence), Some(last)) = (at.and_then(|at| part.get_mut(at)), number("last_value")) {
                sequence.place = Place { last, called: text(&row, "is_called").as_deref() == Some("t") };
            }
        }
    }
    Ok(found)
}

/// Both sides, and what has to be set.
struct Survey {
    target: Session,
    source: Session,
    /// Source, target, and the place that the target needs.
    pairs: Vec<(Sequence, Sequence, Place)>,
    problems: Vec<String>,
}

impl Survey {
    async fn of(call: &Call, order: &Order) -> Result<Self, ActionError> {
        let (target, source) = (open(call, own_target(call)?).await?, open(call, source_target(call)?).await?);
        let here: BTreeMap<_, _> = sequences(&target).await?.into_iter().map(|s| (s.key(), s)).collect();
        let (mut pairs, mut problems) = (Vec::new(), Vec::new());
        for there in order.chosen(sequences(&source).await?)? {
            let Some(own) = here.get(&there.key()) else {
                problems.push(format!("{} is not at the target", there.key()));
                continue;
            };
            match order.wanted(&there, own) {
                Ok(place) => pairs.push((there, own.clone(), place)),
                Err(why) => problems.push(why),
            }
        }
        Ok(Self { target, source, pairs, problems })
    }

    fn identity(&self) -> Value {
        json!({ "target": self.target.identity(), "source": self.source.identity() })
    }

    /// The sequences that do not stand far enough yet.
    fn behind(&self) -> Vec<(&Sequence, Place)> {
        let behind = self.pairs.iter().filter(|(_, own, wanted)| !own.place.is_past(*wanted, own.increment));
        behind.map(|(_, own, wanted)| (own, *wanted)).collect()
    }

    fn refuse(&self) -> Result<(), ActionError> {
        match self.problems.as_slice() {
            [] => Ok(()),
            some => Err(ActionError::untouched(format!("{} sequences cannot be carried: {}", some.len(), first(some)))),
        }
    }
}

/// The first few of many, for a message.
fn first(texts: &[String]) -> String {
    let shown = texts.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
    if texts.len() > 5 { format!("{shown}; and {} more", texts.len() - 5) } else { shown }
}

async fn set(session: &Session, wanted: &[(&Sequence, Place)]) -> Result<(), ActionError> {
    for part in wanted.chunks(AT_ONCE) {
        let each: Vec<_> = part.iter().map(|(sequence, place)| sequence.set(*place)).collect();
        let sql = format!("SELECT {}", each.join(", "));
        session.execute(&sql).await.map_err(|error| error.of_change("setval"))?;
    }
    Ok(())
}

#[async_trait]
impl Inspect for CarrySequences {
    fn name(&self) -> &'static str {
        "postgres.carry_sequences"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let survey = Survey::of(call, &order).await?;
        let behind = survey.behind();
        Ok(Inspection {
            identity: survey.identity(),
            state: json!({ "sequences": survey.pairs.len(), "behind": behind.len() }),
            statements: behind.iter().map(|(own, place)| format!("SELECT {}", own.set(*place))).collect(),
            undo_statements: behind.iter().map(|(own, _)| format!("SELECT {}", own.set(own.place))).collect(),
            blockers: survey.problems.iter().map(|what| Blocker { what: what.clone(), owner: None }).collect(),
            expected_ms: None,
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let survey = Survey::of(call, &Order::of(call)?).await?;
        survey.refuse()?;
        let behind: Vec<_> = survey
            .behind()
            .iter()
            .map(|(own, place)| json!({ "schema": own.schema, "name": own.name, "before": own.place.to_value(), "set": place.to_value() }))
            .collect();
        Ok(json!({ "target": survey.target.identity(), "behind": behind }))
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let places = Places::of(call, snapshot).await?;
        let (total, moved) = (places.all.len(), places.all.iter().filter(|place| place.now != place.before).count());
        let finding = match moved {
            _ if total == 0 => Finding::NotApplied,
            0 => Finding::NotApplied,
            some if some == total => Finding::Applied,
            some => Finding::Partial(format!("{some} of {total} sequences were set")),
        };
        Ok(Probed { finding, outputs: json!({ "sequences": total, "set": moved }), facts: json!({ "set": moved, "of": total }) })
    }
}

/// The sequences of a snapshot as they are now.
struct Places {
    session: Session,
    all: Vec<Moved>,
}

struct Moved {
    sequence: Sequence,
    before: Place,
    set: Place,
    now: Place,
}

impl Places {
    async fn of(call: &Call, snapshot: &Value) -> Result<Self, ActionError> {
        let session = open(call, own_target(call)?).await?;
        let here: BTreeMap<_, _> = sequences(&session).await?.into_iter().map(|s| (s.key(), s)).collect();
        let mut all = Vec::new();
        for item in snapshot["behind"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let part = |key: &str| item[key].as_str().unwrap_or_default();
            let key = format!("{}.{}", part("schema"), part("name"));
            let sequence = here.get(&key).cloned();
            let sequence =
                sequence.ok_or_else(|| ActionError::untouched(format!("the sequence {key} is gone from the target")))?;
            let (before, set) = (Place::from_value(&item["before"])?, Place::from_value(&item["set"])?);
            all.push(Moved { now: sequence.place, sequence, before, set });
        }
        Ok(Self { session, all })
    }
}

#[async_trait]
impl Act for CarrySequences {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let survey = Survey::of(call, &Order::of(call)?).await?;
        survey.refuse()?;
        let behind = survey.behind();
        set(&survey.target, &behind).await?;
        Ok(Applied { outputs: json!({ "sequences": survey.pairs.len(), "set": behind.len() }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let survey = Survey::of(call, &order).await.map_err(ActionError::after_change)?;
        survey.refuse().map_err(ActionError::after_change)?;
        let short = survey.pairs.iter().filter(|(there, own, _)| !own.place.is_past(there.place, own.increment));
        let short: Vec<_> = short
            .map(|(there, own, _)| format!("{} is at {} and its source at {}", own.key(), own.place.last, there.place.last))
            .collect();
        if !short.is_empty() {
            return Err(ActionError::touched(format!("{} sequences are behind their source: {}", short.len(), first(&short))));
        }
        Ok(Evidence::new(json!({
            "identity": survey.identity(), "sequences": survey.pairs.len(), "behind_their_source": 0, "margin": order.margin,
        })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let places = Places::of(call, snapshot).await?;
        let by_hand: Vec<_> = places.all.iter().map(|moved| format!("SELECT {};", moved.sequence.set(moved.before))).collect();
        let used: Vec<_> = places
            .all
            .iter()
            .filter(|moved| moved.now != moved.before && moved.now != moved.set)
            .map(|moved| format!("{} is at {}", moved.sequence.key(), moved.now.last))
            .collect();
        if !used.is_empty() {
            let text = format!("values were taken from {} sequences since: {}", used.len(), first(&used));
            return Err(ActionError::untouched(text)
                .hint("setting them back would hand out the same values again; decide for each")
                .manual(by_hand));
        }
        let wanted: Vec<_> =
            places.all.iter().filter(|moved| moved.now != moved.before).map(|moved| (&moved.sequence, moved.before)).collect();
        set(&places.session, &wanted).await.map_err(|error| error.manual(by_hand.clone()))?;
        let after = Places::of(call, snapshot).await?;
        let left: Vec<_> = after.all.iter().filter(|moved| moved.now != moved.before).map(|moved| moved.sequence.key()).collect();
        if !left.is_empty() {
            return Err(
                ActionError::touched(format!("{} sequences are not as before: {}", left.len(), first(&left))).manual(by_hand)
            );
        }
        let facts = json!({ "identity": after.session.identity(), "restored": wanted.len(), "differences": left });
        Ok(Evidence::new(facts))
    }
}
