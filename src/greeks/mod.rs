//! Dealer exposures: gamma, vanna and charm by minute, expiration and strike, in US dollars.
//!
//! For quants who backtest on dealer positioning. Raw exposures ([`capture`]) or whole option chains ([`chains`], by a
//! declared [`formula`]) come in; [`compact`] makes three datasets that always agree: strike level, sums per minute,
//! statistics per day. [`select`] answers what is a slice of the sorted file, [`query`] what must be added up, [`as_of`] what was
//! known at an instant in the past; over many days [`export`] streams the strike level, [`totals`] adds up minutes and
//! [`screen`] finds days.

pub mod as_of;
pub mod bsm;
pub mod capture;
pub mod chain_capture;
pub mod chains;
pub mod columns;
pub mod compact;
pub mod day;
pub mod export;
pub mod formula;
pub mod generate;
pub mod ingest;
pub mod live;
pub mod pair;
pub mod post;
pub mod prove;
pub mod quality;
pub mod query;
pub mod record;
pub mod rollup;
pub mod routes;
pub mod rows;
pub mod screen;
pub mod select;
pub mod totals;
pub mod verify;

pub use record::DATASETS;
