//! The OpenAPI 3.1 document: its frame (what pitlake is, how keys are sent, the shape of a problem), to which the rooms'
//! routers add themselves, and the routes that show it. Works without a network: the pages of `/docs` are in the binary.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, SecurityRequirement};
use utoipa::{Modify, OpenApi as _};
use utoipa_swagger_ui::Config;

use super::problem::{Problem, ProblemDocument, ProblemType};
use crate::{Error, Result};

/// The names of the two ways to send a key, for `#[utoipa::path(security(...))]`.
pub const BEARER: &str = "bearer";
pub const X_API_KEY: &str = "x-api-key";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "pitlake",
        description = "Market-structure history: dealer exposures, profiles, order flow, by symbol and trading date.\n\n\
            Every list answer has `data` and `count`; a day that is missing, closed, degraded or still open says so. \
            Formats by `?format=` or `Accept`: json, ndjson, csv, arrow, parquet. Refusals are \
            `application/problem+json` with a `type` to decide by and a `detail` that says what to do. \
            An answer that breaks off mid-stream failed: it never ends as if it were whole."
    ),
    components(schemas(ProblemDocument)),
    modifiers(&Keys),
    tags(
        (name = "lake", description = "What is in the lake and how far to trust it"),
        (name = "greeks", description = "Dealers' greek exposures, in US dollars: a level at a moment, never summed over time"),
        (name = "bars", description = "Price bars of one minute to one hour, by the instant at which each starts"),
        (name = "capture", description = "Taking in what sources say; answered by `pitlake capture listen`"),
        (name = "server", description = "Health and metrics"),
    )
)]
struct Frame;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut OpenApi) {
        let about = "A key made by `pitlake keys create`: a UUID";
        let components = document.components.get_or_insert_default();
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("UUID").description(Some(about)).build();
        components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
        let header = ApiKeyValue::with_description("X-API-Key", about);
        components.add_security_scheme(X_API_KEY, SecurityScheme::ApiKey(ApiKey::Header(header)));
        // Either of the two is enough; a route that is open says so with an empty `security()`.
        let nothing: [&str; 0] = [];
        document.security =
            Some(vec![SecurityRequirement::new(BEARER, nothing), SecurityRequirement::new(X_API_KEY, nothing)]);
    }
}

/// The frame of the document, for `OpenApiRouter::with_openapi`; rooms' routers are merged into that router.
pub fn frame() -> OpenApi {
    Frame::openapi()
}

struct Pages {
    document: Bytes,
    ui: Arc<Config<'static>>,
}

/// `/openapi.json` and `/docs` for the finished document. Open to everybody.
///
/// # Errors
/// `Internal` when the document cannot be written as JSON.
pub fn routes(document: &OpenApi) -> Result<Router> {
    let document = serde_json::to_vec(document)
        .map_err(|cause| Error::internal("the OpenAPI document cannot be written as JSON").caused_by(cause))?;
    // The page would ask a validator on the internet for its opinion of a private lake.
    let ui =
        Config::from("/openapi.json").validator_url("none").try_it_out_enabled(true).display_request_duration(true);
    let pages = Arc::new(Pages { document: document.into(), ui: Arc::new(ui) });
    Ok(Router::new()
        .route("/openapi.json", get(show_document))
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route("/docs/", get(show_front_page))
        .route("/docs/{*file}", get(show_page))
        .with_state(pages))
}

async fn show_document(State(pages): State<Arc<Pages>>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], pages.document.clone()).into_response()
}

async fn show_front_page(State(pages): State<Arc<Pages>>) -> Result<Response, Problem> {
    page("", &pages)
}

async fn show_page(State(pages): State<Arc<Pages>>, Path(file): Path<String>) -> Result<Response, Problem> {
    page(&file, &pages)
}

fn page(file: &str, pages: &Pages) -> Result<Response, Problem> {
    let found = utoipa_swagger_ui::serve(file, Arc::clone(&pages.ui))
        .map_err(|cause| Problem::from(Error::internal(format!("the documentation page is broken: {cause}"))))?
        .ok_or_else(|| {
            Problem::new(ProblemType::NotFound, "the documentation has no such page; it begins at /docs/")
        })?;
    let mut response = found.bytes.into_owned().into_response();
    let kind =
        HeaderValue::try_from(found.content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if found.gzpipped {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt as _;
    use serde_json::Value;
    use tower::ServiceExt as _;
    use utoipa_axum::router::OpenApiRouter;
    use utoipa_axum::routes as utoipa_routes;

    /// The weather of nowhere.
    #[utoipa::path(get, path = "/api/v1/weather", tag = "lake", responses((status = 200, body = String), (status = 404, body = ProblemDocument)))]
    async fn weather() -> &'static str {
        "dry"
    }

    async fn fetch(router: &Router, path: &str) -> (u16, String, Bytes) {
        let response = router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        (status, kind.unwrap_or_default(), response.into_body().collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn rooms_join_the_document() {
        let (_, document) =
            OpenApiRouter::<()>::with_openapi(frame()).routes(utoipa_routes!(weather)).split_for_parts();
        let router = routes(&document).unwrap();
        let (status, kind, bytes) = fetch(&router, "/openapi.json").await;
        assert_eq!((status, kind.as_str()), (200, "application/json"));
        let json: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["openapi"], "3.1.0");
        assert_eq!(json["info"]["title"], "pitlake");
        assert!(json["paths"]["/api/v1/weather"]["get"].is_object());
        assert_eq!(json["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        assert_eq!(json["components"]["securitySchemes"]["x-api-key"]["name"], "X-API-Key");
        assert_eq!(json["security"], serde_json::json!([{"bearer": []}, {"x-api-key": []}]));
        let problem = &json["components"]["schemas"]["Problem"];
        for member in ["type", "title", "status", "detail", "parameter"] {
            assert!(problem.to_string().contains(&format!("\"{member}\":{{")), "{member} is not in {problem}");
        }
        let refused = &json["paths"]["/api/v1/weather"]["get"]["responses"]["404"];
        assert!(refused.to_string().contains("#/components/schemas/Problem"), "{refused}");
    }

    #[tokio::test]
    async fn the_pages_come_from_the_binary() {
        let router = routes(&frame()).unwrap();
        assert_eq!(fetch(&router, "/docs").await.0, 308);
        let (status, kind, _) = fetch(&router, "/docs/").await;
        assert_eq!((status, kind.as_str()), (200, "text/html"));
        let (status, _, script) = fetch(&router, "/docs/swagger-initializer.js").await;
        assert_eq!(status, 200);
        assert!(String::from_utf8(script.to_vec()).unwrap().contains("/openapi.json"));
        let (status, kind, _) = fetch(&router, "/docs/../secret").await;
        assert_eq!((status, kind.as_str()), (404, "application/problem+json"));
    }
}
