//! What only the archive as a whole can tell of one record: copies of the same session, the usual volume, the prices of the
//! sessions before and after. Holds some hundred bytes a record.

use std::collections::{BTreeMap, HashMap};

use super::audit::Found;
use super::code::{Verdict, verdict};
use super::field::Field;
use super::identity::Identity;
use crate::market::{SessionKind, TradingDate};

/// Which file, which record of it.
pub type Place = (u32, u32);
/// Sessions on either side that a price is held against.
const NEIGHBOURS: usize = 5;
/// Fewer are no measure.
const ENOUGH: usize = 3;

/// What the archive says of one record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OfArchive {
    /// Median volume of the symbol's sessions of that kind, when there are enough.
    pub usual_volume: Option<f64>,
    /// The first copy with the same values, if this is not it.
    pub same_as: Option<String>,
    /// A copy with other values, and the fields that differ.
    pub conflicts_with: Option<(String, Vec<Field>)>,
    /// Median of the middles of the sessions before, and after, when both are far from its own.
    pub strange_beside: Option<(Option<f64>, Option<f64>)>,
}

/// What is kept of a record.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    symbol: String,
    date: TradingDate,
    kind: SessionKind,
    index: u32,
    prints: [u32; Field::ALL.len()],
    volume: Option<f64>,
    middle: Option<f64>,
}

#[derive(Debug, Default)]
struct Kept {
    place: Place,
    prints: [u32; Field::ALL.len()],
    volume: Option<f64>,
    middle: Option<f64>,
}

type Series = BTreeMap<TradingDate, Vec<Kept>>;

#[derive(Debug, Default)]
pub struct Survey {
    series: HashMap<(String, SessionKind), Series>,
    usual_volume: HashMap<(String, SessionKind), f64>,
    strange: HashMap<Place, (Option<f64>, Option<f64>)>,
    other_files: Vec<u32>,
}

impl Survey {
    /// What is to be kept of a file's records: of those whose session is known.
    pub(super) fn entries(found: &[Found]) -> Vec<Entry> {
        let entry = |found: &Found| {
            if verdict(&found.findings) == Verdict::Rejected {
                return None;
            }
            let (symbol, date, kind) = found.identity.key()?;
            let record = &found.record;
            Some(Entry {
                symbol: symbol.to_owned(),
                date,
                kind,
                index: found.original.index,
                prints: record.prints(),
                volume: record.volume,
                middle: record.session_high.zip(record.session_low).map(|(high, low)| (high + low) / 2.0),
            })
        };
        found.iter().filter_map(entry).collect()
    }

    pub(super) fn add(&mut self, file: u32, entries: Vec<Entry>) {
        for entry in entries {
            let Entry { symbol, date, kind, index, prints, volume, middle } = entry;
            let series = self.series.entry((symbol, kind)).or_default();
            let copies = series.entry(date).or_default();
            // Nearly always the only one.
            copies.reserve_exact(1);
            copies.push(Kept { place: (file, index), prints, volume, middle });
        }
    }

    pub(super) fn add_other(&mut self, file: u32) {
        self.other_files.push(file);
    }

    pub fn other_files(&self) -> &[u32] {
        &self.other_files
    }

    /// To be called once, when all is added.
    pub(super) fn settle(&mut self) {
        for (key, series) in &self.series {
            let volumes = series.values().flatten().filter_map(|kept| kept.volume).filter(|volume| *volume > 0.0);
            if let Some(median) = median(volumes.collect()) {
                self.usual_volume.insert(key.clone(), median);
            }
            // One middle a date: copies are no neighbours of each other.
            let days: Vec<(Option<f64>, &Vec<Kept>)> =
                series.values().map(|kept| (kept.first().and_then(|kept| kept.middle), kept)).collect();
            for (at, (_, kept)) in days.iter().enumerate() {
                let middles = |range: std::ops::Range<usize>| {
                    median(
                        days[range].iter().filter_map(|(middle, _)| *middle).filter(|middle| *middle > 0.0).collect(),
                    )
                };
                let before = middles(at.saturating_sub(NEIGHBOURS)..at);
                let after = middles(at + 1..(at + 1 + NEIGHBOURS).min(days.len()));
                if before.is_none() && after.is_none() {
                    continue;
                }
                for kept in *kept {
                    let Some(middle) = kept.middle.filter(|middle| *middle > 0.0) else { continue };
                    let far = |usual: f64| middle > 2.0 * usual || middle < usual / 2.0;
                    if before.is_none_or(far) && after.is_none_or(far) {
                        self.strange.insert(kept.place, (before, after));
                    }
                }
            }
        }
    }

    /// What the archive says of the record at `place`; `name` gives a place its name.
    pub(super) fn of(&self, place: Place, identity: &Identity, name: impl Fn(Place) -> String) -> OfArchive {
        let Some((symbol, date, kind)) = identity.key() else { return OfArchive::default() };
        let key = (symbol.to_owned(), kind);
        let mut of = OfArchive {
            usual_volume: self.usual_volume.get(&key).copied(),
            strange_beside: self.strange.get(&place).copied(),
            ..OfArchive::default()
        };
        let copies = self.series.get(&key).and_then(|series| series.get(&date)).map_or(&[][..], Vec::as_slice);
        let Some(own) = copies.iter().find(|kept| kept.place == place) else { return of };
        let first = copies.iter().find(|kept| kept.prints == own.prints);
        of.same_as = first.filter(|kept| kept.place != place).map(|kept| name(kept.place));
        of.conflicts_with = copies.iter().find(|kept| kept.prints != own.prints).map(|kept| {
            let differs = Field::ALL.into_iter().zip(kept.prints.iter().zip(&own.prints));
            (name(kept.place), differs.filter(|(_, (a, b))| a != b).map(|(field, _)| field).collect())
        });
        of
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    if values.len() < ENOUGH {
        return None;
    }
    values.sort_by(f64::total_cmp);
    Some(values[values.len() / 2])
}
