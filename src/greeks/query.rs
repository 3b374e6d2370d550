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
        let keys = self.by.keys();
        let mut sums = String::new();
        for greek in self.greeks() {
            let column = greek.column();
            sums.push_str(&format!("sum({column})::BIGINT AS {column}, "));
        }
        let mut params = Vec::new();
        let (rows, counted) = match day {
            Some(_) => ("{day}", "count(*)::BIGINT"),
            None => ("{minutes}", "sum(strikes)::BIGINT"),
        };
        let conditions = self.conditions(&mut params);
        let spots = match self.by {
            By::Expiration => "SELECT timestamp, expiration, spot FROM {minutes}",
            By::Minute | By::Strike => "SELECT timestamp, arg_min(spot, expiration) AS spot FROM {minutes} GROUP BY timestamp",
        };
        let spot_keys = if self.by == By::Expiration { "timestamp, expiration" } else { "timestamp" };
        let sql = format!(
            "SELECT {keys}, {columns}strikes, spot \
             FROM (SELECT {keys}, {sums}{counted} AS strikes FROM {rows} {conditions} GROUP BY {keys}) AS sums \
             LEFT JOIN ({spots}) AS spots USING ({spot_keys}) \
             ORDER BY {keys}",
            columns = self.greeks().iter().map(|greek| format!("{}, ", greek.column())).collect::<String>(),
        );
        let mut question = match day {
            // Every row of the day may have to be looked at: all threads.
            Some(day) => Question::large(sql).over("day", Source::File(day)).over("minutes", Source::File(minutes)),
            None => Question::small(sql).over("minutes", Source::HotTable(minutes)),
        };
        for param in params {
            question = question.with(param);
        }
        question
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
