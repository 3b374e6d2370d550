//! `pitlake capture listen` from the outside: what a post may look like and what it is answered ([`posts`]), posts that come
//! again ([`retries`]), a store, a disk or a process that fails ([`failures`]), and kill -9 under load ([`killed`]).

mod failures;
mod killed;
mod listener;
mod posts;
mod retries;
