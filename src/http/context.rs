//! What every route works with, put together once by the server. Rooms take it as their router's state.

use std::sync::Arc;

use crate::engine::Engine;
use crate::http::metrics::Metrics;
use crate::lake::cache::{Cache, Freshness};
use crate::lake::head::Partitions;
use crate::lake::indexes::Indexes;
use crate::lake::store::Store;
use crate::market::{Instrument, Instruments, SessionKind, SharedClock, TradingDate};

use super::problem::{Problem, ProblemType, shortened};

/// Shared by all routes; cloning is cheap.
#[derive(Clone)]
pub struct Context {
    pub store: Store,
    pub instruments: Arc<Instruments>,
    pub clock: SharedClock,
    pub cache: Cache,
    pub indexes: Indexes,
    pub partitions: Partitions,
    pub engine: Engine,
    pub metrics: Arc<Metrics>,
}

impl Context {
    /// The instrument of a path's symbol or alias.
    ///
    /// # Errors
    /// 400 when it is not a symbol at all, 404 `unknown-symbol` when nobody knows it.
    pub fn instrument(&self, symbol: &str) -> Result<Arc<Instrument>, Problem> {
        if let Some(instrument) = self.instruments.resolve(symbol) {
            return Ok(Arc::clone(instrument));
        }
        match symbol.parse::<crate::market::Symbol>() {
            Ok(symbol) => Err(Problem::new(
                ProblemType::UnknownSymbol,
                format!(
                    "{symbol} is not known; GET /api/v1/symbols lists what is, and _config/instruments.toml of the lake adds more"
                ),
            )),
            Err(error) => Err(Problem::parameter("symbol", error.detail())),
        }
    }

    /// A path's date.
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub fn date(&self, date: &str) -> Result<TradingDate, Problem> {
        date.parse().map_err(|_| {
            let given = shortened(date, 40);
            let is_word = !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            let elsewhere = if is_word { ", and no question that is answered here; /docs lists what is" } else { "" };
            Problem::parameter("date", format!("'{given}' is not a date{elsewhere}; write one as 2025-01-15"))
        })
    }

    /// How long what is known of a day may be repeated: a day of which any session is open changes by the minute.
    pub fn freshness(&self, instrument: &Instrument, date: TradingDate) -> Freshness {
        let mut closes = SessionKind::ALL
            .into_iter()
            .filter_map(|kind| instrument.session_of_kind(date, kind))
            .map(|session| session.close);
        let open = closes.any(|close| close > self.clock.now());
        if open { Freshness::Open } else { Freshness::Settled }
    }

    /// The 404 for a day without a partition: closed, or missing.
    pub fn no_such_day(&self, dataset: &str, instrument: &Instrument, date: TradingDate) -> Problem {
        let symbol = &instrument.symbol;
        if let Some(reason) = instrument.closed_because(date) {
            let next = instrument.next_session_date(date);
            let detail = format!("{symbol} has no session on {date} ({reason}); the next one is {next}");
            return Problem::new(ProblemType::ClosedDay, detail).with("next_session", next.to_string());
        }
        let detail = format!(
            "the lake has no {dataset} of {symbol} for {date}; GET /api/v1/{dataset}/{symbol}/coverage shows what it has"
        );
        Problem::new(ProblemType::MissingDay, detail)
    }
}
