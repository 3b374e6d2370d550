//! The HTTP routes of this room: a day's strike level, its latest minute, its sums; over many days the range, the screen and the
//! export. They read the question, open the partitions and hand rows to `http::format`; they compute nothing.

mod aggregate;
mod asked;
pub mod capture;
mod day;
mod export;
mod live;
mod past;
mod range;
mod screen;

use axum::Extension;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::as_of::AsOf;
use super::live::Live;
use super::record::{GREEKS, GREEKS_BY_DAY};
use crate::http::context::Context;
use crate::http::stored::day_members;
use crate::http::year_tables::MadeFrom;
use crate::lake::head::Head;
use crate::market::{Instrument, TradingDate};

/// The years' tables of day statistics.
const YEARS: MadeFrom = MadeFrom { table: GREEKS_BY_DAY, days: GREEKS };

/// This room's routes; `live` is where listeners are.
pub fn router(live: Live) -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(day::day))
        .routes(routes!(day::latest))
        .routes(routes!(aggregate::aggregate))
        .routes(routes!(range::range))
        .routes(routes!(screen::screen))
        .routes(routes!(export::export))
        .merge(OpenApiRouter::new().routes(routes!(live::live)).layer(Extension(live)))
        .layer(Extension(AsOf::default()))
}

/// The members of a JSON answer before `data`.
pub(super) fn envelope(
    instrument: &Instrument,
    date: TradingDate,
    head: &Head,
) -> Vec<(&'static str, serde_json::Value)> {
    let mut members = day_members(instrument, date, head);
    if let Some(formula) = head.content.details.get("formula") {
        members.push(("formula", formula.clone()));
    }
    members
}
