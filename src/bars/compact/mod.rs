//! Captured bars to the day's partition: [`parse`] reads one capture, [`resolve`] decides which row of a minute counts, [`assemble`]
//! makes bytes and record. All of it pure; [`crate::lake::compact`] does the rest, by the [`Bars`] recipe.

mod cumulative;
mod derive;
mod intervals;
mod parsed;
mod recipe;
mod resolve;

#[cfg(test)]
mod tests;

pub use derive::{assemble, last_close};
pub use parsed::{ParsedCapture, RowSaid, parse};
pub use recipe::Bars;
pub use resolve::{Kept, Resolved, Settled, resolve};
