//! Single prints and periods in the shapes that old writers gave them. Pure.

use jsonc_parser::ast::{Object, Value};

use super::record::LegacyPeriod;
use super::value;

/// What a shape held, and what had to be read leniently or is wrong with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shaped<T> {
    pub value: T,
    /// Another shape than the old API's, read as meant.
    pub lenient: Vec<&'static str>,
    pub text_numbers: bool,
    /// Of those that say which is which: high below low.
    pub swapped: Vec<String>,
    /// Letters that stand there twice.
    pub repeated: Vec<String>,
}

/// Single prints as `[low, high]`. `None` when something in them is no price.
pub fn single_prints(value: &Value<'_>) -> Option<Shaped<Vec<[f64; 2]>>> {
    let Value::Array(list) = value else { return None };
    let mut shaped: Shaped<Vec<[f64; 2]>> = Shaped::default();
    // One pair without the list around it.
    if list.elements.len() == 2 && list.elements.iter().all(|element| value::number(element).is_some()) {
        shaped.lenient.push("one pair without a list");
        let pair = pair(value, &mut shaped.text_numbers)?;
        shaped.value.push(in_order(pair));
        return Some(shaped);
    }
    for element in &list.elements {
        let low_high = match element {
            Value::Array(_) => {
                let pair = pair(element, &mut shaped.text_numbers)?;
                if pair[0] > pair[1] {
                    note(&mut shaped.lenient, "high before low");
                }
                in_order(pair)
            }
            Value::Object(object) => {
                note(&mut shaped.lenient, "objects");
                let [high, low] = high_low(object, &mut shaped.text_numbers)?;
                if high < low {
                    shaped.swapped.push(format!("single prints high {high} below low {low}"));
                }
                in_order([low, high])
            }
            single => {
                note(&mut shaped.lenient, "single prices");
                let price = read_number(single, &mut shaped.text_numbers)?;
                [price, price]
            }
        };
        shaped.value.push(low_high);
    }
    Some(shaped)
}

/// Periods in their order. `None` when something in them is no period.
pub fn periods(value: &Value<'_>) -> Option<Shaped<Vec<LegacyPeriod>>> {
    let mut shaped = Shaped::default();
    let mut pairs = Pairs::default();
    match value {
        Value::Object(object) => {
            for property in &object.properties {
                if value::is_nothing(&property.value) {
                    continue;
                }
                let letter = letter(property.name.as_str())?;
                add(&mut shaped, &mut pairs, letter, &property.value)?;
            }
        }
        Value::Array(list) => {
            note(&mut shaped.lenient, "a list");
            for (at, element) in list.elements.iter().enumerate() {
                let named = match element {
                    Value::Object(object) => Some(letter(text(object, &["period", "letter", "name", "tpo"])?)?),
                    _ => None,
                };
                let letter = named.unwrap_or_else(|| crate::profile::session_record::letter(at));
                add(&mut shaped, &mut pairs, letter, element)?;
            }
        }
        _ => return None,
    }
    pairs.settle(&mut shaped);
    capitals(&mut shaped);
    shaped.value.sort_by_key(|period| place(&period.letter));
    Some(shaped)
}

/// Which of the pairs stood low before high: all of them is another convention, some of them is a mistake.
#[derive(Default)]
struct Pairs {
    proper: usize,
    reversed: Vec<String>,
}

impl Pairs {
    fn settle(self, shaped: &mut Shaped<Vec<LegacyPeriod>>) {
        if self.reversed.is_empty() {
        } else if self.proper == 0 {
            note(&mut shaped.lenient, "periods as [low, high]");
        } else {
            shaped.swapped.extend(self.reversed);
        }
    }
}

