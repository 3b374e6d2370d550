//! What verification checks of profiles: that each row agrees with itself, and with the bars that it says it was made from. Rows
//! of the old archive are what they are: `audit legacy-tpo` judges those.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::columns;
use super::compact::remake;
use super::record::{PROFILES, PROFILES_HISTORY};
use super::refusal;
use super::session_record::SessionRecord;
use super::tables;
use crate::Result;
use crate::bars::record::BARS;
use crate::lake::dataset::Dataset;
use crate::lake::layout::PartitionId;
use crate::lake::store::Store;
use crate::lake::verify::{Code, DayView, Decoded, Finding, Remake, Room, Standing, YearView};
use crate::lake::year_index::DayEntry;
use crate::market::{Instruments, SharedClock, Symbol, TradingDate};

/// The room's checks.
#[derive(Debug, Clone, Copy)]
pub struct ProfilesRoom;

impl Room for ProfilesRoom {
    fn day(&self, _: &DayView) -> Vec<Finding> {
        Vec::new()
    }

    fn year(&self, view: &YearView) -> Vec<Finding> {
        let mut findings = Vec::new();
        for dataset in super::DATASETS {
            if let Some(Standing::Whole(decoded)) = view.tables.get(dataset.name) {
                of_table(dataset, view, decoded, &mut findings);
            }
        }
        findings
    }
}

/// Makes a year of profiles again from its bars; a day of them has no partition of its own.
pub struct RemakeProfiles {
    pub store: Store,
    pub instruments: Arc<Instruments>,
    pub clock: SharedClock,
}

impl Remake for RemakeProfiles {
    fn day<'a>(&'a self, symbol: &'a Symbol, date: TradingDate) -> BoxFuture<'a, Result<()>> {
        self.year(symbol, date.year())
    }

    fn year<'a>(&'a self, symbol: &'a Symbol, year: i32) -> BoxFuture<'a, Result<()>> {
        async move { remake(&self.store, &self.instruments, (symbol, year), self.clock.now()).await.map(drop) }.boxed()
    }
}

fn of_table(dataset: &Dataset, view: &YearView, decoded: &Decoded, findings: &mut Vec<Finding>) {
    let key = PartitionId::year(dataset.name, &view.symbol, view.year).data_key();
    let records: Result<Vec<_>> = decoded.batches.iter().map(|batch| columns::records(batch, &view.symbol)).collect();
    let records = match records {
        Ok(records) => records.concat(),
        Err(error) => {
            findings.push(Finding::new(Code::SchemaDiffers, key, error.detail()));
            return;
        }
    };
    if let Some(stray) = records.iter().find(|record| record.date.year() != view.year) {
        findings.push(Finding::new(Code::Misplaced, key.clone(), format!("it has a row of {}", stray.date)));
    }
    let said = &decoded.content.details;
    let refused = refusal::remembered(said);
    if *said != tables::content(dataset, (&view.symbol, view.year), &records, &refused).details {
        let detail = "its record names other rows than it holds";
        findings.push(Finding::new(Code::CountsDiffer, key.clone(), detail));
    }
    for record in records.iter().filter(|record| record.is_computed()) {
        if let Some(wrong) = contradiction(record) {
            let detail = format!("the {} session of {}: {wrong}", record.session, record.date);
            findings.push(Finding::new(Code::LevelsDiffer, key.clone(), detail));
        }
    }
    match dataset.name {
        PROFILES => against_bars(view, &key, &records, findings),
        PROFILES_HISTORY => {
            let original = |record: &&SessionRecord| !record.is_computed();
            for pair in records.iter().filter(original).collect::<Vec<_>>().windows(2) {
                if (pair[0].date, pair[0].session) == (pair[1].date, pair[1].session) {
                    let detail = format!("it has two originals of the {} session of {}", pair[0].session, pair[0].date);
                    findings.push(Finding::new(Code::CountsDiffer, key.clone(), detail));
                }
            }
        }
        _ => {}
    }
}

