//! How far to trust a day of exposures: every check, its rule and the reason code it gives. Pure; called by compaction
//! with the very rows that are published.
//!
//! | code | degrades | rule |
//! |---|---|---|
//! | `missing_minutes` | yes | a session minute without a row (on an open day: up to the last minute seen) |
//! | `refused_input` | yes | a document refused at ingest |
//! | `outliers` | yes | a value at least ten times both its neighbours in time, see [`outliers`] |
//! | `strike_coverage` | yes | a minute whose strikes of an expiration (0 when it is not there) are a fifth off the day's median |
//! | `open_interest_near_zero` | yes | a chain saved before its open interest was there |
//! | `chain_rows_unused` | no | rows of a chain that say too little (expired, no open interest, no volatility) |
//! | `duplicates` | no | rows that a later row of the same minute superseded |
//! | `late_documents` | no | documents that came after a later minute of their expiration |
//! | `outside_session` | no | rows outside the session, kept but not counted |

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::formula::open_interest_near_zero;
use super::record::Greek;
use super::rollup::MinuteSum;
use super::rows::{Row, Said};
use crate::lake::manifest::{Gap, Reason};
use crate::market::{Session, TradingDate};

/// A manifest lists at most so many findings of a kind; the count is always whole.
const LISTED: usize = 200;
/// Both neighbours must be exceeded this many times over.
const SPIKE_FACTOR: i64 = 10;
/// Rows looked at on either side; all but one of them must be exceeded as often.
const SPIKE_AROUND: usize = 5;
/// Below this many dollars a value is noise whatever its neighbours are.
const SPIKE_FLOOR_USD: i64 = 1_000_000;
/// In the last hour of an expiring option a strike's gamma really does come and go within a minute.
const SPIKE_QUIET_MINUTES: i64 = 90;
/// Share of the day's median by which a minute's strikes may differ.
const COVERAGE_TOLERANCE: f64 = 0.2;
/// With fewer minutes or strikes than this there is no usual number to differ from.
const COVERAGE_MINUTES: usize = 10;
const COVERAGE_STRIKES: i64 = 10;

/// One value that stands out from its neighbours in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outlier {
    pub timestamp: DateTime<Utc>,
    pub expiration: TradingDate,
    pub strike: f64,
    pub greek: String,
    pub value: i64,
    pub before: i64,
    pub after: i64,
}

/// One minute with unusually few or many strikes of an expiration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoverageJump {
    pub timestamp: DateTime<Utc>,
    pub expiration: TradingDate,
    pub strikes: i64,
    pub usual: i64,
}

/// Everything the checks found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    pub minutes_expected: u32,
    pub minutes_seen: u32,
    pub gaps: Vec<Gap>,
    pub outside_session: u64,
    pub outliers: Vec<Outlier>,
    pub coverage: Vec<CoverageJump>,
    pub reasons: Vec<Reason>,
}

/// Runs every check.
pub fn check(
    said: &Said,
    rows: &[Row],
    duplicates: u64,
    sums: &[MinuteSum],
    session: Option<&Session>,
    closed: bool,
) -> Findings {
    let span = session.map(|session| (session.open.timestamp() / 60, session.close.timestamp() / 60));
    let inside = |minute: i64| span.is_some_and(|(open, close)| open <= minute && minute < close);
    let seen = minutes_seen(sums, span);
    let mut findings = Findings {
        minutes_expected: session.map_or(0, Session::minutes),
        minutes_seen: u32::try_from(seen.iter().filter(|seen| **seen).count()).unwrap_or(u32::MAX),
        gaps: session.map(|session| gaps(session, &seen, said, closed)).unwrap_or_default(),
        outside_session: rows.iter().filter(|row| !inside(row.minute())).count() as u64,
        outliers: outliers(rows, session),
        coverage: coverage(sums, inside),
        reasons: Vec::new(),
    };
    findings.reasons = reasons(&findings, said, duplicates);
    findings.outliers.truncate(LISTED);
    findings.coverage.truncate(LISTED);
    findings
}

fn minutes_seen(sums: &[MinuteSum], span: Option<(i64, i64)>) -> Vec<bool> {
    let Some((open, close)) = span else { return Vec::new() };
    let mut seen = vec![false; usize::try_from(close - open).unwrap_or_default()];
    for sum in sums.iter().filter(|sum| open <= sum.minute && sum.minute < close) {
        seen[usize::try_from(sum.minute - open).unwrap_or_default()] = true;
    }
    seen
}

