//! The events that a listener gets, spelled: names, ids, and `data` as one line of JSON. Pure.

use axum::response::sse::Event;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::question::Grain;
use super::view::View;
use crate::greeks::routes::envelope;
use crate::http::problem::Problem;
use crate::market::{Instrument, Symbol, TradingDate};

/// A minute as ids and timestamps spell it: text that sorts like time.
pub fn id(minute: i64) -> String {
    let time = DateTime::<Utc>::from_timestamp_micros(minute).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A minute that was not sent before; `rows` is a JSON list on one line.
pub fn minute(instrument: &Instrument, view: &View, grain: Grain, minute: i64, rows: &str) -> Event {
    Event::default().event("minute").id(id(minute)).data(rows_of(instrument, view, grain, minute, rows))
}

/// A minute that was sent before, or passed over, and reads otherwise now. Without an id: where to resume does not go back.
pub fn correction(instrument: &Instrument, view: &View, grain: Grain, minute: i64, rows: &str) -> Event {
    Event::default().event("correction").data(rows_of(instrument, view, grain, minute, rows))
}

fn rows_of(instrument: &Instrument, view: &View, grain: Grain, minute: i64, rows: &str) -> String {
    let mut text = String::with_capacity(rows.len() + 256);
    text.push('{');
    for (name, value) in envelope(instrument, view.date, view.head()) {
        text.push_str(&format!("\"{name}\":{value},"));
    }
    let partial = view.may_grow(minute);
    text.push_str(&format!(
        "\"by\":\"{}\",\"timestamp\":\"{}\",\"partial\":{partial},\"rows\":{rows}}}",
        grain.name(),
        id(minute)
    ));
    text
}

/// A day's session is over and this is what was made of it.
pub fn closed(instrument: &Instrument, view: &View) -> Event {
    let members = envelope(instrument, view.date, view.head());
    let data: serde_json::Map<String, Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Event::default().event("closed").data(Value::from(data).to_string())
}

/// A session of which nothing is stored lies between what was sent and what follows.
pub fn missing(symbol: &Symbol, date: TradingDate) -> Event {
    Event::default().event("missing").data(json!({"symbol": symbol, "date": date, "condition": "missing"}).to_string())
}

/// Minutes follow that come after `after`; nobody knows what changed up to there while nobody listened.
pub fn resumed(symbol: &Symbol, after: DateTime<Utc>) -> Event {
    let detail = "minutes up to here may have been corrected since they were sent: ask /aggregate when it matters";
    let after = after.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    Event::default().event("resumed").data(json!({"symbol": symbol, "after": after, "detail": detail}).to_string())
}

/// What lies between `after` and `starts` is not sent.
pub fn reset(symbol: &Symbol, after: DateTime<Utc>, starts: Option<i64>) -> Event {
    let detail =
        "too much lies between to send it here: minutes from `starts` on follow, ask /aggregate for the others";
    let after = after.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let data = json!({"symbol": symbol, "after": after, "starts": starts.map(id), "detail": detail});
    Event::default().event("reset").data(data.to_string())
}

/// The lake cannot be read at present: silence says nothing about the market.
pub fn stalled(symbol: &Symbol, trouble: &Problem) -> Event {
    let data = json!({"symbol": symbol, "type": trouble.kind().uri(), "detail": trouble.detail()});
    Event::default().event("stalled").data(data.to_string())
}

/// The lake can be read again.
pub fn recovered(symbol: &Symbol) -> Event {
    Event::default().event("recovered").data(json!({"symbol": symbol}).to_string())
}

/// The stream ends; the client comes back with the last id.
pub fn bye(symbol: &Symbol, why: &str) -> Event {
    Event::default().event("bye").data(json!({"symbol": symbol, "detail": why}).to_string())
}