fn add(shaped: &mut Shaped<Vec<LegacyPeriod>>, pairs: &mut Pairs, letter: String, value: &Value<'_>) -> Option<()> {
    let [high, low] = match value {
        Value::Array(_) => {
            let [high, low] = pair(value, &mut shaped.text_numbers)?;
            if high > low {
                pairs.proper += 1;
            } else if high < low {
                pairs.reversed.push(format!("period {letter} [{high}, {low}]"));
            }
            [high, low]
        }
        Value::Object(object) => {
            if !shaped.lenient.contains(&"a list") {
                note(&mut shaped.lenient, "periods as objects");
            }
            let [high, low] = high_low(object, &mut shaped.text_numbers)?;
            if high < low {
                shaped.swapped.push(format!("period {letter} high {high} low {low}"));
            }
            [high, low]
        }
        _ => return None,
    };
    match shaped.value.iter().find(|period| period.letter == letter) {
        Some(_) => shaped.repeated.push(letter),
        None => shaped.value.push(LegacyPeriod { letter, high: high.max(low), low: high.min(low) }),
    }
    Some(())
}

/// Letters all in lower case are the capitals of a writer who did not care: a day begins with A.
fn capitals(shaped: &mut Shaped<Vec<LegacyPeriod>>) {
    let is_lower = |period: &LegacyPeriod| period.letter.bytes().all(|byte| byte.is_ascii_lowercase());
    if !shaped.value.is_empty() && shaped.value.iter().all(is_lower) {
        note(&mut shaped.lenient, "letters in lower case");
        shaped.value.iter_mut().for_each(|period| period.letter.make_ascii_uppercase());
    }
}

/// A letter, with a round's number from the fifty-third period on.
fn letter(name: &str) -> Option<String> {
    let name = name.trim();
    let first = name.bytes().next().filter(u8::is_ascii_alphabetic)?;
    let round = &name[1..];
    let fits = round.is_empty() || (round.len() <= 2 && round.bytes().all(|byte| byte.is_ascii_digit()));
    fits.then(|| format!("{}{round}", char::from(first)))
}

/// Where a letter stands in a session, from 0; the inverse of [`crate::profile::session_record::letter`].
pub fn place(letter: &str) -> usize {
    let Some(first) = letter.bytes().next() else { return usize::MAX };
    let round: usize = if letter.len() > 1 { letter[1..].parse().unwrap_or(1) } else { 1 };
    let at = if first.is_ascii_uppercase() { first - b'A' } else { 26 + first.wrapping_sub(b'a') };
    round.saturating_sub(1) * 52 + usize::from(at)
}

/// High and low of a group: `{"high":…,"low":…}` or a pair in either order.
pub fn group(value: &Value<'_>) -> Option<Shaped<[f64; 2]>> {
    let mut shaped = Shaped { value: [0.0; 2], ..Shaped::default() };
    shaped.value = match value {
        Value::Object(object) => high_low(object, &mut shaped.text_numbers)?,
        Value::Array(_) => {
            let [low, high] = in_order(pair(value, &mut shaped.text_numbers)?);
            [high, low]
        }
        _ => return None,
    };
    Some(shaped)
}

fn in_order([a, b]: [f64; 2]) -> [f64; 2] {
    [a.min(b), a.max(b)]
}

fn pair(value: &Value<'_>, text_numbers: &mut bool) -> Option<[f64; 2]> {
    let Value::Array(list) = value else { return None };
    let [a, b] = list.elements.as_slice() else { return None };
    Some([read_number(a, text_numbers)?, read_number(b, text_numbers)?])
}

fn high_low(object: &Object<'_>, text_numbers: &mut bool) -> Option<[f64; 2]> {
    let mut of = |names: &[&str]| {
        let property = object
            .properties
            .iter()
            .find(|property| names.iter().any(|name| property.name.as_str().trim().eq_ignore_ascii_case(name)))?;
        read_number(&property.value, text_numbers)
    };
    Some([of(&["high", "hi", "h", "top", "upper"])?, of(&["low", "lo", "l", "bottom", "lower"])?])
}

