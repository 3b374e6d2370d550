//! Finds the field to blame in a document that the typed parse refused. Slow, so only called for those.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::Refusal;

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Why `text` is not a document, from the parser's error and, when it is JSON at all, from a walk over it.
pub fn blame(text: &str, error: &serde_json::Error) -> Refusal {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) if error.to_string().contains("number out of range") => {
            let field = infinite_field(text);
            let which = field.as_ref().map_or_else(|| "a number".to_owned(), |field| format!("'{field}'"));
            return Refusal::new(
                "number_out_of_range",
                field,
                format!("{which} is beyond ±9e15, the largest number taken ({error})"),
            );
        }
        Err(error) => return Refusal::new("not_json", None, format!("not JSON: {error}")),
    };
    let Value::Object(document) = &value else {
        return Refusal::new("wrong_type", None, format!("a document is an object, not {}", kind(&value)));
    };
    for field in ["timestamp", "symbol", "expiration"] {
        match document.get(field) {
            None => return missing(field.to_owned()),
            Some(Value::String(_)) => {}
            Some(other) => return wrong(field.to_owned(), other, "a string"),
        }
    }
    for field in ["spot", "gamma_exposure", "vanna_exposure", "charm_exposure", "strike"] {
        if let Some(other) = document.get(field).filter(|value| !value.is_number() && !value.is_null()) {
            return wrong(field.to_owned(), other, "a number");
        }
    }
    match document.get("strikes") {
        None | Some(Value::Null) => {}
        Some(Value::Array(strikes)) => {
            if let Some(refusal) = strikes.iter().enumerate().find_map(|(at, strike)| blame_strike(at, strike)) {
                return refusal;
            }
        }
        Some(other) => return wrong("strikes".to_owned(), other, "a list"),
    }
    // What is left is a field that stands there twice: JSON allows it, but which one was meant is anybody's guess.
    if let Some(field) = error.to_string().strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next()) {
        let reason = format!("'{field}' is there twice ({error}); which one is meant cannot be told");
        return Refusal::new("field_twice", field.to_owned(), reason);
    }
    let reason = format!("the document cannot be read: {error}");
    Refusal::new("wrong_type", None, reason)
}

/// The field whose number no float can hold, found in the text as it stands.
fn infinite_field(text: &str) -> Option<String> {
    let infinite = |fields: &Fields<'_>| {
        let found = fields.iter().find(|(_, value)| value.get().parse::<f64>().is_ok_and(f64::is_infinite));
        found.map(|(name, _)| name.clone())
    };
    let document: Fields<'_> = serde_json::from_str(text).ok()?;
    infinite(&document).or_else(|| {
        let strikes: Vec<Fields<'_>> = serde_json::from_str(document.get("strikes")?.get()).ok()?;
        strikes.iter().enumerate().find_map(|(at, fields)| Some(format!("strikes[{at}].{}", infinite(fields)?)))
    })
}

fn blame_strike(at: usize, strike: &Value) -> Option<Refusal> {
    let Value::Object(fields) = strike else {
        return Some(wrong(format!("strikes[{at}]"), strike, "an object"));
    };
    match fields.get("strike") {
        None => return Some(missing(format!("strikes[{at}].strike"))),
        Some(Value::Number(_)) => {}
        Some(other) => return Some(wrong(format!("strikes[{at}].strike"), other, "a number")),
    }
    ["gamma", "vanna", "charm"].into_iter().find_map(|name| {
        let other = fields.get(name).filter(|value| !value.is_number() && !value.is_null())?;
        Some(wrong(format!("strikes[{at}].{name}"), other, "a number"))
    })
}

fn missing(field: String) -> Refusal {
    let reason = format!("'{field}' is missing");
    Refusal::new("field_missing", field, reason)
}

fn wrong(field: String, value: &Value, wanted: &str) -> Refusal {
    let reason = format!("'{field}' is {}, not {wanted}", kind(value));
    Refusal::new("wrong_type", field, reason)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
