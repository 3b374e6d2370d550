//! The HTTP routes of this room, `/api/v1/tpo`: a session's profile, the newest one, those of many days. What is stored is
//! answered from the year's table; another method, another row size or a developing profile is computed from the day's bars.

mod answer;
mod computed;
mod question;
mod range;
mod session;
mod years;

use axum::Extension;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::context::Context;
use years::Years;

/// This room's routes.
pub fn router() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(session::day))
        .routes(routes!(session::latest))
        .routes(routes!(range::range))
        .layer(Extension(Years::default()))
}
