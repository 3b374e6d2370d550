//! pitlake: a market-structure data lake in one binary. This page is the map of the house.
//!
//! Data flows one way. A source says something (a file through `ingest`, later a live feed); [`lake`] writes it
//! down as an immutable capture; [`lake::compact`] makes Parquet partitions of captures by the recipe of a room ([`greeks`],
//! [`bars`], [`profile`]), each with a manifest that says how far to trust it; [`engine`] answers questions over the files that
//! [`lake::cache`] brought near; [`http`] streams the answers; [`server`] and [`cli`] are the doors, and
//! [`server::rooms`] is the list of all rooms.
//!
//! Imports point one way: `cli` → `server` → rooms → `http`, `engine` → `lake` → `market`. `tests/suite/tidy.rs`
//! holds that line.

pub mod bars;
pub mod cli;
pub mod engine;
pub mod error;
pub mod greeks;
pub mod http;
pub mod lake;
pub mod market;
pub mod profile;
pub mod server;

pub use error::{Error, ErrorKind, Result};
