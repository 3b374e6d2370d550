//! Compaction that goes on: each round brings the open days up to date with what came since the last one, and late captures
//! with them. Run by `compact --follow` ([`follow`], for every room), and by whoever receives captures in the same process. Holds nothing that cannot be
//! had again from the captures: kill it anywhere, start another.
//!
//! What a round looks at: the symbols that have captures (one listing of folders per source), and of each the captures from
//! [`RECENT_DAYS`] days ago on (one listing that starts there, so that it costs the same on a lake of ten years). A day is
//! compacted when its captures or its session's having closed differ from what was compacted last. Captures for older days
//! are found by a sweep over everything, at the start and then [once an hour](SWEEP_EVERY); of a backlog only
//! [some](BACKLOG_AT_ONCE) days are done between two looks at the present. A day that failed because the store did is owed
//! until it is done; one whose captures are damaged waits until they change, or for the next sweep.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::compactor::{Compactor, Outcome, Years, add_to_years, copy};
use super::plan::{Day, Selection};
use super::shelf::Shelf;
use crate::lake::layout::{Key, prefix};
use crate::market::{Symbol, TradingDate};
use crate::{ErrorKind, Result};

/// Calendar days before the present one whose captures are looked at in every round.
const RECENT_DAYS: usize = 7;
/// How long a capture for an older day may go unnoticed.
const SWEEP_EVERY: TimeDelta = TimeDelta::hours(1);
/// Older days that are compacted in one round.
const BACKLOG_AT_ONCE: usize = 16;
/// Listings at a time.
const LISTINGS: usize = 8;

/// What was listed of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    /// The same for the same captures, in whatever order they are listed.
    captures: u128,
    bytes: u64,
    closed: bool,
}

/// A day as it was compacted last.
#[derive(Debug, Clone, Copy)]
struct Known {
    seen: Seen,
    /// It could not be, and will not before something changes.
    failed: bool,
}

/// Compacts one room's captures again and again. What it remembers of a day that is done takes about a hundred bytes; the parsed captures of open
/// days take at most the compactor's `memory_bytes`, days beside each other as much again while they are made.
pub struct Follower {
    compactor: Compactor,
    selection: Selection,
    shelf: Shelf,
    known: HashMap<Day, Known>,
    owed: BTreeMap<Day, Seen>,
    /// When each symbol was swept last.
    swept: HashMap<Symbol, DateTime<Utc>>,
    /// The earliest date that a symbol is known to have new captures for.
    heard: HashMap<Symbol, TradingDate>,
}

impl Follower {
    pub fn new(compactor: Compactor, selection: Selection) -> Self {
        let most = compactor.options.memory_bytes;
        Self::with_shelf(compactor, selection, most)
    }

    /// The same, with another bound on the parsed captures of open days, in bytes.
    pub fn with_shelf(compactor: Compactor, selection: Selection, most_bytes: u64) -> Self {
        let shelf = Shelf::new(most_bytes);
        let (known, owed, swept, heard) = (HashMap::new(), BTreeMap::new(), HashMap::new(), HashMap::new());
        Self { compactor, selection, shelf, known, owed, swept, heard }
    }

    /// A capture of that day was put just now: the next round looks at it, be it as old as it may.
    pub fn heard_of(&mut self, symbol: &Symbol, date: TradingDate) {
        let earliest = self.heard.entry(symbol.clone()).or_insert(date);
        *earliest = date.min(*earliest);
    }

    /// The parsed captures it holds.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Whether there is work left that should not wait for the next period.
    pub fn has_backlog(&self) -> bool {
        let now = self.compactor.clock.now();
        self.owed.keys().any(|day| day.date < self.recent(&day.symbol, now))
    }

