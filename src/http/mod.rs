//! The kit that every route uses: who may ask, what a question may say, how an answer or a refusal looks, and how
//! bytes reach the socket. Rooms call it; it knows no room and no dataset.
//!
//! A request travels from the outside in: [`listen`] (sockets) → [`observe`] (request id, span, metrics, panics) →
//! [`admission`] (sane request, not too many at once) → [`auth`] (a key from [`keys`], kept fresh by [`key_store`]) →
//! the room's handler, which reads its question with [`asked`] and [`params`], opens what is [`stored`] of one day, or of [`many`]
//! in a [`span`] ([`year_tables`] where a year's file has them), answers through [`format`](mod@format) with an [`etag`], or refuses with a
//! [`problem`]. [`openapi`] is the document that the rooms' routers add themselves to and
//! [`metrics`] is what Prometheus reads.
//!
//! Only [`problem`] decides the status of a refusal; only [`etag`] answers 304, only [`files`]' `range` 206.

pub mod admission;
pub mod asked;
pub mod auth;
pub mod catalog;
pub mod context;
mod early_refusal;
pub mod etag;
pub mod files;
pub mod format;
pub mod key_store;
pub mod keys;
pub mod listen;
pub mod many;
pub mod metrics;
pub mod observe;
pub mod openapi;
pub mod params;
pub mod problem;
pub mod request_id;
pub mod span;
pub mod stored;
pub mod year_tables;
