//! Re-reads everything in the lake and says what is wrong with it, each finding by a stable [`Code`]. The command line calls
//! [`verify`] and, when asked, [`mend::repair`] with every room as a [`Tenant`]; reading never changes anything, only [`repair`] writes.
//!
//! `inventory` sorts a listing, `partition`, `capture`, `index` and `catalog` check decoded things and are pure, `walk` fetches them
//! one day at a time. What only a room can know (that sums are sums of their rows) it checks itself as a [`Room`], and what a room
//! made it makes again itself as a [`Remake`]: no repair of one room touches another's partitions.

mod capture;
mod catalog;
mod finding;
mod index;
mod inventory;
pub mod mend;
mod order;
mod partition;
pub mod repair;
mod room;
mod walk;

pub use capture::check_capture;
pub use finding::{Code, Finding, Report, Severity, Told};
pub use room::{Claim, DayView, Decoded, Remake, Room, Standing, Tenant, YearView};
pub use walk::{Selection, verify};