fn gaps(session: &Session, seen: &[bool], said: &Said, closed: bool) -> Vec<Gap> {
    let judged = if closed { seen.len() } else { seen.iter().rposition(|seen| *seen).map_or(0, |last| last + 1) };
    let mut gaps = Vec::new();
    let mut at = 0;
    for run in seen[..judged].chunk_by(|a, b| a == b) {
        if !run[0] {
            let minute = |at: usize| session.open + chrono::TimeDelta::minutes(i64::try_from(at).unwrap_or_default());
            let (start, end) = (minute(at), minute(at + run.len()));
            let refused = said.notes.iter().any(|note| note.timestamp.is_some_and(|time| start <= time && time < end));
            gaps.push(Gap {
                start,
                end,
                minutes: u32::try_from(run.len()).unwrap_or(u32::MAX),
                cause: if refused { "refused_input" } else { "no_data_received" }.to_owned(),
            });
        }
        at += run.len();
    }
    gaps
}

/// Isolated spikes: a value whose magnitude is at least ten times that of both neighbours, one minute before and one
/// after, at least ten times that of all but one of the ten minutes around it, and above a floor. A level that really
/// moves does not come back within a minute; a wrong decimal point, a mixed-up contract or a double count does. The
/// ten minutes are there because vanna and charm cross zero near the money: while spot stays at a strike they are small for
/// minutes, and a step of spot makes one of them large with nothing wrong. One of the ten may be a spike itself. Not
/// judged in the last 90 minutes of an expiring option, where gamma at one strike truly appears and vanishes as spot
/// passes it.
fn outliers(rows: &[Row], session: Option<&Session>) -> Vec<Outlier> {
    let mut found = Vec::new();
    for series in rows.chunk_by(|a, b| a.series() == b.series()) {
        let quiet_from = session
            .filter(|session| session.date.days_since_epoch() == series[0].expiration())
            .map(|session| session.close.timestamp() / 60 - SPIKE_QUIET_MINUTES);
        for at_row in 1..series.len().saturating_sub(1) {
            let (before, this, after) = (&series[at_row - 1], &series[at_row], &series[at_row + 1]);
            if this.minute() - before.minute() != 1
                || after.minute() - this.minute() != 1
                || quiet_from.is_some_and(|quiet| this.minute() >= quiet)
            {
                continue;
            }
            for (at, greek) in Greek::ALL.into_iter().enumerate() {
                let (Some(before), Some(value), Some(after)) = (before.greek(at), this.greek(at), after.greek(at))
                else {
                    continue;
                };
                let usual = before.abs().max(after.abs());
                if value.abs() >= SPIKE_FLOOR_USD
                    && value.abs() / SPIKE_FACTOR >= usual
                    && value.abs() / SPIKE_FACTOR >= usual_around(series, at_row, at)
                {
                    found.push(Outlier {
                        timestamp: instant(this.minute()),
                        expiration: date(this.expiration()),
                        strike: this.strike(),
                        greek: greek.name().to_owned(),
                        value,
                        before,
                        after,
                    });
                }
            }
        }
    }
    found.sort_by(|a, b| {
        (a.timestamp, a.expiration).cmp(&(b.timestamp, b.expiration)).then(a.strike.total_cmp(&b.strike))
    });
    found
}

/// The second largest magnitude of a greek over the minutes around a row, the row itself left out.
fn usual_around(series: &[Row], at_row: usize, greek: usize) -> i64 {
    let around = at_row.saturating_sub(SPIKE_AROUND)..(at_row + SPIKE_AROUND + 1).min(series.len());
    let mut magnitudes: Vec<i64> =
        around.filter(|at| *at != at_row).filter_map(|at| series[at].greek(greek)).map(i64::abs).collect();
    magnitudes.sort_unstable();
    magnitudes.len().checked_sub(2).map_or(0, |second| magnitudes[second])
}

/// Minutes whose number of strikes of an expiration is off its median of the day; an expiration that is missing in a minute
/// that others have counts as 0 strikes. Not judged: expirations said in fewer than half of the minutes between their
/// first and their last, which are snapshots beside a feed.
fn coverage(sums: &[MinuteSum], inside: impl Fn(i64) -> bool) -> Vec<CoverageJump> {
    let mut seen = Vec::new();
    let mut by_expiration: BTreeMap<i32, BTreeMap<i64, i64>> = BTreeMap::new();
    for sum in sums.iter().filter(|sum| inside(sum.minute)) {
        if seen.last() != Some(&sum.minute) {
            seen.push(sum.minute);
        }
        by_expiration.entry(sum.expiration).or_default().insert(sum.minute, sum.strikes);
    }
    let mut found = Vec::new();
    for (expiration, minutes) in by_expiration {
        let mut strikes: Vec<i64> = minutes.values().copied().collect();
        strikes.sort_unstable();
        let usual = strikes[strikes.len() / 2];
        let (first, last) = (minutes.keys().next(), minutes.keys().next_back());
        let span = seen.iter().filter(|minute| first <= Some(minute) && Some(*minute) <= last).count();
        if minutes.len() < COVERAGE_MINUTES || usual < COVERAGE_STRIKES || minutes.len() * 2 < span {
            continue;
        }
        let tolerated = (usual as f64 * COVERAGE_TOLERANCE) as i64;
        for minute in &seen {
            let strikes = minutes.get(minute).copied().unwrap_or(0);
            if (strikes - usual).abs() > tolerated {
                found.push(CoverageJump { timestamp: instant(*minute), expiration: date(expiration), strikes, usual });
            }
        }
    }
    found.sort_by_key(|jump| (jump.timestamp, jump.expiration));
    found
}