    /// One round: looks for what came, compacts it, and gives what became of each partition. What fails does not stop the
    /// rest and is tried again.
    pub async fn round(&mut self) -> Vec<Result<Outcome>> {
        let mut outcomes = self.look().await;
        let now = self.compactor.clock.now();
        let (recent, mut older): (Vec<_>, Vec<_>) = self
            .owed
            .iter()
            .map(|(day, seen)| (day.clone(), *seen))
            .partition(|(day, _)| day.date >= self.recent(&day.symbol, now));
        older.sort_by_key(|(day, _)| std::cmp::Reverse(day.date));
        older.truncate(BACKLOG_AT_ONCE);
        let wanted: Vec<(Day, Seen)> = recent.into_iter().chain(older).collect();
        let days: Vec<(Day, u64)> = wanted.iter().map(|(day, seen)| (day.clone(), seen.bytes)).collect();
        let mut years = Years::new();
        let mut done = BTreeSet::new();
        for (day, result) in self.compactor.days(&days, Some(&self.shelf), &|_| ()).await {
            match result {
                Ok(published) => {
                    outcomes.extend(published.iter().map(|published| Ok(Outcome::of(published))));
                    add_to_years(&mut years, &day, &published);
                    done.insert(day);
                }
                Err(error) => {
                    self.put_off(&day, error.kind());
                    outcomes.push(Err(error));
                }
            }
        }
        for ((symbol, year), manifests) in years {
            let of_year = self.compactor.year(&symbol, year, &manifests).await;
            if let Some(Err(error)) = of_year.iter().find(|outcome| outcome.is_err()) {
                tracing::warn!(%symbol, year, %error, "a year was not brought up to date");
                // Its days are looked at again, and with them the year.
                done.retain(|day| day.symbol != symbol || day.date.year() != year);
            }
            outcomes.extend(of_year);
        }
        for (day, seen) in wanted.into_iter().filter(|(day, _)| done.contains(day)) {
            self.owed.remove(&day);
            self.known.insert(day, Known { seen, failed: false });
        }
        outcomes
    }

    /// Days that failed because of what they hold wait for a change; the others are owed.
    fn put_off(&mut self, day: &Day, kind: ErrorKind) {
        if matches!(kind, ErrorKind::Corrupt | ErrorKind::Invalid | ErrorKind::Internal)
            && let Some(seen) = self.owed.remove(day)
        {
            self.known.insert(day.clone(), Known { seen, failed: true });
        }
    }

    /// Notes which days have captures that were not compacted yet; gives what could not be listed.
    async fn look(&mut self) -> Vec<Result<Outcome>> {
        let now = self.compactor.clock.now();
        let (symbols, mut failed) = match self.symbols().await {
            Ok(symbols) => (symbols, Vec::new()),
            Err(error) => return vec![Err(error)],
        };
        let listings = symbols.into_iter().map(|(symbol, sources)| {
            let due = self.swept.get(&symbol).is_none_or(|swept| now - *swept >= SWEEP_EVERY || now < *swept);
            let recent = self.recent(&symbol, now);
            let from = (!due).then(|| self.heard.get(&symbol).map_or(recent, |heard| recent.min(*heard)));
            (symbol, sources, from)
        });
        let listings: Vec<_> = listings.collect();
        let this = &*self;
        let listed: Vec<_> = stream::iter(listings)
            .map(|(symbol, sources, from)| async move {
                let days = this.listed(&symbol, &sources, from, now).await;
                (symbol, from.is_none(), days)
            })
            .buffer_unordered(LISTINGS)
            .collect()
            .await;
        for (symbol, is_sweep, days) in listed {
            let days = match days {
                Ok(days) => days,
                Err(error) => {
                    failed.push(Err(copy(&error).while_doing(format!("looking for captures of {symbol}"))));
                    continue;
                }
            };
            self.heard.remove(&symbol);
            if is_sweep {
                self.swept.insert(symbol, now);
            }
            for (day, seen) in days {
                let is_done = |known: &Known| known.seen == seen && !(known.failed && is_sweep);
                if !self.known.get(&day).is_some_and(is_done) {
                    self.owed.insert(day, seen);
                }
            }
        }
        failed
    }

