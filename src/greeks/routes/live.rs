//! The newest day as it grows: each new minute as a server-sent event. Reads the question; [`crate::greeks::live`] answers.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use tokio_stream::wrappers::ReceiverStream;

use super::asked::{FILTERS, day_filter};
use crate::greeks::live::{Grain, Live, Question};
use crate::greeks::query::By;
use crate::greeks::record::GREEKS;
use crate::http::admission::LongLived;
use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::keys::Scope;
use crate::http::params::Params;
use crate::http::problem::{Problem, ProblemDocument, ProblemType, shortened};

const LAST_EVENT_ID: &str = "last-event-id";
/// What a client is told to wait before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// Each new minute of the newest day, as server-sent events.
///
/// First the last minute there is, then every new one as it is published. `event: minute` has the minute's timestamp as its
/// `id` and one line of JSON as its `data`: symbol, date, revision, condition, calculation_version, by, timestamp, partial,
/// and `rows`, which are those of `/aggregate?at=` for that minute (with `by=row` those of the day's route; minutes outside
/// the session are left out there too). `partial` is true when nothing was received after the minute's end: more of it may
/// come.
///
/// A minute that was sent and reads otherwise by now comes again as `event: correction`, without an id. `closed` says that the
/// session is over and how far its day can be trusted, again for each later revision; the stream then waits for the next
/// session. `missing` names a session of which nothing is stored. `stalled` says that the lake cannot be read at present,
/// `recovered` that it can be again. A comment every 15 seconds says that the connection lives. `bye` comes before the server
/// ends the stream: after an hour, or when it stops.
///
/// With `Last-Event-ID` (or `last_event_id`, for clients that cannot send headers; the header wins) everything after that
/// minute follows, up to two earlier days; `event: reset` says so when that would be more, and starts at the last minute.
/// `event: resumed` comes first, because what was corrected while nobody listened is not known.
#[utoipa::path(
    get,
    path = "/api/v1/greeks/{symbol}/live",
    tag = "greeks",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "SPY"),
        ("by" = Option<String>, Query, description = "minute (default), expiration, strike, or row for the strike level itself"),
        ("strike" = Option<f64>, Query, description = "This strike only"),
        ("strike_min" = Option<f64>, Query, description = "Strikes from here on"),
        ("strike_max" = Option<f64>, Query, description = "Strikes up to here"),
        ("expiration" = Option<String>, Query, description = "This expiration only, YYYY-MM-DD"),
        ("greeks" = Option<String>, Query, description = "Which of gamma, vanna, charm, with commas"),
        ("last_event_id" = Option<String>, Query, description = "The last minute the client has, such as 2025-01-15T19:32:00Z"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same, as browsers send it when they come back"),
    ),
    responses(
        (status = 200, description = "Events: minute, correction, closed, missing, resumed, reset, stalled, recovered, bye", content_type = "text/event-stream"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "As many listen already as the server takes, or the lake cannot be reached"),
    )
)]
pub async fn live(
    State(context): State<Context>,
    Extension(live): Extension<Live>,
    access: Access,
    Path(symbol): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let filters = FILTERS.into_iter().filter(|name| !["start_time", "end_time", "at", "format"].contains(name));
    let allowed: Vec<&str> = filters.chain(["by", "last_event_id"]).collect();
    let params = Params::parse(query.as_deref(), &allowed)?;
    let instrument = context.instrument(&symbol)?;
    access.require(Scope::Read, GREEKS, &instrument.symbol)?;
    let grain = params.one_of("by", &Grain::CHOICES)?.unwrap_or(Grain::Sums(By::Minute));
    let question = Question { grain, filter: day_filter(&params)? };
    let asked_after = params.instant("last_event_id")?;
    let after = last_event_id(&headers)?.or(asked_after);

    let events = live.listen(&context, instrument, question, after).await?;
    let hint = stream::once(async { Event::default().retry(RETRY) });
    let events = hint.chain(ReceiverStream::new(events)).map(Ok::<_, Infallible>);
    let heartbeat = KeepAlive::new().interval(live.options().heartbeat).text("still here");
    let mut response = Sse::new(events).keep_alive(heartbeat).into_response();
    response.extensions_mut().insert(LongLived);
    Ok(response)
}

/// The id that a client brings when it comes back; an empty one is none.
fn last_event_id(headers: &HeaderMap) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = value.to_str().unwrap_or("what was sent");
    match DateTime::parse_from_rfc3339(text) {
        Ok(instant) => Ok(Some(instant.with_timezone(&Utc))),
        Err(_) => Err(Problem::new(
            ProblemType::InvalidHeader,
            format!(
                "Last-Event-ID '{}' is not an id of this stream; send one as it came, such as 2025-01-15T19:32:00Z",
                shortened(text, 40)
            ),
        )),
    }
}
