//! Typed questions that add rows up, and their SQL. Called by the routes, and by everything else that wants the same answer.
//! Sums are int64 in every format; nothing is ever summed over time.

use std::sync::Arc;

use super::record::Greek;
use super::select::Filter;
use crate::engine::{Param, Question, Source};
use crate::lake::cache::CachedFile;

/// What an aggregate has one row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Per timestamp.
    Minute,
    /// Per timestamp and expiration.
    Expiration,
    /// Per timestamp and strike.
    Strike,
}

impl By {
    pub const CHOICES: [(&'static str, By); 3] =
        [("minute", By::Minute), ("expiration", By::Expiration), ("strike", By::Strike)];

    pub fn name(self) -> &'static str {
        match self {
            By::Minute => "minute",
            By::Expiration => "expiration",
            By::Strike => "strike",
        }
    }

    fn keys(self) -> &'static str {
        match self {
            By::Minute => "timestamp",
            By::Expiration => "timestamp, expiration",
            By::Strike => "timestamp, strike",
        }
    }
}

/// Sums of one day.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    pub by: By,
    pub filter: Filter,
}

impl Aggregate {
    /// Whether the minute sums hold enough to answer: nothing about strikes is asked.
    pub fn from_minutes(&self) -> bool {
        let filter = &self.filter;
        self.by != By::Strike && filter.strike.is_none() && filter.strike_min.is_none() && filter.strike_max.is_none()
    }

    /// The question to the engine. `day` is the strike level, needed unless [`Self::from_minutes`]; `minutes` the minute sums,
    /// which know the spot.
    ///
    /// Columns: the keys, the sums of the greeks asked for, `strikes` (rows that were added up), `spot`. A sum over nothing known
    /// is null. A minute's spot is that of its nearest expiration that has one; by expiration it is that expiration's own.
    pub fn question(&self, day: Option<Arc<CachedFile>>, minutes: Arc<CachedFile>) -> Question {
        let mut params = Vec::new();
        let conditions = self.conditions(&mut params);
        let question = match day {
            // Every row of the day may have to be looked at: all threads.
            Some(day) => Question::large(self.added_up("{day}", "count(*)::BIGINT", &conditions))
                .over("day", Source::File(day))
                .over("minutes", Source::File(minutes)),
            None => {
                let question = Question::small(self.over_sums(&conditions)).over("minutes", Source::HotTable(minutes));
                // A plain scan gains nothing from the optimizer, and without it DuckDB keeps the plan.
                if self.joins() { question } else { question.as_written() }
            }
        };
        params.into_iter().fold(question, Question::with)
    }

    /// SQL over the minute sums alone, as little of it as will do: it is asked most.
    fn over_sums(&self, conditions: &str) -> String {
        match self.by {
            By::Expiration => format!(
                "SELECT timestamp, expiration, {}strikes, spot FROM {{minutes}} {conditions} ORDER BY timestamp, expiration",
                self.columns()
            ),
            By::Minute if !self.joins() => format!(
                "SELECT timestamp, {}sum(strikes)::BIGINT AS strikes, arg_min(spot, expiration) AS spot \
                 FROM {{minutes}} {conditions} GROUP BY timestamp ORDER BY timestamp",
                self.sums()
            ),
            By::Minute | By::Strike => self.added_up("{minutes}", "sum(strikes)::BIGINT", conditions),
        }
    }

    fn joins(&self) -> bool {
        self.by == By::Strike || (self.by == By::Minute && self.filter.expiration.is_some())
    }

    /// SQL that adds up `rows`, with the spot from the minute sums. The join also leaves out what the minute sums leave out:
    /// rows outside the session.
    fn added_up(&self, rows: &str, counted: &str, conditions: &str) -> String {
        let keys = self.by.keys();
        let (spots, spot_keys) = match self.by {
            By::Expiration => ("SELECT timestamp, expiration, spot FROM {minutes}", "timestamp, expiration"),
            By::Minute | By::Strike => {
                ("SELECT timestamp, arg_min(spot, expiration) AS spot FROM {minutes} GROUP BY timestamp", "timestamp")
            }
        };
        format!(
            "SELECT {keys}, {columns}strikes, spot \
             FROM (SELECT {keys}, {sums}{counted} AS strikes FROM {rows} {conditions} GROUP BY {keys}) AS sums \
             JOIN ({spots}) AS spots USING ({spot_keys}) \
             ORDER BY {keys}",
            columns = self.columns(),
            sums = self.sums(),
        )
    }

    fn columns(&self) -> String {
        self.greeks().iter().map(|greek| format!("{}, ", greek.column())).collect()
    }

    fn sums(&self) -> String {
        self.greeks().iter().map(|greek| format!("sum({0})::BIGINT AS {0}, ", greek.column())).collect()
    }

    fn greeks(&self) -> Vec<Greek> {
        let asked = |greek: &Greek| self.filter.greeks.as_ref().is_none_or(|asked| asked.contains(greek));
        Greek::ALL.into_iter().filter(asked).collect()
    }

    fn conditions(&self, params: &mut Vec<Param>) -> String {
        let filter = &self.filter;
        let mut conditions = Vec::new();
        let mut add = |condition: &'static str, param: Option<Param>| {
            if let Some(param) = param {
                conditions.push(condition);
                params.push(param);
            }
        };
        add("expiration = ?", filter.expiration.map(Param::Date));
        add("strike = ?", filter.strike.map(Param::F64));
        add("strike >= ?", filter.strike_min.map(Param::F64));
        add("strike <= ?", filter.strike_max.map(Param::F64));
        add("timestamp >= ?", filter.from_us.map(Param::Timestamp));
        add("timestamp < ?", filter.to_us.map(Param::Timestamp));
        if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) }
    }
}
