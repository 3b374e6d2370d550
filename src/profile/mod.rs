//! Market profile: where a session spent its time (TPO) and its volume, computed from [`crate::bars`], for people who trade
//! by value area, initial balance and the shape of the day; and the old JSON archive of such sessions, audited and brought in.

pub mod columns;
pub mod compact;
pub mod compute;
pub mod computed;
pub mod draw;
pub mod extremes;
pub mod histogram;
pub mod legacy;
pub mod merge;
pub mod periods;
pub mod recalculation;
pub mod record;
pub mod refusal;
pub mod routes;
mod rows;
#[cfg(test)]
mod sample;
pub mod schema;
pub mod session_record;
pub mod session_shape;
pub mod settings;
pub mod settings_file;
pub mod share;
pub mod tables;
pub mod value_area;
pub mod verify;

#[cfg(test)]
mod compute_tests;
#[cfg(test)]
mod draw_tests;
#[cfg(test)]
mod properties_tests;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod session_shape_tests;

pub use compute::{Question, Shape, profile};
pub use computed::{Profile, Source};
pub use record::{Bias, SessionType, ValueAreaMethod};
pub use schema::DATASETS;
pub use session_record::SessionRecord;
pub use settings::Settings;
pub use share::Share;
