//! Captures to exposures: [`Greeks`] is what this room tells [`crate::lake::compact`], which does the fetching and publishing.
//! [`parse`] and [`assemble`] are pure functions of captures, calculation and settings; answers as of an instant in the past
//! call them too, so that all of them make the very same bytes.

pub(super) mod batches;
mod derive;
mod parsed;
mod recipe;

pub use derive::{assemble, calculation};
pub use parsed::{ParsedCapture, parse};
pub use recipe::Greeks;
