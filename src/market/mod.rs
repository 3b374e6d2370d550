//! The trade's own vocabulary: symbols, trading dates, instruments, holiday calendars and sessions. Every other
//! module builds on this one and it builds on none of them; apart from [`clock`] it never reads anything outside
//! its arguments, so that live, replay and test see the same sessions.

pub mod calendar;
pub mod clock;
pub mod date;
pub mod decimal;
mod entry;
pub mod instrument;
pub mod instruments;
pub mod session;
pub mod symbol;
pub mod ticks;

#[cfg(test)]
mod sessions_tests;

pub use calendar::{CalendarId, TradingDay};
pub use clock::{Clock, FixedClock, SharedClock, SystemClock};
pub use date::TradingDate;
pub use decimal::Decimal;
pub use instrument::{AssetClass, Instrument};
pub use instruments::Instruments;
pub use session::{Session, SessionHours, SessionKind, floor_minute};
pub use symbol::Symbol;
pub use ticks::{Grid, Ticks};
