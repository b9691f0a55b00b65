//! What stands between `{{` and `}}`: names, literals and a few comparisons, with their places in the text.
//!
//! This small grammar is a strict part of Handlebars. It is read here, before Handlebars sees anything, because the places
//! are needed for diagnostics and because deep nesting aborts the process inside Handlebars.

use super::scanner::Cursor;
use crate::model::{StepId, Value};

/// A value that a template asks for.
#[derive(Clone, PartialEq, Debug)]
pub enum Expression {
    /// A name such as `steps.counts.outputs.rows`.
    Name(Name),
    /// A text in quotes, a number, `true` or `false`.
    Literal(Value),
    /// A comparison such as `eq params.batch "full"`.
    Call(Operator, Vec<Expression>),
}

/// A dotted name and its place in the template's text, in bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// The parts; `steps.copy[orders].outputs` has the three parts `steps`, `copy[orders]` and `outputs`.
    pub parts: Vec<String>,
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Name {
    /// The step whose outputs the name reads.
    pub fn step(&self) -> Option<StepId> {
        match self.parts.as_slice() {
            [root, step, ..] if root == "steps" => Some(StepId::new(step)),
            _ => None,
        }
    }

    /// The value in `scope`.
    ///
    /// # Errors
    /// When a part is missing, or the value is null: neither is ever rendered as an empty text.
    pub fn find<'a>(&self, scope: &'a Value) -> Result<&'a Value, String> {
        let mut value = scope;
        for (depth, part) in self.parts.iter().enumerate() {
            let next = match value {
                Value::Object(map) => map.get(part),
                Value::Array(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
            };
            value = next.ok_or_else(|| match depth {
                0 => format!("`{part}` is not known here"),
                _ => format!("`{}` has no `{part}`", self.parts[..depth].join(".")),
            })?;
        }
        if value.is_null() { Err(format!("`{self}` is null, which is no text")) } else { Ok(value) }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.join("."))
    }
}

/// The comparisons that a template may make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operator {
    /// Equal, also by type.
    Eq,
    /// Not equal.
    Ne,
    /// A number below another.
    Lt,
    /// A number at or below another.
    Lte,
    /// A number above another.
    Gt,
    /// A number at or above another.
    Gte,
    /// Both true.
    And,
    /// Either true.
    Or,
    /// Not true.
    Not,
}

const OPERATORS: [(&str, Operator); 9] = [
    ("eq", Operator::Eq),
    ("ne", Operator::Ne),
    ("lt", Operator::Lt),
    ("lte", Operator::Lte),
    ("gt", Operator::Gt),
    ("gte", Operator::Gte),
    ("and", Operator::And),
    ("or", Operator::Or),
    ("not", Operator::Not),
];

impl Operator {
    /// The operator of this word.
    pub fn named(word: &str) -> Option<Self> {
        OPERATORS.iter().find(|(name, _)| *name == word).map(|(_, operator)| *operator)
    }

    /// The words, for help texts.
    pub fn words() -> String {
        OPERATORS.map(|(name, _)| name).join(", ")
    }

    /// How many operands it takes.
    pub const fn arity(self) -> usize {
        match self {
            Self::Not => 1,
            Self::Eq | Self::Ne | Self::Lt | Self::Lte | Self::Gt | Self::Gte | Self::And | Self::Or => 2,
        }
    }
}

impl Expression {
    /// Calls `visit` for every name in the expression.
    pub fn each_name<'a>(&'a self, visit: &mut impl FnMut(&'a Name)) {
        match self {
            Self::Name(name) => visit(name),
            Self::Literal(_) => {}
            Self::Call(_, operands) => operands.iter().for_each(|operand| operand.each_name(visit)),
        }
    }

