//! `pitlake capture listen` from the outside: what a post may look like and what it is answered ([`posts`]), posts that come
//! again ([`retries`]), when it can be read ([`compacted`]), a store, a disk or a process that fails ([`failures`]), and kill -9 under load ([`killed`]).

mod compacted;
mod failures;
mod killed;
mod listener;
mod posts;
mod retries;
