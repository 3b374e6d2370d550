//! The HTTP routes of this room: a day's strike level, its latest minute, its sums; over many days the range, the screen and the
//! export. They read the question, open the partitions and hand rows to `http::format`; they compute nothing.

mod aggregate;
mod asked;
pub mod capture;
mod day;
mod export;
mod live;
mod many;
mod past;
mod range;
mod screen;
mod year_tables;

use std::sync::Arc;

use axum::Extension;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, HeaderValue};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::as_of::AsOf;
use super::live::Live;
use crate::http::context::Context;
use crate::http::format::{Encoding, Format};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::span::{CONDITION, REVISION};
use crate::lake::cache::CachedFile;
use crate::lake::head::Head;
use crate::market::{Instrument, TradingDate};
use crate::{Error, ErrorKind};

pub use day::no_day_at_all;

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

/// How the caller wants the answer.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    format: Format,
    encoding: Encoding,
}

impl Wanted {
    fn of(params: &Params, headers: &HeaderMap) -> Result<Self, Problem> {
        let format = Format::wanted(params, headers)?;
        // Parquet is compressed inside already.
        let encoding = if format == Format::Parquet { Encoding::Identity } else { Encoding::wanted(headers) };
        Ok(Self { format, encoding })
    }
}

/// The members of a JSON answer before `data`.
pub(super) fn envelope(
    instrument: &Instrument,
    date: TradingDate,
    head: &Head,
) -> Vec<(&'static str, serde_json::Value)> {
    let mut members = vec![
        ("symbol", instrument.symbol.as_str().into()),
        ("date", date.to_string().into()),
        ("revision", head.revision.into()),
        ("condition", head.condition.as_str().into()),
        ("calculation_version", head.calculation_version.as_str().into()),
    ];
    if let Some(formula) = head.content.details.get("formula") {
        members.push(("formula", formula.clone()));
    }
    members
}

/// For `inspect_err`: damage that is found while these files are read is told to the cache, so that the next question gets
/// new copies. An answer on its way breaks off.
fn distrust(context: &Context, files: &[&Arc<CachedFile>]) -> impl Fn(&Error) + Send + 'static + use<> {
    let (cache, files): (_, Vec<_>) = (context.cache.clone(), files.iter().map(|file| Arc::clone(file)).collect());
    move |error| {
        if error.kind() == ErrorKind::Corrupt {
            files.iter().for_each(|file| cache.distrust(file));
        }
    }
}

/// What every format says about the partition, and a file name for those who save the answer.
fn put_head(response: &mut Response, wanted: Wanted, head: &Head, name: &str) {
    let headers = response.headers_mut();
    headers.insert(CONDITION, HeaderValue::from_static(head.condition.as_str()));
    headers.insert(REVISION, HeaderValue::from(head.revision));
    put_name(response, wanted, name);
}

/// A file name for those who save the answer.
fn put_name(response: &mut Response, wanted: Wanted, name: &str) {
    if !matches!(wanted.format, Format::Json)
        && let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}.{}\"", wanted.format.name()))
    {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
}