    /// The value in `scope`.
    ///
    /// # Errors
    /// When a name is missing or null, or an operand has another type than the operator takes.
    pub fn evaluate(&self, scope: &Value) -> Result<Value, String> {
        let (operator, operands) = match self {
            Self::Name(name) => return name.find(scope).cloned(),
            Self::Literal(value) => return Ok(value.clone()),
            Self::Call(operator, operands) => (*operator, operands),
        };
        let value = |index: usize| operands[index].evaluate(scope);
        let number = |index: usize| {
            let value = value(index)?;
            value.as_f64().ok_or_else(|| format!("{value} is no number"))
        };
        let truth = |index: usize| {
            let value = value(index)?;
            value.as_bool().ok_or_else(|| format!("{value} is neither true nor false"))
        };
        Ok(Value::Bool(match operator {
            Operator::Eq => same(&value(0)?, &value(1)?),
            Operator::Ne => !same(&value(0)?, &value(1)?),
            Operator::Lt => number(0)? < number(1)?,
            Operator::Lte => number(0)? <= number(1)?,
            Operator::Gt => number(0)? > number(1)?,
            Operator::Gte => number(0)? >= number(1)?,
            Operator::And => truth(0)? && truth(1)?,
            Operator::Or => truth(0)? || truth(1)?,
            Operator::Not => !truth(0)?,
        }))
    }

    /// Reads an expression at the cursor: a call without parentheses, or one operand.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, super::scanner::Fault> {
        Self::read_call_or_operand(cursor, 0)
    }

    fn read_call_or_operand(cursor: &mut Cursor<'_>, depth: usize) -> Result<Self, super::scanner::Fault> {
        cursor.skip_space();
        let start = cursor.at();
        let first = Self::read_operand(cursor, depth)?;
        cursor.skip_space();
        if cursor.ends_expression() {
            return Ok(first);
        }
        let Self::Name(name) = &first else { return Err(cursor.syntax(cursor.at(), "the expression should end here")) };
        let word = name.to_string();
        let Some(operator) = Operator::named(&word) else {
            return Err(cursor.forbidden(
                start,
                format!("`{word}` is called like a helper, and there is no such helper"),
                format!("there are only names and {}", Operator::words()),
            ));
        };
        let mut operands = Vec::new();
        while !cursor.ends_expression() {
            operands.push(Self::read_operand(cursor, depth)?);
            cursor.skip_space();
        }
        if operands.len() != operator.arity() {
            let problem = format!("`{word}` takes {} operands and has {}", operator.arity(), operands.len());
            return Err(cursor.syntax(start, &problem));
        }
        Ok(Self::Call(operator, operands))
    }

    fn read_operand(cursor: &mut Cursor<'_>, depth: usize) -> Result<Self, super::scanner::Fault> {
        const DEEPEST: usize = 8;
        let start = cursor.at();
        match cursor.peek() {
            Some('(') if depth >= DEEPEST => Err(cursor.too_large(start, "the parentheses are nested too deeply")),
            Some('(') => {
                cursor.step();
                let inner = Self::read_call_or_operand(cursor, depth + 1)?;
                cursor.skip_space();
                if cursor.peek() != Some(')') {
                    return Err(cursor.syntax(start, "this `(` is never closed"));
                }
                cursor.step();
                Ok(inner)
            }
            Some('"' | '\'') => cursor.quoted().map(|text| Self::Literal(Value::String(text))),
            Some(c) if c.is_ascii_digit() || c == '-' => cursor.number().map(Self::Literal),
            Some(_) => {
                let name = cursor.name()?;
                Ok(match name.parts.as_slice() {
                    [word] if word == "true" => Self::Literal(Value::Bool(true)),
                    [word] if word == "false" => Self::Literal(Value::Bool(false)),
                    _ => Self::Name(name),
                })
            }
            None => Err(cursor.syntax(start, "the template ends inside an expression")),
        }
    }
}

/// Equality in which `1` and `1.0` are one number.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(x), Some(y)) if !(a.is_i64() && b.is_i64()) => a == b || x.total_cmp(&y).is_eq(),
        _ => a == b,
    }
}
