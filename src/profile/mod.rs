//! Market profile: where a session spent its time (TPO) and its volume, computed from [`crate::bars`], for people who trade
//! by value area, initial balance and the shape of the day; and the old JSON archive of such sessions, audited and brought in.

pub mod merge;
pub mod record;
pub mod columns;
#[cfg(test)]
mod sample;
pub mod schema;
pub mod session_record;
pub mod tables;

pub use record::{Bias, SessionType, ValueAreaMethod};
pub use schema::DATASETS;
pub use session_record::SessionRecord;
