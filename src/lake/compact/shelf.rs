//! Parsed captures of days that are compacted again and again, in memory within a bound. Whatever is not here is parsed
//! again: losing any of it costs time and nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::plan::Day;
use super::recipe::Parsed;

/// Shared by the days that are compacted side by side.
pub struct Shelf {
    max_bytes: u64,
    days: Mutex<Days>,
}

#[derive(Default)]
struct Days {
    held: HashMap<Day, Held>,
    uses: u64,
    bytes: u64,
}

#[derive(Default)]
struct Held {
    /// By dataset and id.
    parts: HashMap<(String, String), Arc<dyn Parsed>>,
    bytes: u64,
    last_used: u64,
}

impl Shelf {
    pub fn new(max_bytes: u64) -> Self {
        Self { max_bytes, days: Mutex::default() }
    }

    /// The parsed capture, if it is still here.
    pub fn get(&self, day: &Day, dataset: &str, id: &str) -> Option<Arc<dyn Parsed>> {
        let mut days = self.days.lock();
        days.uses += 1;
        let now = days.uses;
        let held = days.held.get_mut(day)?;
        held.last_used = now;
        held.parts.get(&(dataset.to_owned(), id.to_owned())).cloned()
    }

    /// Keeps what was parsed of a day; days that were not asked for the longest make room, this one last.
    pub fn keep(&self, day: &Day, parts: impl IntoIterator<Item = Arc<dyn Parsed>>) {
        let mut days = self.days.lock();
        let days = &mut *days;
        days.uses += 1;
        let held = days.held.entry(day.clone()).or_default();
        held.last_used = days.uses;
        for part in parts {
            let bytes = part.bytes();
            let name = (part.capture().dataset.clone(), part.capture().id.clone());
            if held.parts.insert(name, part).is_none() {
                held.bytes += bytes;
                days.bytes += bytes;
            }
        }
        while days.bytes > self.max_bytes {
            let oldest = days.held.iter().min_by_key(|(_, held)| held.last_used).map(|(day, _)| day.clone());
            let Some(gone) = oldest else { break };
            tracing::debug!(symbol = %gone.symbol, date = %gone.date, "parsed captures make room");
            days.forget(&gone);
        }
    }

    /// Lets go of a day.
    pub fn forget(&self, day: &Day) {
        self.days.lock().forget(day);
    }

    /// Bytes held, by estimate.
    pub fn bytes(&self) -> u64 {
        self.days.lock().bytes
    }

    /// Days of which anything is held.
    pub fn days(&self) -> usize {
        self.days.lock().held.len()
    }
}

impl Days {
    fn forget(&mut self, day: &Day) {
        if let Some(held) = self.held.remove(day) {
            self.bytes -= held.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::manifest::CaptureRef;

    struct Part(CaptureRef);

    impl Parsed for Part {
        fn capture(&self) -> &CaptureRef {
            &self.0
        }

        fn bytes(&self) -> u64 {
            1000
        }
    }

    fn day(symbol: &str) -> Day {
        Day { symbol: symbol.parse().unwrap(), date: "2025-01-15".parse().unwrap() }
    }

    fn part(id: &str) -> Arc<dyn Parsed> {
        let (dataset, id) = ("greeks".to_owned(), id.to_owned());
        let (first_received_at, last_received_at) = (None, None);
        Arc::new(Part(CaptureRef { dataset, id, documents: 0, rows: 0, first_received_at, last_received_at }))
    }

    #[test]
    fn the_day_not_asked_for_the_longest_makes_room() {
        let one = part("a").bytes();
        let shelf = Shelf::new(3 * one);
        shelf.keep(&day("SPY"), [part("a")]);
        shelf.keep(&day("QQQ"), [part("a")]);
        assert!(shelf.get(&day("SPY"), "greeks", "a").is_some());
        shelf.keep(&day("IWM"), [part("a"), part("b")]);
        assert!(shelf.get(&day("QQQ"), "greeks", "a").is_none(), "asked for before SPY was");
        assert!(shelf.get(&day("SPY"), "greeks", "a").is_some());
        assert!(shelf.get(&day("IWM"), "greeks", "b").is_some());
        assert_eq!((shelf.bytes(), shelf.days()), (3 * one, 2));
        shelf.keep(&day("IWM"), [part("a")]);
        assert_eq!(shelf.bytes(), 3 * one, "the same capture is counted once");
        shelf.forget(&day("IWM"));
        assert_eq!(shelf.bytes(), one);
    }

    #[test]
    fn a_day_beyond_the_bound_is_not_kept() {
        let shelf = Shelf::new(part("a").bytes() - 1);
        shelf.keep(&day("SPY"), [part("a")]);
        assert_eq!((shelf.bytes(), shelf.days()), (0, 0));
    }
}
