//! Questions over many days: from which date to which, and what every answer must say of each day in between, in every format. Called
//! by routes that take `start` and `end`; coverage uses the same rules for days without a partition.
//!
//! A JSON answer begins with `days`. The others, and JSON too, carry headers: `Pitlake-Condition` is the worst that a session in
//! the span is in: `missing`, else `degraded`, else `pending`, else `available` (days without a session do not count).
//! `Pitlake-Revision` is the stored days' revision, or `lowest-highest` where they differ. `Pitlake-Missing-Days`,
//! `Pitlake-Degraded-Days`, `Pitlake-Pending-Days` and `Pitlake-Closed-Days` name the days, with commas, and are left out when
//! there are none; past [`MOST_LISTED`] dates a list ends in `...+K`, K more.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::context::Context;
use super::params::Params;
use super::problem::{Problem, ProblemType};
use crate::lake::cache::Freshness;
use crate::lake::manifest::Condition;
use crate::lake::unstored::unstored;
use crate::market::{Instrument, TradingDate};

/// A span of more days than this is cut into several questions by the caller.
pub const MOST_DAYS: usize = 366 * 30;
/// Dates in one header: proxies take a few kilobytes of headers in all.
pub const MOST_LISTED: usize = 50;

pub const CONDITION: HeaderName = HeaderName::from_static("pitlake-condition");
pub const REVISION: HeaderName = HeaderName::from_static("pitlake-revision");
const MISSING: HeaderName = HeaderName::from_static("pitlake-missing-days");
const DEGRADED: HeaderName = HeaderName::from_static("pitlake-degraded-days");
const PENDING: HeaderName = HeaderName::from_static("pitlake-pending-days");
const CLOSED: HeaderName = HeaderName::from_static("pitlake-closed-days");

/// Dates from `start` to `end`, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: TradingDate,
    pub end: TradingDate,
}

impl Span {
    /// `start` and `end` of a question, both required.
    ///
    /// # Errors
    /// 400 that names the parameter: one is missing, not a date, before the other, or too far from it.
    pub fn of(params: &Params) -> Result<Self, Problem> {
        const EXPECTED: &str = "a date as YYYY-MM-DD; start and end are both inclusive";
        params.required("start", EXPECTED)?;
        params.required("end", EXPECTED)?;
        let (Some(start), Some(end)) = (params.date("start")?, params.date("end")?) else {
            return Err(Problem::parameter("start", "start and end must be given"));
        };
        Self::between(start, end)
    }

    /// The dates from `start` to `end`.
    ///
    /// # Errors
    /// 400 that names `end`: it is before `start`, or too far from it.
    pub fn between(start: TradingDate, end: TradingDate) -> Result<Self, Problem> {
        in_order(start, end)?;
        let days = i64::from(end.days_since_epoch()) - i64::from(start.days_since_epoch()) + 1;
        if usize::try_from(days).is_ok_and(|days| days > MOST_DAYS) {
            return Err(too_many());
        }
        Ok(Self { start, end })
    }

    pub fn dates(self) -> impl Iterator<Item = TradingDate> {
        std::iter::successors(Some(self.start), move |date| (*date < self.end).then(|| date.next_day()))
    }

    pub fn years(self) -> RangeInclusive<i32> {
        self.start.year()..=self.end.year()
    }

    pub fn contains(self, date: TradingDate) -> bool {
        self.start <= date && date <= self.end
    }

    /// How long what is known of a year's objects may be repeated to who asks for this span: the year that holds the open day
    /// changes by the minute.
    pub fn freshness(self, context: &Context, instrument: &Instrument, year: i32) -> Freshness {
        let today = instrument.trading_date_of(context.clock.now());
        if today.year() == year && self.contains(today) {
            context.freshness(instrument, today)
        } else {
            Freshness::Settled
        }
    }
}

/// # Errors
/// 400 when `end` is before `start`.
pub fn in_order(start: TradingDate, end: TradingDate) -> Result<(), Problem> {
    if end < start {
        return Err(Problem::parameter("end", format!("end {end} is before start {start}; both are inclusive")));
    }
    Ok(())
}

