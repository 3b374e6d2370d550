//! The spine every room stands on: where bytes live and how they become trusted partitions.
//!
//! Captures go in through [`journal`] (a server that takes posts writes them down in a [`spool`] first), a room turns
//! them into rows, [`partition`] writes Parquet, [`publish`] makes it visible atomically with its [`manifest`], [`cache`]
//! brings files near readers, [`verify`] re-reads everything. [`layout`] spells every path and nobody else does. Nothing
//! here knows what a greek or a profile is.

pub mod cache;
pub mod catalog;
pub mod change;
pub mod compact;
pub mod dataset;
pub mod ddl;
pub mod head;
pub mod indexes;
pub mod instruments;
pub mod interrupted;
pub mod journal;
pub mod layout;
pub mod manifest;
pub mod partition;
pub mod promise;
pub mod publish;
pub mod records;
pub mod row_groups;
pub mod spool;
pub mod status;
pub mod store;
pub mod unstored;
pub mod verify;
pub mod year_index;
