//! Dealer exposures: gamma, vanna and charm by minute, expiration and strike, in US dollars.
//!
//! For quants who backtest on dealer positioning. Raw exposures ([`capture`]) or whole option chains ([`chains`], by a
//! declared [`formula`]) come in; [`compact`] makes three datasets that always agree: strike level, sums per minute,
//! statistics per day. [`select`] answers what is a slice of the sorted file, [`query`] what must be added up.

pub mod bsm;
pub mod capture;
pub mod chain_capture;
pub mod chains;
pub mod compact;
pub mod day;
pub mod formula;
pub mod generate;
pub mod ingest;
pub mod post;
pub mod quality;
pub mod query;
pub mod record;
pub mod rollup;
pub mod routes;
pub mod rows;
pub mod select;
pub mod verify;

pub use record::DATASETS;
