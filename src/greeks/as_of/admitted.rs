//! Which lines of which captures had been received by an instant, and a name for exactly these. Used by [`super`] alone.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use moka::sync::Cache as Memo;
use sha2::{Digest, Sha256};

use super::flights::{Flights, Gate};
use crate::http::context::Context;
use crate::lake::journal::{chunks, parse_line};
use crate::lake::layout::{Key, PartitionId};
use crate::lake::manifest::{Calculation, CaptureRef};
use crate::lake::store::Store;
use crate::market::{Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

/// One capture up to its last admitted line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    pub dataset: String,
    pub id: String,
    /// The latest time of receipt among the admitted lines: all lines received by then are admitted, and no others.
    pub until: DateTime<Utc>,
}

impl Cut {
    pub fn key(&self, symbol: &Symbol, date: TradingDate) -> String {
        let (dataset, id) = (self.dataset.clone(), self.id.clone());
        Key::Capture { dataset, symbol: symbol.clone(), date, id }.to_string()
    }
}

/// What the record alone tells: `cuts` in its order, those whose `until` must still be looked up told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    cuts: Vec<(Cut, bool)>,
    everything: bool,
}

impl Admission {
    pub fn of(captures: &[CaptureRef], instant: DateTime<Utc>) -> Self {
        let mut cuts = Vec::new();
        let mut everything = true;
        for capture in captures {
            // A capture without a line says nothing at any time.
            let (Some(first), Some(last)) = (capture.first_received_at, capture.last_received_at) else { continue };
            if instant < last {
                everything = false;
            }
            if first <= instant {
                let cut = Cut { dataset: capture.dataset.clone(), id: capture.id.clone(), until: last };
                cuts.push((cut, instant < last));
            }
        }
        Self { cuts, everything }
    }

    pub fn is_empty(&self) -> bool {
        self.cuts.is_empty()
    }

    /// Whether every line of every capture is admitted.
    pub fn is_everything(&self) -> bool {
        self.everything
    }
}

/// Exactly which lines are admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    pub captures: Vec<Cut>,
}

impl Admitted {
    /// A name for what is made from these lines by this calculation: the same for the same, another for anything else.
    pub fn key(&self, id: &PartitionId, calculation: &Calculation) -> String {
        let mut text =
            format!("{id}\n{} {} {}\n", calculation.version, calculation.settings, calculation.session_closed);
        for cut in &self.captures {
            text.push_str(&format!("{} {} {}\n", cut.dataset, cut.id, cut.until.timestamp_micros()));
        }
        hex::encode(Sha256::digest(text))
    }
}

/// Times of receipt of captures that were asked about in their middle: microseconds since 1970, each once, ascending.
pub struct Receipts {
    known: Memo<String, Arc<[i64]>>,
    reading: Flights<Arc<[i64]>>,
    gate: Arc<Gate>,
}

impl Receipts {
    pub fn new(max_bytes: u64, gate: Arc<Gate>) -> Self {
        let weigh = |key: &String, times: &Arc<[i64]>| u32::try_from(key.len() + 8 * times.len()).unwrap_or(u32::MAX);
        Self { known: Memo::builder().max_capacity(max_bytes).weigher(weigh).build(), reading: Flights::new(), gate }
    }

    /// Looks up where each capture that was being received at `instant` is cut.
    ///
    /// # Errors
    /// `Overloaded`, `Corrupt`, those of the store.
    pub async fn settle(
        &self,
        context: &Context,
        id: &PartitionId,
        admission: Admission,
        instant: DateTime<Utc>,
    ) -> Result<Admitted> {
        let date = id.period.day().ok_or_else(|| Error::internal("a capture belongs to a day"))?;
        let mut captures = Vec::with_capacity(admission.cuts.len());
        for (mut cut, in_its_middle) in admission.cuts {
            if in_its_middle {
                let times = self.times(&context.store, &cut.key(&id.symbol, date)).await?;
                let by_then = times.partition_point(|time| *time <= instant.timestamp_micros());
                let last = by_then.checked_sub(1).and_then(|at| DateTime::from_timestamp_micros(times[at]));
                cut.until = last.ok_or_else(|| {
                    Error::corrupt(format!(
                        "capture {} was not received when its record says; run `pitlake verify`",
                        cut.id
                    ))
                })?;
            }
            captures.push(cut);
        }
        Ok(Admitted { captures })
    }

    async fn times(&self, store: &Store, key: &str) -> Result<Arc<[i64]>> {
        if let Some(times) = self.known.get(key) {
            return Ok(times);
        }
        let (known, gate, store, key) = (self.known.clone(), Arc::clone(&self.gate), store.clone(), key.to_owned());
        let name = key.clone();
        let read = async move {
            gate.pass(async {
                let bytes = fetch(&store, &key).await?;
                let times = tokio::task::spawn_blocking(move || times_in(bytes))
                    .await
                    .map_err(|error| Error::internal("reading a capture stopped").caused_by(error))??;
                known.insert(key.clone(), Arc::clone(&times));
                Ok(times)
            })
            .await
        };
        self.reading.join(&name, read).await
    }
}