    /// The symbols that have captures, each with the sources that have them.
    async fn symbols(&self) -> Result<BTreeMap<Symbol, Vec<&'static str>>> {
        let mut symbols: BTreeMap<Symbol, Vec<&'static str>> = BTreeMap::new();
        for &source in self.compactor.recipe.sources() {
            if let Some(symbol) = &self.selection.symbol {
                symbols.entry(symbol.clone()).or_default().push(source);
                continue;
            }
            let folders = self.compactor.store.list_folders(&prefix::captures(source)).await?;
            for symbol in folders.iter().filter_map(|folder| prefix::symbol_of(folder)) {
                symbols.entry(symbol).or_default().push(source);
            }
        }
        Ok(symbols)
    }

    /// The days of a symbol that have captures, from a date on or all.
    async fn listed(
        &self,
        symbol: &Symbol,
        sources: &[&'static str],
        from: Option<TradingDate>,
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<Day, Seen>> {
        let mut days: BTreeMap<Day, Seen> = BTreeMap::new();
        for source in sources {
            let store = &self.compactor.store;
            let under = prefix::captures_of(source, symbol);
            let mut listing = match from {
                Some(date) => store.list_after(&under, &prefix::captures_before(source, symbol, date)),
                None => store.list(&under),
            };
            while let Some(object) = listing.try_next().await? {
                if let Ok(Key::Capture { symbol, date, id, .. }) = object.key.parse()
                    && self.selection.admits(&symbol, date)
                {
                    let seen = days.entry(Day { symbol, date }).or_default();
                    seen.captures = seen.captures.wrapping_add(fingerprint(source, &id));
                    seen.bytes += object.size;
                }
            }
        }
        let instrument = self.compactor.instruments.get(symbol);
        for (day, seen) in &mut days {
            let is_closed = |instrument| self.compactor.recipe.is_closed(instrument, day.date, now);
            seen.closed = instrument.is_none_or(|instrument| is_closed(instrument));
        }
        Ok(days)
    }

    /// The first of the days that every round looks at.
    fn recent(&self, symbol: &Symbol, now: DateTime<Utc>) -> TradingDate {
        let instrument = self.compactor.instruments.get(symbol);
        let today = instrument.map_or_else(|| now.date_naive().into(), |instrument| instrument.trading_date_of(now));
        (0..RECENT_DAYS).fold(today, |date, _| date.prev_day())
    }
}

/// Goes round for every room, one after the other, every `every`, counted from the start of a round, until `shutdown`. `told` hears
/// of each partition.
///
/// # Errors
/// Those of `told`.
pub async fn follow(
    mut followers: Vec<Follower>,
    every: Duration,
    shutdown: impl Future<Output = ()>,
    mut told: impl FnMut(&Result<Outcome>) -> Result<()>,
) -> Result<()> {
    let mut period = tokio::time::interval(every);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut shutdown = std::pin::pin!(shutdown);
    let mut hurry = false;
    loop {
        // A round that is broken off is as good as killed: what it did stands, the rest is found again.
        let outcomes = tokio::select! {
            () = &mut shutdown => return Ok(()),
            outcomes = async {
                if !hurry {
                    period.tick().await;
                }
                let mut outcomes = Vec::new();
                for follower in &mut followers {
                    outcomes.extend(follower.round().await);
                }
                outcomes
            } => outcomes,
        };
        // A store that is down is not asked without a pause.
        hurry = followers.iter().any(Follower::has_backlog) && outcomes.iter().all(Result::is_ok);
        outcomes.iter().try_for_each(&mut told)?;
    }
}

/// 128 bits of a sha256: sums of them differ for any two sets of captures that differ.
fn fingerprint(source: &str, id: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest(format!("{source}/{id}")).into();
    digest.iter().take(16).fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}
