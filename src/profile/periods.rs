//! From bars to the periods of a session: which bars count, which letter each belongs to, and what was traded in between. Called by
//! the engine; it never splits a bar, so that no price is put where it may not have traded.

use chrono::{DateTime, Utc};

use crate::bars::Bar;
use crate::market::{Session, Ticks};
use crate::{Error, Result};

/// What one letter saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// 0 is the one that begins with the session.
    pub at: usize,
    pub high: Ticks,
    pub low: Ticks,
}

/// First and last price of some hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    pub open: Ticks,
    pub close: Ticks,
}

/// The part of a session that is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Minutes since 1970 of opening and close.
    pub open: i64,
    pub close: i64,
    pub period_minutes: u32,
    /// No bar that ends after this minute counts.
    pub until: i64,
}

impl Window {
    pub fn new(session: Session, period_minutes: u32, until: Option<DateTime<Utc>>) -> Self {
        let until = until.map_or(i64::MAX, minute_of);
        Self { open: minute_of(session.open), close: minute_of(session.close), period_minutes, until }
    }

    /// Whole minutes that can have bars.
    pub fn minutes(self) -> u32 {
        u32::try_from(self.until.min(self.close) - self.open).unwrap_or(0)
    }

    fn period_of(self, minute: i64) -> usize {
        // Only called from opening to close.
        ((minute - self.open) / i64::from(self.period_minutes)) as usize
    }
}

/// The bars of a window, by period.
#[derive(Debug)]
pub(super) struct Gathered<'b> {
    pub bars: Vec<&'b Bar>,
    /// Those that traded, in order.
    pub periods: Vec<Period>,
    pub ends: Ends,
    pub minutes_seen: u32,
}

/// Sorts out the bars of `window`; `None` when it has none.
///
/// # Errors
/// `Invalid` (`bars_too_coarse`) when a bar reaches over the session's edge or from one period into another, (`bars_overlap`)
/// when two bars tell of the same minute, (`bars_malformed`) for a bar that cannot be one.
pub(super) fn gather(bars: &[Bar], window: Window) -> Result<Option<Gathered<'_>>> {
    let count =
        usize::try_from(window.close - window.open).unwrap_or(0).div_ceil(window.period_minutes.max(1) as usize);
    let mut periods: Vec<Option<Period>> = vec![None; count];
    let mut inside = Vec::with_capacity(bars.len());
    let mut seen = Minutes::new(window);
    let (mut first, mut last): (Option<&Bar>, Option<&Bar>) = (None, None);
    for bar in bars {
        let (start, end) = (bar.start_minute, bar.end_minute());
        if end <= window.open || start >= window.close || end > window.until {
            continue;
        }
        check(bar)?;
        if start < window.open || end > window.close {
            return Err(too_coarse(bar, "reaches over the session's edge"));
        }
        let at = window.period_of(start);
        if window.period_of(end - 1) != at {
            return Err(too_coarse(
                bar,
                &format!("reaches from one {}-minute period into another", window.period_minutes),
            ));
        }
        if !seen.take(start, end) {
            return Err(Error::invalid(format!(
                "bars_overlap: two bars hold the minutes from {} on; keep one of them",
                bar.start().format("%Y-%m-%dT%H:%MZ")
            )));
        }
        let period = periods[at].get_or_insert(Period { at, high: bar.high, low: bar.low });
        period.high = period.high.max(bar.high);
        period.low = period.low.min(bar.low);
        if first.is_none_or(|first| start < first.start_minute) {
            first = Some(bar);
        }
        if last.is_none_or(|last| start > last.start_minute) {
            last = Some(bar);
        }
        inside.push(bar);
    }
    let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
    Ok(Some(Gathered {
        bars: inside,
        periods: periods.into_iter().flatten().collect(),
        ends: Ends { open: first.open, close: last.close },
        minutes_seen: seen.count,
    }))
}

/// First and last price of the bars that lie wholly in `window`. `None` without any, and when a bar reaches over its edge: then
/// nobody can say.
pub(super) fn ends(bars: &[Bar], window: Window) -> Option<Ends> {
    let touching = bars.iter().filter(|bar| {
        bar.end_minute() > window.open && bar.start_minute < window.close && bar.end_minute() <= window.until
    });
    let (mut first, mut last): (Option<&Bar>, Option<&Bar>) = (None, None);
    for bar in touching {
        if bar.start_minute < window.open || bar.end_minute() > window.close {
            return None;
        }
        if first.is_none_or(|first| bar.start_minute < first.start_minute) {
            first = Some(bar);
        }
        if last.is_none_or(|last| bar.start_minute > last.start_minute) {
            last = Some(bar);
        }
    }
    Some(Ends { open: first?.open, close: last?.close })
}

fn minute_of(t: DateTime<Utc>) -> i64 {
    t.timestamp().div_euclid(60)
}

fn check(bar: &Bar) -> Result<()> {
    let ordered = bar.low <= bar.open.min(bar.close) && bar.high >= bar.open.max(bar.close);
    if bar.minutes > 0 && ordered && bar.volume.is_finite() && bar.volume >= 0.0 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "bars_malformed: the bar of {} has no length, a price outside its low and high, or a volume below zero; mend the \
         source and ingest it again",
        bar.start().format("%Y-%m-%dT%H:%MZ")
    )))
}

fn too_coarse(bar: &Bar, how: &str) -> Error {
    Error::invalid(format!(
        "bars_too_coarse: the {}-minute bar of {} {how}, so nobody can say when its prices were traded; ingest shorter bars",
        bar.minutes,
        bar.start().format("%Y-%m-%dT%H:%MZ")
    ))
}

/// The minutes of a session that bars told of.
struct Minutes {
    open: i64,
    taken: Vec<u64>,
    count: u32,
}

impl Minutes {
    fn new(window: Window) -> Self {
        let minutes = usize::try_from(window.close - window.open).unwrap_or(0);
        Self { open: window.open, taken: vec![0; minutes.div_ceil(64)], count: 0 }
    }

    /// Whether nothing was told of any of them before.
    fn take(&mut self, start: i64, end: i64) -> bool {
        for minute in start..end {
            let at = (minute - self.open) as usize;
            let bit = 1 << (at % 64);
            if self.taken[at / 64] & bit != 0 {
                return false;
            }
            self.taken[at / 64] |= bit;
            self.count += 1;
        }
        true
    }
}
