//! Values of keys: how each kind is read from TOML and from text, and written again.

use super::duration::{DurationError, TimeSpan};
use super::environment::Environment;
use super::problem::did_you_mean;
use super::size::{ByteSize, SizeError};
use std::fmt;
use toml::de::{DeInteger, DeValue};

/// What values a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A duration with a unit.
    Duration {
        /// Whether `0s` is one.
        zero: bool,
    },
    /// `min` to `max` durations, each above zero and longer than the one before.
    Durations {
        /// How many at least.
        min: usize,
        /// How many at most.
        max: usize,
    },
    /// A size with a unit.
    Size {
        /// Smallest.
        min: ByteSize,
        /// Largest.
        max: ByteSize,
    },
    /// A whole number.
    Count {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// true or false.
    Bool,
    /// One of these words; `true` and `false` among them may be written as TOML booleans.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// A list of texts.
    Texts,
}

/// A legal value of some key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`ValueKind::Duration`].
    Duration(TimeSpan),
    /// Of [`ValueKind::Durations`].
    Durations(Vec<TimeSpan>),
    /// Of [`ValueKind::Size`].
    Size(ByteSize),
    /// Of [`ValueKind::Count`].
    Count(u64),
    /// Of [`ValueKind::Bool`].
    Bool(bool),
    /// Of [`ValueKind::Choice`].
    Choice(&'static str),
    /// Of [`ValueKind::Text`].
    Text(String),
    /// Of [`ValueKind::Texts`].
    Texts(Vec<String>),
}

/// Why something is not a value of its key, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

impl ValueError {
    /// Why.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn new(message: impl Into<String>) -> ValueError {
        ValueError { message: message.into(), suggestion: None }
    }

    fn suggest(self, suggestion: impl Into<String>) -> ValueError {
        ValueError { suggestion: Some(suggestion.into()), ..self }
    }
}

impl ValueKind {
    /// Reads text: a default, an environment variable, a flag, or a TOML string. Lists are split at commas.
    pub fn parse(self, text: &str) -> Result<Value, ValueError> {
        match self {
            ValueKind::Duration { zero } => parse_duration(text, zero).map(Value::Duration),
            ValueKind::Durations { .. } | ValueKind::Texts => {
                self.collect(split_list(text).map(str::to_owned))
            }
            ValueKind::Size { min, max } => parse_size(text, min, max).map(Value::Size),
            ValueKind::Count { min, max } => {
                let number = text.parse::<i128>();
                let number =
                    number.map_err(|_| ValueError::new(format!("`{text}` is not a whole number")))?;
                count(number, min, max)
            }
            ValueKind::Bool => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(ValueError::new(format!("`{text}` is neither true nor false"))),
            },
            ValueKind::Choice(words) => parse_choice(text, words).map(Value::Choice),
            ValueKind::Text => Ok(Value::Text(text.to_owned())),
        }
    }

    /// Reads a TOML value; strings are expanded first.
    pub fn read(self, value: &DeValue<'_>, environment: &Environment) -> Result<Value, ValueError> {
        match (self, value) {
            (ValueKind::Durations { .. } | ValueKind::Texts, DeValue::Array(items)) => {
                let texts: Result<Vec<String>, ValueError> =
                    items.iter().map(|item| expanded(item.get_ref(), environment)).collect();
                self.collect(texts?.into_iter())
            }
            (ValueKind::Durations { .. } | ValueKind::Texts, _) => Err(wrong_type(self, value)),
            (ValueKind::Count { .. } | ValueKind::Bool, DeValue::String(text)) if !text.contains("${") => {
                let is_value = self.parse(text).is_ok();
                let suggestion = is_value.then(|| format!("write {text} without quotes"));
                Err(ValueError { suggestion, ..wrong_type(self, value) })
            }
            (_, DeValue::String(_)) => self.parse(&expanded(value, environment)?),
            (ValueKind::Count { min, max }, DeValue::Integer(number)) => {
                count(integer(number).ok_or_else(|| wrong_type(self, value))?, min, max)
            }
            (ValueKind::Bool, DeValue::Boolean(flag)) => Ok(Value::Bool(*flag)),
            (ValueKind::Choice(words), DeValue::Boolean(flag)) if words.contains(&"true") => {
                parse_choice(if *flag { "true" } else { "false" }, words).map(Value::Choice)
            }
            (ValueKind::Duration { .. }, DeValue::Integer(number)) => {
                Err(wrong_type(self, value).suggest(format!("write \"{}s\"", number.as_str())))
            }
            (ValueKind::Size { .. }, DeValue::Integer(number)) => {
                Err(wrong_type(self, value).suggest(format!("write \"{}B\"", number.as_str())))
            }
            _ => Err(wrong_type(self, value)),
        }
    }

    fn collect(self, mut texts: impl Iterator<Item = String>) -> Result<Value, ValueError> {
        let ValueKind::Durations { min, max } = self else {
            return Ok(Value::Texts(texts.collect()));
        };
        let spans: Result<Vec<TimeSpan>, ValueError> = texts.try_fold(Vec::new(), |mut spans, text| {
            spans.push(parse_duration(&text, false)?);
            Ok(spans)
        });
        let spans = spans?;
        if !(min..=max).contains(&spans.len()) {
            return Err(ValueError::new(format!("needs {min} to {max} durations, has {}", spans.len())));
        }
        if let Some(pair) = spans.windows(2).find(|pair| pair[0] >= pair[1]) {
            let (before, after) = (pair[0], pair[1]);
            return Err(ValueError::new(format!(
                "each must be longer than the one before: {after} comes after {before}"
            )));
        }
        Ok(Value::Durations(spans))
    }

    /// What is expected, for messages.
    fn expected(self) -> String {
        let text = match self {
            ValueKind::Duration { .. } => "a duration in quotes, as in \"1s\"",
            ValueKind::Durations { .. } => "a list of durations, as in [\"30s\", \"5m\", \"1h\"]",
            ValueKind::Size { .. } => "a size in quotes, as in \"8MiB\"",
            ValueKind::Count { .. } => "a whole number",
            ValueKind::Bool => "true or false",
            ValueKind::Choice(words) => return format!("one of {}", words.join(", ")),
            ValueKind::Text => "text in quotes",
            ValueKind::Texts => "a list of texts in quotes",
        };
        text.to_owned()
    }
}