/// The refusal of a span of more than [`MOST_DAYS`].
pub fn too_many() -> Problem {
    Problem::parameter("end", format!("more than {MOST_DAYS} days are asked for; ask for fewer years at once"))
}

/// One date of an answer over many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanDay {
    pub date: TradingDate,
    pub condition: Condition,
    /// Of the partition that was read; none where there is none.
    pub revision: Option<u32>,
}

/// Every date of a span, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanDays(Vec<SpanDay>);

impl SpanDays {
    /// `stored` are the days that the answer is made from, with condition and revision.
    ///
    /// # Errors
    /// 404 when none of the span is stored: `closed-day` when there was no session at all, else `missing-day`.
    pub fn of(
        context: &Context,
        (dataset, instrument): (&str, &Instrument),
        span: Span,
        stored: impl Iterator<Item = (TradingDate, Condition, u32)>,
    ) -> Result<Self, Problem> {
        let days = Self::told(context, instrument, span, stored);
        if days.0.iter().any(|day| day.revision.is_some()) {
            return Ok(days);
        }
        let (symbol, Span { start, end }) = (&instrument.symbol, span);
        let coverage = format!("GET /api/v1/{dataset}/{symbol}/coverage shows what the lake has");
        if days.0.iter().all(|day| day.condition == Condition::Closed) {
            let next = instrument.next_session_date(end);
            let detail = format!("{symbol} has no session from {start} to {end}; the next one is {next}; {coverage}");
            return Err(Problem::new(ProblemType::ClosedDay, detail).with("next_session", next.to_string()));
        }
        let detail = format!("the lake has no {dataset} of {symbol} from {start} to {end}; {coverage}");
        Err(Problem::new(ProblemType::MissingDay, detail))
    }

