//! `pitlake compact` from the outside: the same captures give the same bytes ([`determinism`]), corrections win
//! ([`corrections`]) and say what they moved ([`changes`]), open days are made again every minute ([`follow`]), sums are sums ([`sums`]), days are the exchange's days ([`sessions`]), and several compactors at once
//! do no harm ([`races`]).

mod changes;
mod corrections;
mod determinism;
mod follow;
mod races;
mod sessions;
mod sums;
