//! Whole partitions for those who want the files: which there are and where ([`list`]), which were republished
//! ([`changes`]), and their bytes ([`download`]). They read records only, never list the store, and know no dataset by name.

pub mod body;
pub mod changes;
mod download;
mod list;
mod range;

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int32Array};
use arrow::datatypes::{DataType, Field};
use axum::Router;
use axum::extract::{OriginalUri, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, SecondsFormat, Utc};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::auth::Access;
use super::context::Context;
use crate::lake::dataset::{Cut, Dataset};
use crate::lake::layout::Period;

const UNTIL: HeaderName = HeaderName::from_static("pitlake-until");

/// The routes for `datasets`: one of each kind per dataset, since a dataset's other routes have patterns of their own.
pub fn router(datasets: &'static [&'static Dataset]) -> OpenApiRouter<Context> {
    let mut router = Router::new();
    for &dataset in datasets {
        let name = dataset.name;
        let files = move |State(context): State<Context>,
                          access: Access,
                          Path(symbol): Path<String>,
                          OriginalUri(uri): OriginalUri,
                          RawQuery(query): RawQuery,
                          headers: HeaderMap| async move {
            list::files(context, access, dataset, symbol, (&uri, query.as_deref()), &headers).await
        };
        let changed = move |State(context): State<Context>,
                            access: Access,
                            Path(symbol): Path<String>,
                            RawQuery(query): RawQuery,
                            headers: HeaderMap| async move {
            changes::changes(context, access, dataset, symbol, query.as_deref(), &headers).await
        };
        let file = move |State(context): State<Context>,
                         access: Access,
                         Path(path): Path<(String, String)>,
                         RawQuery(query): RawQuery,
                         headers: HeaderMap| async move {
            download::download(context, access, dataset, path, query.as_deref(), &headers).await
        };
        router = router
            .route(&format!("/api/v1/{name}/{{symbol}}/files"), get(files))
            .route(&format!("/api/v1/{name}/{{symbol}}/changes"), get(changed))
            .route(&format!("/api/v1/{name}/{{symbol}}/files/{{period}}"), get(file));
    }
    OpenApiRouter::with_openapi(FilesDocument::openapi()).merge(router.into())
}

/// Each is one handler behind a route per dataset, so it enters the document by itself.
#[derive(OpenApi)]
#[openapi(paths(list::files, changes::changes, download::download))]
struct FilesDocument;

/// Tells formats without an envelope what to give as the next `since`.
fn put_until(response: &mut Response, until: DateTime<Utc>) {
    if let Ok(value) = HeaderValue::try_from(until.to_rfc3339_opts(SecondsFormat::AutoSi, true)) {
        response.headers_mut().insert(UNTIL, value);
    }
}

/// The first column: `date`, or `year` where the dataset is cut by years.
fn period_column<'a>(cut: Cut, periods: impl Iterator<Item = &'a Period>) -> (Field, ArrayRef) {
    match cut {
        Cut::Day => {
            let days = periods.filter_map(Period::day).map(|date| date.days_since_epoch());
            (Field::new("date", DataType::Date32, false), Arc::new(Date32Array::from_iter_values(days)))
        }
        Cut::Year => {
            let years = periods.map(Period::year);
            (Field::new("year", DataType::Int32, false), Arc::new(Int32Array::from_iter_values(years)))
        }
    }
}
