//! What the captures of a day and the spool's segments hold, by digest: so that a document said twice is told from a new
//! one. Bounded: days that were not asked about for long are forgotten, and read from the store again when needed. Pure.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::Home;
use crate::lake::journal::DocumentDigest;

/// Digests kept, about 100 MB; days that wait in the spool are kept beyond it.
const MOST: usize = 3_000_000;
/// After captures could not be read, posts do without for so long: a store that is away is so for every day.
const PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct Day {
    /// Ids of the captures whose documents are in `stored`.
    captures: HashSet<String>,
    stored: HashSet<DocumentDigest>,
    /// On this disk, not yet in the store.
    spooled: HashSet<DocumentDigest>,
    loaded: bool,
    used: u64,
}

/// All days that are remembered.
#[derive(Debug, Default)]
pub struct Known {
    days: HashMap<Home, Day>,
    uses: u64,
    /// When captures could last not be read.
    failed_at: Option<Instant>,
}

impl Known {
    fn day(&mut self, home: &Home) -> &mut Day {
        self.uses += 1;
        let uses = self.uses;
        if !self.days.contains_key(home) {
            self.days.insert(home.clone(), Day::default());
        }
        let day = self.days.entry(home.clone()).or_default();
        day.used = uses;
        day
    }

    /// Notes that a document is being written down; false when it is there already.
    pub fn spool(&mut self, home: &Home, digest: DocumentDigest) -> bool {
        let day = self.day(home);
        !day.stored.contains(&digest) && day.spooled.insert(digest)
    }

    /// Takes back what was not written down after all.
    pub fn unspool(&mut self, home: &Home, digest: &DocumentDigest) {
        self.day(home).spooled.remove(digest);
    }

    /// Of what the spool held of this day something is lost: whatever is said again is written down again. What was there
    /// after all is found when it is sealed.
    pub fn doubt(&mut self, home: &Home) {
        if let Some(day) = self.days.get_mut(home) {
            day.spooled.clear();
        }
    }

    /// Whether a capture holds the document.
    pub fn is_stored(&self, home: &Home, digest: &DocumentDigest) -> bool {
        self.days.get(home).is_some_and(|day| day.stored.contains(digest))
    }

    /// A segment's documents have become captures.
    pub fn store(&mut self, home: &Home, digests: impl IntoIterator<Item = DocumentDigest>) {
        let day = self.day(home);
        for digest in digests {
            day.spooled.remove(&digest);
            day.stored.insert(digest);
        }
    }

    /// Whether a post should wait for the day's captures to be read.
    pub fn wants_loading(&self, home: &Home, now: Instant) -> bool {
        self.failed_at.is_none_or(|at| now - at >= PAUSE) && self.days.get(home).is_none_or(|day| !day.loaded)
    }

    pub fn loading_failed(&mut self, now: Instant) {
        self.failed_at = Some(now);
    }

    /// Which of these captures are still to be read.
    pub fn unread(&self, home: &Home, mut captures: Vec<(String, String)>) -> Vec<(String, String)> {
        if let Some(day) = self.days.get(home) {
            captures.retain(|(id, _)| !day.captures.contains(id));
        }
        captures
    }

    /// A capture has been read.
    pub fn read(&mut self, home: &Home, id: String, digests: HashSet<DocumentDigest>) {
        let day = self.day(home);
        day.captures.insert(id);
        day.stored.extend(digests);
    }

    /// All captures of the day have been read.
    pub fn loaded(&mut self, home: &Home) {
        self.day(home).loaded = true;
    }

    /// Forgets days until the bound is kept: those that were not used for longest, and never one that waits in the spool.
    pub fn forget(&mut self) {
        self.forget_beyond(MOST);
    }

    fn forget_beyond(&mut self, most: usize) {
        let size = |day: &Day| day.stored.len() + day.spooled.len();
        let mut total: usize = self.days.values().map(size).sum();
        let mut idle: Vec<(u64, Home)> = self
            .days
            .iter()
            .filter(|(_, day)| day.spooled.is_empty())
            .map(|(home, day)| (day.used, home.clone()))
            .collect();
        idle.sort();
        for (_, home) in idle {
            if total <= most {
                break;
            }
            total -= self.days.remove(&home).map_or(0, |day| size(&day));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(date: &str) -> Home {
        Home { dataset: "greeks".into(), symbol: "SPY".parse().unwrap(), date: date.parse().unwrap() }
    }

    #[test]
    fn a_document_is_new_once() {
        let (mut known, day) = (Known::default(), home("2025-01-15"));
        assert!(known.spool(&day, [1; 16]));
        assert!(!known.spool(&day, [1; 16]));
        assert!(known.spool(&home("2025-01-16"), [1; 16]), "another day's is another document");
        known.unspool(&day, &[1; 16]);
        assert!(known.spool(&day, [1; 16]), "taken back: it may come again");
        known.store(&day, [[1; 16]]);
        assert!(known.is_stored(&day, &[1; 16]));
        assert!(!known.spool(&day, [1; 16]));
        known.read(&day, "c1".into(), HashSet::from([[2; 16]]));
        assert!(!known.spool(&day, [2; 16]));
        assert_eq!(known.unread(&day, vec![("c1".into(), "k1".into()), ("c2".into(), "k2".into())]).len(), 1);
    }

    #[test]
    fn days_are_forgotten_oldest_first_and_never_what_waits() {
        let mut known = Known::default();
        for (at, date) in ["2025-01-13", "2025-01-14", "2025-01-15", "2025-01-16"].iter().enumerate() {
            known.read(&home(date), "c".into(), (0..10).map(|n| [n + 10 * at as u8; 16]).collect());
            known.loaded(&home(date));
        }
        known.spool(&home("2025-01-13"), [99; 16]);
        known.spool(&home("2025-01-14"), [98; 16]);
        known.unspool(&home("2025-01-14"), &[98; 16]);
        known.forget_beyond(25);
        let left = |date: &str| {
            known.is_stored(
                &home(date),
                &[match date {
                    "2025-01-13" => 0,
                    "2025-01-14" => 10,
                    "2025-01-15" => 20,
                    _ => 30,
                }; 16],
            )
        };
        assert_eq!(["2025-01-13", "2025-01-14", "2025-01-15", "2025-01-16"].map(left), [true, true, false, false]);
        assert!(known.wants_loading(&home("2025-01-15"), Instant::now()));
        assert!(!known.wants_loading(&home("2025-01-14"), Instant::now()));
    }

    #[test]
    fn a_store_that_fails_for_one_day_is_left_alone_for_all() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.loaded(&home("2025-01-13"));
        assert!(known.wants_loading(&home("2025-01-14"), now));
        known.loading_failed(now);
        let later = |seconds| now + Duration::from_secs(seconds);
        assert!(!known.wants_loading(&home("2025-01-14"), now));
        assert!(!known.wants_loading(&home("2025-01-15"), later(9)));
        assert!(known.wants_loading(&home("2025-01-15"), later(10)));
        assert!(!known.wants_loading(&home("2025-01-13"), later(10)), "it has been read");
    }
}
