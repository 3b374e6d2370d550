//! The HTTP API from the outside: the real server, a real client, over a lake in a folder and over one in a bucket. What an
//! answer must hold is worked out from the lines that went into the lake.

mod about_the_lake;
mod aggregate;
mod as_of;
mod bucket;
mod changes;
mod clock_times;
mod day;
mod documents;
mod etags;
mod export;
mod files;
mod formats;
mod keys;
mod live;
mod live_day;
mod range;
mod refusals;
mod screen;
mod span;
mod span_lake;
mod streams;
mod table;
