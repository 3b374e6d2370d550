//! A record as text, in the many spellings of old writers; all of them say the same. Pure.

use super::super::field::Field;
use super::super::record::LegacyRecord;
use super::random::Draws;

/// How one record is written.
#[derive(Debug, Clone)]
pub(super) struct Style {
    names: usize,
    numbers: usize,
    dates: usize,
    flags: usize,
    words: usize,
    prints: usize,
    periods: usize,
    comments: bool,
    trailing_commas: bool,
    loose: bool,
    pub one_line: bool,
}

impl Style {
    /// As the old API has it.
    pub(super) const PLAIN: Self = Self {
        names: 0,
        numbers: 0,
        dates: 0,
        flags: 0,
        words: 0,
        prints: 0,
        periods: 0,
        comments: false,
        trailing_commas: false,
        loose: false,
        one_line: false,
    };

    /// Mostly plain, often with something of its own.
    pub(super) fn draw(draws: &mut Draws) -> Self {
        let mut odd = |kinds: usize| if draws.one_in(3) { draws.below(kinds) } else { 0 };
        Self {
            names: odd(3),
            numbers: odd(3),
            dates: odd(5),
            flags: odd(4),
            words: odd(4),
            prints: odd(3),
            periods: odd(5),
            comments: odd(2) == 1,
            trailing_commas: odd(2) == 1,
            loose: odd(2) == 1,
            one_line: false,
        }
    }
}

/// The record as JSON, more or less. `instead` replaces single values by raw text, `more` adds raw fields at the end.
pub(super) fn written(
    record: &LegacyRecord,
    style: &Style,
    instead: Option<(Field, &str)>,
    more: &[(Field, String)],
) -> String {
    let mut fields: Vec<(String, String)> = Vec::new();
    for field in Field::ALL {
        let value = match instead {
            Some((replaced, raw)) if replaced == field => Some(raw.to_owned()),
            _ => value(record, field, style),
        };
        if let Some(value) = value {
            fields.push((name(field, style), value));
        }
    }
    fields.extend(more.iter().map(|(field, raw)| (name(*field, style), raw.clone())));
    let (line, indent) = if style.one_line { (" ", "") } else { ("\n", "  ") };
    let last = fields.len().saturating_sub(1);
    let mut text = String::from("{");
    for (at, (name, value)) in fields.into_iter().enumerate() {
        text.push_str(line);
        text.push_str(indent);
        text.push_str(&if style.loose { name } else { format!("\"{name}\"") });
        text.push_str(": ");
        text.push_str(&value);
        if at < last || style.trailing_commas {
            text.push(',');
        }
        if style.comments && at == 3 {
            text.push_str(if style.one_line { " /* checked by hand */" } else { " // checked by hand" });
        }
    }
    text.push_str(line);
    text.push('}');
    text
}

fn name(field: Field, style: &Style) -> String {
    let known = field.name();
    let short = match field {
        Field::ValueAreaHigh => "vah",
        Field::ValueAreaLow => "val",
        Field::Poc => "POC",
        Field::InitialBalanceHigh => "ib_high",
        Field::InitialBalanceLow => "ib_low",
        Field::TpoStructure => "tpos",
        Field::Volume => "vol",
        _ => known,
    };
    match style.names {
        1 => {
            let mut parts = known.split('_');
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |name, part| name + &part[..1].to_ascii_uppercase() + &part[1..])
        }
        2 => short.to_owned(),
        _ => known.to_owned(),
    }
}