fn text<'v>(object: &'v Object<'_>, names: &[&str]) -> Option<&'v str> {
    let property = object
        .properties
        .iter()
        .find(|property| names.iter().any(|name| property.name.as_str().trim().eq_ignore_ascii_case(name)))?;
    property.value.as_string_lit().map(|text| text.value.as_ref())
}

fn read_number(value: &Value<'_>, text_numbers: &mut bool) -> Option<f64> {
    let number = value::number(value)?;
    *text_numbers |= !number.plain;
    Some(number.value)
}

fn note(notes: &mut Vec<&'static str>, what: &'static str) {
    if !notes.contains(&what) {
        notes.push(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::session_record;

    fn with<T>(text: &str, read: impl Fn(&Value<'_>) -> T) -> T {
        let parsed = jsonc_parser::parse_to_ast(text, &Default::default(), &Default::default()).unwrap();
        read(&parsed.value.unwrap())
    }

    #[test]
    fn single_prints_in_every_shape_are_low_and_high() {
        for text in [
            "[[1.5, 3], [7, 8.25]]",
            "[[3, 1.5], [8.25, 7]]",
            r#"[{"low": 1.5, "high": 3}, {"high": "8.25", "low": 7}]"#,
            r#"[["1.5", "3"], [7, 8.25]]"#,
        ] {
            assert_eq!(with(text, single_prints).unwrap().value, [[1.5, 3.0], [7.0, 8.25]], "{text}");
        }
        assert_eq!(with("[1, 2]", single_prints).unwrap().value, [[1.0, 2.0]]);
        assert_eq!(with("[]", single_prints).unwrap().value, Vec::<[f64; 2]>::new());
        assert!(with("[[3, 1.5]]", single_prints).unwrap().swapped.is_empty());
        assert_eq!(with(r#"[{"low": 3, "high": 1}]"#, single_prints).unwrap().swapped.len(), 1);
        for text in ["{}", "[[1]]", "[[1, 2, 3]]", r#"["x"]"#, "[null]", "3"] {
            assert_eq!(with(text, single_prints), None, "{text}");
        }
    }

    #[test]
    fn periods_in_every_shape_are_letters_with_ranges() {
        let expected = [("A", 3.0, 1.5), ("B", 4.0, 2.0)].map(|(letter, high, low)| LegacyPeriod {
            letter: letter.into(),
            high,
            low,
        });
        for text in [
            r#"{"A": [3, 1.5], "B": [4, 2]}"#,
            r#"{"b": [4, 2], "a": [3, 1.5]}"#,
            r#"{"A": [1.5, 3], "B": [2, 4]}"#,
            r#"[{"period": "A", "high": 3, "low": 1.5}, {"period": "B", "high": 4, "low": 2}]"#,
            "[[3, 1.5], [4, 2]]",
            r#"{"A": {"high": "3.0", "low": 1.5}, "B": {"h": 4, "l": 2}}"#,
        ] {
            let shaped = with(text, periods).unwrap();
            assert_eq!(shaped.value, expected, "{text}");
            assert!(shaped.swapped.is_empty() && shaped.repeated.is_empty(), "{text}");
        }
        assert_eq!(with(r#"{"A": [3, 1.5], "B": [2, 4]}"#, periods).unwrap().swapped, ["period B [2, 4]"]);
        assert_eq!(with(r#"{"A": [3, 1.5], "A": [4, 2]}"#, periods).unwrap().repeated, ["A"]);
        for text in [r#"{"1": [3, 1.5]}"#, r#"{"A": 3}"#, "[3]", r#"{"AB": [1, 2]}"#, r#"{"": [1, 2]}"#] {
            assert_eq!(with(text, periods), None, "{text}");
        }
    }

    #[test]
    fn letters_stand_where_they_are_written() {
        for at in 0..120 {
            assert_eq!(place(&session_record::letter(at)), at);
        }
    }
}
