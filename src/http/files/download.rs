//! One partition's file through this server: what lists name on a lake that cannot sign URLs, and a way for those who
//! reach only us on one that can.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;

use super::{body, range};
use crate::ErrorKind;
use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::etag::ETag;
use crate::http::keys::Scope;
use crate::http::params::{Params, wrong};
use crate::http::problem::{Problem, ProblemDocument, ProblemType};
use crate::lake::cache::Freshness;
use crate::lake::dataset::{Cut, Dataset};
use crate::lake::layout::{PartitionId, Period};

const CONDITION: HeaderName = HeaderName::from_static("pitlake-condition");
const REVISION: HeaderName = HeaderName::from_static("pitlake-revision");

/// A partition's Parquet file, byte for byte.
///
/// `period` is a date, or a year where the dataset is cut by years. The `ETag` is the file's sha256 in quotes; `If-None-Match`,
/// `If-Match`, `Range` (one range) and `If-Range` are honoured, so that a download that was cut can be continued.
#[utoipa::path(
    get,
    path = "/api/v1/{dataset}/{symbol}/files/{period}",
    tag = "lake",
    params(
        ("dataset" = String, Path, description = "A dataset", example = "greeks"),
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "SPY"),
        ("period" = String, Path, description = "Trading date, YYYY-MM-DD, or year, YYYY", example = "2025-01-15"),
        ("Range" = Option<String>, Header, description = "One range of bytes", example = "bytes=1000-"),
    ),
    responses(
        (status = 200, description = "The file", content_type = "application/vnd.apache.parquet"),
        (status = 206, description = "The range of it", content_type = "application/vnd.apache.parquet"),
        (status = 304, description = "The client has this file already"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 412, body = ProblemDocument, content_type = "application/problem+json", description = "Another revision took its place"),
        (status = 416, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn download(
    context: Context,
    access: Access,
    dataset: &'static Dataset,
    (symbol, period): (String, String),
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    Params::parse(query, &[])?;
    let instrument = context.instrument(&symbol)?;
    access.require(Scope::Read, dataset.name, &instrument.symbol)?;
    let period = period_of(dataset, &period)?;
    let id = PartitionId { dataset: dataset.name.to_owned(), symbol: instrument.symbol.clone(), period };
    // Lists are a moment old at most, and so must be what they name.
    let opened = context.partitions.open(&id, Freshness::Open).await;
    let ready = opened.map_err(|error| match (error.kind(), period.day()) {
        (ErrorKind::NotFound, Some(date)) => context.no_such_day(dataset.name, &instrument, date),
        (ErrorKind::NotFound, None) => {
            let detail =
                format!("the lake has no {id}; GET /api/v1/{}/{}/files lists what it has", id.dataset, id.symbol);
            Problem::new(ProblemType::NotFound, detail)
        }
        _ => error.into(),
    })?;
    let file = ready.file();
    let tag = ETag::of_file(file.sha256());
    if !tag.is_what_is_wanted(headers) {
        let detail = format!("{id} is at revision {} by now; GET …/files lists it as it is", ready.head.revision);
        return Err(Problem::new(ProblemType::PreconditionFailed, detail));
    }
    let mut response = if tag.is_known_to(headers) {
        tag.not_modified()
    } else {
        let wanted =
            if tag.may_be_continued(headers) { range::wanted(headers, file.size()) } else { range::Wanted::Whole };
        match wanted {
            range::Wanted::Whole => body::whole(&context.cache, file).await?,
            range::Wanted::Nothing => return Err(range::not_satisfiable(file.size())),
            range::Wanted::Part(part) => {
                let mut response = body::part(&context.cache, file, part.clone()).await?;
                range::put_partial(&mut response, &part, file.size());
                response
            }
        }
    };
    tag.put_on(response.headers_mut());
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONDITION, HeaderValue::from_static(ready.head.condition.as_str()));
    headers.insert(REVISION, HeaderValue::from(ready.head.revision));
    let name = format!("attachment; filename=\"{}-{}-{period}.parquet\"", dataset.name, instrument.symbol);
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn period_of(dataset: &Dataset, given: &str) -> Result<Period, Problem> {
    let expected = match dataset.cut {
        Cut::Day => "a date, as 2025-01-15",
        Cut::Year => "a year, as 2025",
    };
    let period: Period = given.parse().map_err(|_| wrong("period", given, expected))?;
    if period.day().is_some() != (dataset.cut == Cut::Day) {
        return Err(wrong("period", given, expected));
    }
    Ok(period)
}
