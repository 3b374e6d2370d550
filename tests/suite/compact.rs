//! `pitlake compact` from the outside: the same captures give the same bytes ([`determinism`]), corrections win
//! ([`corrections`]), sums are sums ([`sums`]), days are the exchange's days ([`sessions`]), and several compactors at once
//! do no harm ([`races`]).

mod corrections;
mod determinism;
mod races;
mod sessions;
mod sums;
