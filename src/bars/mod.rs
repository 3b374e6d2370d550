//! Price bars: one minute to one hour, for whoever needs prices over time; [`crate::profile`] is made from them.
//!
//! Bars come in from files by declared rules (whose time zone, which end of the bar is stamped, what volume means), are
//! checked against tick grid, calendar and each other, and are kept with every finding. A bar is stored by the instant at
//! which it starts. `docs/bars.md` tells it to users.

mod again;
pub mod bar;
pub mod capture;
pub mod compact;
pub mod generate;
mod held;
pub mod ingest;
pub mod input;
pub mod quality;
pub mod reading;
pub mod record;
pub mod routes;
pub mod spacing;
pub mod stamping;
pub mod stored;
pub mod verify;

pub use bar::Bar;
pub use record::DATASETS;
