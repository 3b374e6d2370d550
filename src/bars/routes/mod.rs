//! The HTTP routes of this room: a day's bars and the last one. They read the question, open the partition and hand rows to
//! `http::format`; they compute nothing.

mod asked;
mod day;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::context::Context;

/// This room's routes.
pub fn router() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(day::day)).routes(routes!(day::latest))
}