fn times_in(compressed: Bytes) -> Result<Arc<[i64]>> {
    let mut times: Vec<i64> = Vec::new();
    for chunk in chunks(compressed) {
        for line in chunk?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let time = parse_line(line)?.received_at.timestamp_micros();
            if times.last() != Some(&time) {
                times.push(time);
            }
        }
    }
    times.sort_unstable();
    times.dedup();
    Ok(times.into())
}

/// A capture's bytes.
///
/// # Errors
/// `Corrupt` when it is gone: its day's record names it.
pub async fn fetch(store: &Store, key: &str) -> Result<Bytes> {
    match store.get(key).await {
        Ok(object) => Ok(object.bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::corrupt(format!(
            "{key} is gone, and without it nobody can say what was known then; run `pitlake verify`"
        ))
        .caused_by(error)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn capture(id: &str, first: &str, last: &str) -> CaptureRef {
        CaptureRef {
            dataset: "greeks".into(),
            id: id.into(),
            documents: 1,
            rows: 1,
            first_received_at: Some(at(first)),
            last_received_at: Some(at(last)),
        }
    }

    #[test]
    fn what_came_wholly_before_or_after_needs_no_reading() {
        let captures = [
            capture("a", "2025-01-15T15:00:00Z", "2025-01-15T15:00:00Z"),
            capture("b", "2025-01-15T14:00:00Z", "2025-01-15T16:00:00Z"),
            CaptureRef {
                first_received_at: None,
                last_received_at: None,
                ..capture("c", "2025-01-15T15:00:00Z", "2025-01-15T15:00:00Z")
            },
            capture("d", "2025-01-15T15:30:00Z", "2025-01-15T15:30:01Z"),
        ];
        let look = |instant: &str| {
            let admission = Admission::of(&captures, at(instant));
            let cuts: Vec<(String, bool)> =
                admission.cuts.iter().map(|(cut, middle)| (cut.id.clone(), *middle)).collect();
            (cuts, admission.is_everything())
        };
        let cuts =
            |cuts: &[(&str, bool)]| cuts.iter().map(|(id, middle)| ((*id).to_owned(), *middle)).collect::<Vec<_>>();
        assert_eq!(look("2025-01-15T13:59:59.999999Z"), (cuts(&[]), false));
        assert_eq!(look("2025-01-15T14:00:00Z"), (cuts(&[("b", true)]), false));
        assert_eq!(look("2025-01-15T15:00:00Z"), (cuts(&[("a", false), ("b", true)]), false));
        assert_eq!(look("2025-01-15T16:00:00Z"), (cuts(&[("a", false), ("b", false), ("d", false)]), true));
    }

    #[test]
    fn another_cut_another_session_another_capture_have_another_name() {
        let id = PartitionId::day("greeks", &"SPY".parse().unwrap(), "2025-01-15".parse().unwrap());
        let calculation =
            |closed| Calculation { version: "greeks-1".into(), settings: "0".into(), session_closed: closed };
        let cut = |id: &str, until: &str| Cut { dataset: "greeks".into(), id: id.into(), until: at(until) };
        let name = |cuts: Vec<Cut>, closed| Admitted { captures: cuts }.key(&id, &calculation(closed));
        let names = [
            name(vec![cut("a", "2025-01-15T15:00:00Z")], false),
            name(vec![cut("a", "2025-01-15T15:00:00.000001Z")], false),
            name(vec![cut("a", "2025-01-15T15:00:00Z")], true),
            name(vec![cut("b", "2025-01-15T15:00:00Z")], false),
            name(vec![cut("a", "2025-01-15T15:00:00Z"), cut("b", "2025-01-15T15:00:00Z")], false),
        ];
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn times_are_read_from_every_line() {
        let line =
            |second: u32, body: &str| format!("{{\"received_at\":\"2025-01-15T15:00:{second:02}.000000Z\",{body}}}\n");
        let note = r#""refused":{"code":"not_json","place":"document 2, line 2","reason":"x"}"#;
        let text =
            [line(9, r#""document":{}"#), line(9, r#""document":{}"#), line(4, note), line(30, r#""document":{}"#)]
                .concat();
        let times = times_in(Bytes::from(zstd::encode_all(text.as_bytes(), 1).unwrap())).unwrap();
        let second = 1_736_953_200_000_000; // 2025-01-15T15:00:00Z
        assert_eq!(*times, [second + 4_000_000, second + 9_000_000, second + 30_000_000]);
    }
}