    /// As [`SpanDays::of`], for an answer that may be empty.
    pub fn told(
        context: &Context,
        instrument: &Instrument,
        span: Span,
        stored: impl Iterator<Item = (TradingDate, Condition, u32)>,
    ) -> Self {
        let stored: BTreeMap<_, _> = stored.map(|(date, condition, revision)| (date, (condition, revision))).collect();
        let day = |date| match stored.get(&date) {
            Some((condition, revision)) => SpanDay { date, condition: *condition, revision: Some(*revision) },
            None => {
                SpanDay { date, condition: unstored(instrument, date, context.clock.now()).condition, revision: None }
            }
        };
        Self(span.dates().map(day).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = &SpanDay> {
        self.0.iter()
    }

    /// The first member of a JSON answer.
    pub fn member(&self) -> (&'static str, Value) {
        let day = |day: &SpanDay| json!({"date": day.date, "condition": day.condition, "revision": day.revision});
        ("days", self.0.iter().map(day).collect())
    }

    /// The headers that every format carries.
    pub fn put_on(&self, headers: &mut HeaderMap) {
        headers.insert(CONDITION, HeaderValue::from_static(self.worst().as_str()));
        let revisions = || self.0.iter().filter_map(|day| day.revision);
        if let (Some(low), Some(high)) = (revisions().min(), revisions().max()) {
            let text = if low == high { low.to_string() } else { format!("{low}-{high}") };
            headers.extend(HeaderValue::try_from(text).ok().map(|value| (REVISION, value)));
        }
        for (name, condition) in [
            (MISSING, Condition::Missing),
            (DEGRADED, Condition::Degraded),
            (PENDING, Condition::Pending),
            (CLOSED, Condition::Closed),
        ] {
            let listed = self.listed(condition);
            if !listed.is_empty() {
                headers.extend(HeaderValue::try_from(listed).ok().map(|value| (name, value)));
            }
        }
    }

    fn worst(&self) -> Condition {
        let order = [Condition::Missing, Condition::Degraded, Condition::Pending];
        let worst = order.into_iter().find(|condition| self.0.iter().any(|day| day.condition == *condition));
        worst.unwrap_or(Condition::Available)
    }

    fn listed(&self, condition: Condition) -> String {
        let dates: Vec<TradingDate> =
            self.0.iter().filter(|day| day.condition == condition).map(|day| day.date).collect();
        let mut text: Vec<String> = dates.iter().take(MOST_LISTED).map(TradingDate::to_string).collect();
        if dates.len() > MOST_LISTED {
            text.push(format!("...+{}", dates.len() - MOST_LISTED));
        }
        text.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(conditions: &[(Condition, Option<u32>)]) -> SpanDays {
        let first: TradingDate = "2025-01-06".parse().unwrap();
        let dates = std::iter::successors(Some(first), |date| Some(date.next_day()));
        let day = |(date, (condition, revision)): (TradingDate, &(Condition, Option<u32>))| SpanDay {
            date,
            condition: *condition,
            revision: *revision,
        };
        SpanDays(dates.zip(conditions).map(day).collect())
    }

    fn headers(days: &SpanDays) -> BTreeMap<String, String> {
        let mut headers = HeaderMap::new();
        days.put_on(&mut headers);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    #[test]
    fn the_worst_session_names_the_condition() {
        use Condition::{Available, Closed, Degraded, Missing, Pending};
        for (conditions, worst) in [
            (&[Available, Closed][..], "available"),
            (&[Available, Pending], "pending"),
            (&[Pending, Degraded, Available], "degraded"),
            (&[Degraded, Missing, Pending], "missing"),
        ] {
            let days = days(&conditions.iter().map(|condition| (*condition, Some(1))).collect::<Vec<_>>());
            assert_eq!(headers(&days)["pitlake-condition"], worst);
        }
    }

    #[test]
    fn every_condition_has_its_list() {
        use Condition::{Available, Closed, Degraded, Missing, Pending};
        let days = days(&[
            (Available, Some(1)),
            (Missing, None),
            (Degraded, Some(3)),
            (Missing, None),
            (Closed, None),
            (Pending, Some(1)),
        ]);
        let found = headers(&days);
        let expected = [
            ("pitlake-closed-days", "2025-01-10"),
            ("pitlake-condition", "missing"),
            ("pitlake-degraded-days", "2025-01-08"),
            ("pitlake-missing-days", "2025-01-07,2025-01-09"),
            ("pitlake-pending-days", "2025-01-11"),
            ("pitlake-revision", "1-3"),
        ];
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_long_list_says_how_much_is_left_out() {
        let mut conditions = vec![(Condition::Missing, None); 52];
        conditions.push((Condition::Available, Some(1)));
        let listed = &headers(&days(&conditions))["pitlake-missing-days"];
        // The fiftieth day from 2025-01-06 is 2025-02-24.
        assert!(listed.starts_with("2025-01-06,2025-01-07,") && listed.ends_with(",2025-02-24,...+2"), "{listed}");
        assert_eq!(listed.split(',').count(), 51);
    }

    #[test]
    fn a_span_has_both_its_ends() {
        let span = |query: &str| Span::of(&Params::parse(Some(query), &["start", "end"]).unwrap());
        let dates: Vec<String> =
            span("start=2024-12-30&end=2025-01-02").unwrap().dates().map(|date| date.to_string()).collect();
        assert_eq!(dates, ["2024-12-30", "2024-12-31", "2025-01-01", "2025-01-02"]);
        assert_eq!(span("start=2025-01-02&end=2025-01-02").unwrap().dates().count(), 1);
        for (query, blamed) in [
            ("start=2025-01-02", "end"),
            ("end=2025-01-02", "start"),
            ("start=2025-01-02&end=2025-01-01", "end"),
            ("start=1900-01-01&end=2199-01-01", "end"),
            ("start=x&end=2025-01-01", "start"),
        ] {
            assert_eq!(span(query).unwrap_err().blamed_parameter(), Some(blamed), "{query}");
        }
    }
}