/// Computed rows against the bars that stand there now.
fn against_bars(view: &YearView, key: &str, records: &[SessionRecord], findings: &mut Vec<Finding>) {
    let Some(bars) = view.days.get(BARS) else { return };
    let bars: BTreeMap<TradingDate, &DayEntry> = bars.iter().map(|day| (day.date, day)).collect();
    let mut told = None;
    for record in records.iter().filter(|record| record.is_computed()) {
        let detail = match bars.get(&record.date) {
            Some(day) if day.sha256 == record.source_sha256 => continue,
            Some(day) => format!(
                "profiles of {} were made from revision {} of its bars, which are at revision {}",
                record.date, record.revision, day.revision
            ),
            None => format!("profiles of {} were made from bars that the lake does not have", record.date),
        };
        // One finding a date.
        if told.replace(record.date) != Some(record.date) {
            findings.push(Finding::new(Code::ProfileStale, key.to_owned(), detail));
        }
    }
}

/// What of a computed row contradicts the rest of it.
pub fn contradiction(record: &SessionRecord) -> Option<String> {
    let (low, high) = (record.session_low, record.session_high);
    let periods = &record.tpo_structure.0;
    let union = |count: usize| {
        let first = &periods[..count];
        let low = first.iter().map(|period| period.low).fold(f64::INFINITY, f64::min);
        (low, first.iter().map(|period| period.high).fold(f64::NEG_INFINITY, f64::max))
    };
    if periods.is_empty() || union(periods.len()) != (low, high) {
        return Some(format!("its range {low}–{high} is not that of its periods"));
    }
    let (val, poc, vah) = (record.value_area_low, record.poc, record.value_area_high);
    if !(val <= poc && poc <= vah) {
        return Some(format!("value area {val}–{vah} does not hold the point of control {poc}"));
    }
    // A row is named by its lowest price, which may lie below the lowest trade.
    let row = record.tick_size.unwrap_or(0.0) * f64::from(record.row_ticks.unwrap_or(1));
    if val <= low - row || vah > high {
        return Some(format!("value area {val}–{vah} is outside the range {low}–{high}"));
    }
    let balance = (record.initial_balance_low, record.initial_balance_high);
    if !(1..=periods.len()).any(|count| union(count) == balance) {
        return Some(format!("initial balance {}–{} is not the range of its first periods", balance.0, balance.1));
    }
    let is_outside = |pair: &&[f64; 2]| pair[0] > pair[1] || pair[0] <= low - row || pair[1] > high;
    let pairs = record.single_prints.iter().chain(&record.tail_high).chain(&record.tail_low);
    if let Some([from, to]) = pairs.into_iter().find(is_outside) {
        return Some(format!("single prints {from}–{to} are outside the range {low}–{high}"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sample::computed;

    #[test]
    fn each_level_out_of_its_place_is_told() {
        let mut sound = computed("2025-01-15", 1);
        sound.tail_low = Some([21_370.0, 21_372.25]);
        assert_eq!(contradiction(&sound), None);
        type Spoil = fn(&mut SessionRecord);
        let wrong: [(Spoil, &str); 6] = [
            (|record| record.poc = 21_430.0, "point of control"),
            (|record| record.session_high = 21_441.0, "its periods"),
            (|record| record.value_area_low = 21_360.0, "outside the range"),
            (|record| record.initial_balance_low = 21_376.0, "initial balance"),
            (|record| record.single_prints.push([21_400.0, 21_500.0]), "single prints"),
            (|record| record.tpo_structure.0.clear(), "its periods"),
        ];
        for (spoil, word) in wrong {
            let mut record = sound.clone();
            spoil(&mut record);
            let told = contradiction(&record);
            assert!(told.as_ref().is_some_and(|told| told.contains(word)), "{word}: {told:?}");
        }
    }
}