impl Value {
    /// As a TOML value.
    pub fn to_toml(&self) -> toml::Value {
        match self {
            Value::Duration(span) => toml::Value::String(span.to_string()),
            Value::Durations(spans) => array(spans),
            Value::Size(size) => toml::Value::String(size.to_string()),
            Value::Count(number) => toml::Value::Integer(i64::try_from(*number).unwrap_or(i64::MAX)),
            Value::Bool(flag) => toml::Value::Boolean(*flag),
            Value::Choice("true") => toml::Value::Boolean(true),
            Value::Choice("false") => toml::Value::Boolean(false),
            Value::Choice(word) => toml::Value::String((*word).to_owned()),
            Value::Text(text) => toml::Value::String(text.clone()),
            Value::Texts(texts) => array(texts),
        }
    }
}

/// As TOML writes it, strings in quotes.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_toml().fmt(f)
    }
}

fn array<T: ToString>(items: &[T]) -> toml::Value {
    toml::Value::Array(items.iter().map(|item| toml::Value::String(item.to_string())).collect())
}

fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn expanded(value: &DeValue<'_>, environment: &Environment) -> Result<String, ValueError> {
    let DeValue::String(text) = value else {
        return Err(wrong_type(ValueKind::Text, value));
    };
    environment.expand(text).map_err(|error| ValueError::new(error.to_string()))
}

fn parse_duration(text: &str, zero: bool) -> Result<TimeSpan, ValueError> {
    let span: TimeSpan = text.parse().map_err(|error: DurationError| {
        let suggestion = matches!(error, DurationError::NoUnit(_)).then(|| format!("write \"{text}s\""));
        ValueError { message: error.to_string(), suggestion }
    })?;
    if span.is_zero() && !zero {
        return Err(ValueError::new(format!("`{text}` is not allowed: it must be longer than 0s")));
    }
    Ok(span)
}

fn parse_size(text: &str, min: ByteSize, max: ByteSize) -> Result<ByteSize, ValueError> {
    let size: ByteSize = text.parse().map_err(|error: SizeError| {
        let suggestion = matches!(error, SizeError::NoUnit(_)).then(|| format!("write \"{text}B\""));
        ValueError { message: error.to_string(), suggestion }
    })?;
    if size < min || size > max {
        return Err(ValueError::new(format!("`{text}` is not in {min} to {max}")));
    }
    Ok(size)
}

fn parse_choice(text: &str, words: &'static [&'static str]) -> Result<&'static str, ValueError> {
    words.iter().copied().find(|word| *word == text).ok_or_else(|| ValueError {
        message: format!("`{text}` is not one of {}", words.join(", ")),
        suggestion: did_you_mean(text, words.iter().copied()),
    })
}

fn count(number: i128, min: u64, max: u64) -> Result<Value, ValueError> {
    let legal = u64::try_from(number).ok().filter(|number| (min..=max).contains(number));
    legal.map(Value::Count).ok_or_else(|| ValueError::new(format!("{number} is not in {min} to {max}")))
}

fn integer(number: &DeInteger<'_>) -> Option<i128> {
    i64::from_str_radix(number.as_str(), number.radix()).ok().map(i128::from)
}

fn wrong_type(kind: ValueKind, value: &DeValue<'_>) -> ValueError {
    ValueError::new(format!("expected {}, found {}", kind.expected(), value.type_str()))
}