fn value(record: &LegacyRecord, field: Field, style: &Style) -> Option<String> {
    let flag = |flag: Option<bool>| {
        flag.map(|flag| match style.flags {
            1 => format!("\"{flag}\""),
            2 => u8::from(flag).to_string(),
            3 => if flag { "\"Y\"" } else { "\"N\"" }.to_owned(),
            _ => flag.to_string(),
        })
    };
    match field {
        Field::Symbol => record.symbol.as_ref().map(|symbol| format!("\"{symbol}\"")),
        Field::Session => record.session.map(|session| format!("\"{session}\"")),
        Field::Date => record.date.map(|date| {
            let date = date.naive();
            match style.dates {
                1 => date.format("%Y%m%d").to_string(),
                2 => date.format("\"%m/%d/%Y\"").to_string(),
                3 => date.format("\"%Y-%m-%dT00:00:00\"").to_string(),
                4 => date.format("\"%d-%b-%Y\"").to_string(),
                _ => format!("\"{date}\""),
            }
        }),
        Field::SessionType => record.session_type.map(|word| {
            let word = word.as_str();
            match style.words {
                1 => format!("\"{}{}\"", word[..1].to_ascii_uppercase(), &word[1..].replace('_', " ")),
                2 => format!("\"{}\"", word.replace('_', "-")),
                3 => format!("\"{} day\"", word.replace('_', " ")),
                _ => format!("\"{word}\""),
            }
        }),
        Field::Bias => record.bias.map(|word| {
            let said = match (style.words, word.as_str()) {
                (1, "up") => "bullish",
                (1, "down") => "bearish",
                (2, "up") => "long",
                (2, "down") => "short",
                (3, "neutral") => "flat",
                (_, word) => word,
            };
            format!("\"{said}\"")
        }),
        Field::PoorHigh => flag(record.poor_high),
        Field::PoorLow => flag(record.poor_low),
        Field::ExcessHigh => flag(record.excess_high),
        Field::ExcessLow => flag(record.excess_low),
        Field::SinglePrints => record.single_prints.as_ref().map(|prints| single_prints(prints, style)),
        Field::TpoStructure => record.tpo_structure.as_ref().map(|_| periods(record, style)),
        Field::Volume => record.volume.map(|volume| match style.numbers {
            1 => format!("\"{}\"", thousands(volume)),
            _ => number(volume),
        }),
        Field::CashSessionReturn => record.cash_session_return.map(number),
        level => record.levels().into_iter().find(|(field, _)| *field == level)?.1.map(|price| match style.numbers {
            1 => format!("\"{}\"", thousands(price)),
            2 => format!("\"{price:.2} \""),
            _ => number(price),
        }),
    }
    .map(|value| if style.numbers == 2 { two_decimals_only_where_exact(value, record, field) } else { value })
}

/// Two decimals are not enough for every tick.
fn two_decimals_only_where_exact(value: String, record: &LegacyRecord, field: Field) -> String {
    let price = record.levels().into_iter().find(|(level, _)| *level == field).and_then(|(_, price)| price);
    match price {
        Some(price) if (price * 100.0).fract() != 0.0 => number(price),
        _ => value,
    }
}

fn single_prints(prints: &[[f64; 2]], style: &Style) -> String {
    let one = |[low, high]: &[f64; 2]| match style.prints {
        1 => format!("{{\"low\": {}, \"high\": {}}}", number(*low), number(*high)),
        2 => format!("[{}, {}]", number(*high), number(*low)),
        _ => format!("[{}, {}]", number(*low), number(*high)),
    };
    format!("[{}]", prints.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn periods(record: &LegacyRecord, style: &Style) -> String {
    let periods = record.tpo_structure.iter().flatten();
    let has_small =
        record.tpo_structure.iter().flatten().any(|period| period.letter.bytes().any(|b| b.is_ascii_lowercase()));
    let one = |letter: &str, high: f64, low: f64| {
        let (high, low) = (number(high), number(low));
        match style.periods {
            1 => format!("{{\"period\": \"{letter}\", \"high\": {high}, \"low\": {low}}}"),
            2 if !has_small => format!("\"{}\": [{high}, {low}]", letter.to_ascii_lowercase()),
            3 => format!("\"{letter}\": [{low}, {high}]"),
            4 => format!("\"{letter}\": {{\"high\": \"{high}\", \"low\": \"{low}\"}}"),
            _ => format!("\"{letter}\": [{high}, {low}]"),
        }
    };
    let all = periods.map(|period| one(&period.letter, period.high, period.low)).collect::<Vec<_>>().join(", ");
    if style.periods == 1 { format!("[{all}]") } else { format!("{{{all}}}") }
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.1}") } else { value.to_string() }.trim_end_matches(".0").to_owned()
}

/// 21,485.5
fn thousands(value: f64) -> String {
    let text = number(value);
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, String::new()), |(a, b)| (a, format!(".{b}")));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}
