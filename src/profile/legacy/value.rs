//! Single values as old writers spelled them: numbers in quotes, yes and no in many words, names of session types. Pure; each
//! says whether it had to be lenient.

use jsonc_parser::ast::Value;

use crate::market::SessionKind;
use crate::profile::{Bias, SessionType};

/// What was read, and whether it was written as it should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spelled<T> {
    pub value: T,
    pub plain: bool,
}

/// A value that says nothing: null, or a word for it.
pub fn is_nothing(value: &Value<'_>) -> bool {
    match value {
        Value::NullKeyword(_) => true,
        Value::StringLit(text) => {
            matches!(text.value.trim().to_ascii_lowercase().as_str(), "" | "null" | "none" | "n/a" | "na" | "-" | "nan")
        }
        _ => false,
    }
}

/// A finite number, also one in quotes with a dollar sign, thousands in commas or spaces around it.
pub fn number(value: &Value<'_>) -> Option<Spelled<f64>> {
    let (text, plain) = match value {
        Value::NumberLit(number) => (number.value, true),
        Value::StringLit(text) => (text.value.as_ref(), false),
        _ => return None,
    };
    number_in(text).map(|value| Spelled { value, plain })
}

/// A fraction, also one written as a percentage with its sign.
pub fn fraction(value: &Value<'_>) -> Option<Spelled<f64>> {
    if let Value::StringLit(text) = value
        && let Some(percent) = text.value.trim().strip_suffix('%')
    {
        return number_in(percent).map(|value| Spelled { value: value / 100.0, plain: false });
    }
    number(value)
}

fn number_in(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.len() > 40 {
        return None;
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.trim_start().strip_prefix('$').unwrap_or(digits);
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let value: f64 = if digits.contains(',') { without_thousands(digits)?.parse() } else { digits.parse() }.ok()?;
    value.is_finite().then_some(sign * value)
}

/// `21,485.50` without its commas; `None` when they do not part thousands.
fn without_thousands(digits: &str) -> Option<String> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let fits = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3) && !fraction.contains(',');
    fits.then(|| digits.replace(',', ""))
}

/// Yes or no.
pub fn flag(value: &Value<'_>) -> Option<Spelled<bool>> {
    let spelled = |value| Some(Spelled { value, plain: false });
    match value {
        Value::BooleanLit(flag) => Some(Spelled { value: flag.value, plain: true }),
        Value::NumberLit(number) if number.value == "1" => spelled(true),
        Value::NumberLit(number) if number.value == "0" => spelled(false),
        Value::StringLit(text) => match text.value.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "1" | "t" => spelled(true),
            "false" | "no" | "n" | "0" | "f" => spelled(false),
            _ => None,
        },
        _ => None,
    }
}

/// The session type that a word means.
pub fn session_type(text: &str) -> Option<Spelled<SessionType>> {
    if let Ok(value) = text.parse() {
        return Some(Spelled { value, plain: true });
    }
    let word = plain_word(text);
    let word = word.strip_suffix("day").unwrap_or(&word);
    let value = match word {
        "nontrend" | "nontrending" => SessionType::NonTrend,
        "normal" => SessionType::Normal,
        "normalvariation" | "normalvar" | "normalvariationofnormal" => SessionType::NormalVariation,
        "trend" | "trending" | "trendup" | "trenddown" => SessionType::Trend,
        "doubledistributiontrend" | "doubledistribution" | "doubledist" | "ddtrend" => {
            SessionType::DoubleDistributionTrend
        }
        "neutral" | "neutralcenter" | "neutralcentre" => SessionType::Neutral,
        "neutralextreme" | "neutralext" => SessionType::NeutralExtreme,
        _ => return None,
    };
    Some(Spelled { value, plain: false })
}

/// The bias that a word or a sign means.
pub fn bias(text: &str) -> Option<Spelled<Bias>> {
    if let Ok(value) = text.parse() {
        return Some(Spelled { value, plain: true });
    }
    let value = match text.trim() {
        "1" | "+1" | "+" => Bias::Up,
        "-1" | "-" => Bias::Down,
        "0" => Bias::Neutral,
        text => match plain_word(text).as_str() {
            "up" | "bullish" | "bull" | "long" | "buy" | "buyers" | "positive" => Bias::Up,
            "down" | "bearish" | "bear" | "short" | "sell" | "sellers" | "negative" => Bias::Down,
            "neutral" | "flat" | "sideways" | "balanced" => Bias::Neutral,
            _ => return None,
        },
    };
    Some(Spelled { value, plain: false })
}

/// The hours that a word means.
pub fn session(text: &str) -> Option<Spelled<SessionKind>> {
    if let Ok(value) = text.parse() {
        return Some(Spelled { value, plain: true });
    }
    let value = match plain_word(text).as_str() {
        "rth" | "cash" | "regular" | "day" => SessionKind::Rth,
        "overnight" | "on" | "night" => SessionKind::Overnight,
        "full" | "24h" | "all" => SessionKind::Full,
        _ => return None,
    };
    Some(Spelled { value, plain: false })
}

/// A value that is shown to people: as it is written, not too much of it.
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST).chain("…".chars()).collect() }
}

fn plain_word(text: &str) -> String {
    text.chars().take(60).filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_every_dress() {
        for (text, value) in [
            ("21,485.50", Some(21485.5)),
            ("21485.50 ", Some(21485.5)),
            ("$21,485.50", Some(21485.5)),
            ("-0.0082", Some(-0.0082)),
            ("892,451", Some(892_451.0)),
            ("1,234,567", Some(1_234_567.0)),
            ("1e3", Some(1000.0)),
            (".5", Some(0.5)),
            ("21.485,50", None),
            ("1,2", None),
            ("12,34", None),
            ("", None),
            ("n/a", None),
            ("inf", None),
            ("NaN", None),
            ("1e999", None),
            ("0x1F", None),
            ("12 pts", None),
        ] {
            assert_eq!(number_in(text), value, "{text:?}");
        }
    }

    #[test]
    fn words_are_read_in_every_dress() {
        for (text, value) in [
            ("Trend", SessionType::Trend),
            ("trend day", SessionType::Trend),
            ("normal-variation", SessionType::NormalVariation),
            ("Neutral Extreme", SessionType::NeutralExtreme),
            ("Double Distribution", SessionType::DoubleDistributionTrend),
        ] {
            assert_eq!(session_type(text), Some(Spelled { value, plain: false }), "{text}");
        }
        assert!(session_type("non_trend").unwrap().plain);
        assert_eq!(session_type("rotational"), None);
        assert_eq!(bias("bullish").unwrap().value, Bias::Up);
        assert_eq!(bias("short").unwrap().value, Bias::Down);
        assert_eq!(bias("maybe"), None);
    }
}