fn reasons(findings: &Findings, said: &Said, duplicates: u64) -> Vec<Reason> {
    let missing: u64 = findings.gaps.iter().map(|gap| u64::from(gap.minutes)).sum();
    let refused = said.notes.len() as u64;
    let unused = said.formulas.iter().map(|report| report.refused).sum();
    let dead = said.formulas.iter().filter(|report| open_interest_near_zero(report)).count() as u64;
    let expected = findings.minutes_expected;
    let all = [
        (missing, true, "missing_minutes", format!("{missing} of {expected} session minutes have no row")),
        (
            refused,
            true,
            "refused_input",
            format!("{refused} documents of the input were refused and are kept with their reasons"),
        ),
        (
            findings.outliers.len() as u64,
            true,
            "outliers",
            "values at least ten times both neighbours in time".to_owned(),
        ),
        (
            findings.coverage.len() as u64,
            true,
            "strike_coverage",
            "minutes whose number of strikes is a fifth off the day's median".to_owned(),
        ),
        (
            dead,
            true,
            "open_interest_near_zero",
            "a chain was saved before its open interest was there: its exposures are near zero and mean nothing"
                .to_owned(),
        ),
        (
            unused,
            false,
            "chain_rows_unused",
            "rows of a chain that say too little to be used, kept with their reasons".to_owned(),
        ),
        (
            duplicates,
            false,
            "duplicates",
            "rows superseded by a later one of the same minute, expiration and strike".to_owned(),
        ),
        (
            said.late_documents,
            false,
            "late_documents",
            "documents that came after a later minute of their expiration".to_owned(),
        ),
        (
            findings.outside_session,
            false,
            "outside_session",
            "rows outside the session, kept but not counted".to_owned(),
        ),
    ];
    all.into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, degrades, code, detail)| Reason { code: code.to_owned(), count, degrades, detail })
        .collect()
}

/// Documents refused at ingest and chain rows the formula could not use.
pub fn refused(said: &Said) -> u64 {
    said.notes.len() as u64 + said.formulas.iter().map(|report| report.refused).sum::<u64>()
}

fn instant(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minute * 60, 0).unwrap_or_default()
}

fn date(days: i32) -> TradingDate {
    TradingDate::from(chrono::NaiveDate::from_epoch_days(days).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(minutes: impl IntoIterator<Item = (i64, i32)>, strikes: i64) -> Vec<MinuteSum> {
        let sum = |(minute, expiration)| MinuteSum { minute, expiration, spot: None, greeks: [None; 3], strikes };
        let mut sums: Vec<MinuteSum> = minutes.into_iter().map(sum).collect();
        sums.sort_by_key(|sum| (sum.minute, sum.expiration));
        sums
    }

    #[test]
    fn an_expiration_that_is_missing_for_an_hour_is_noticed() {
        let whole = (0..390).map(|minute| (minute, 1));
        let hole = (0..390).filter(|minute| !(100..160).contains(minute)).map(|minute| (minute, 2));
        let found = coverage(&sums(whole.chain(hole), 300), |_| true);
        assert_eq!(found.len(), 60);
        assert_eq!((found[0].timestamp, found[0].strikes, found[0].usual), (instant(100), 0, 300));
        assert!(found.iter().all(|jump| jump.expiration == date(2)));
    }

    #[test]
    fn an_expiration_that_ends_early_is_noticed_and_a_snapshot_beside_a_feed_is_not() {
        let whole = (0..390).map(|minute| (minute, 1));
        let ended = (0..300).map(|minute| (minute, 2));
        let snapshots = (0..390).step_by(30).map(|minute| (minute, 3));
        let found = coverage(&sums(whole.chain(ended).chain(snapshots), 300), |_| true);
        assert_eq!(found.len(), 90);
        assert!(found.iter().all(|jump| jump.expiration == date(2) && jump.strikes == 0));
    }

    #[test]
    fn a_day_with_every_strike_in_every_minute_has_no_jump() {
        let minutes = (0..390).flat_map(|minute| [(minute, 1), (minute, 2)]);
        assert!(coverage(&sums(minutes, 300), |_| true).is_empty());
    }
}
