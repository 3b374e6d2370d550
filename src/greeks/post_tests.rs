//! What a post may take: bodies that are small as sent and large in memory are stopped before they are.

use std::io::Write as _;

use chrono::TimeDelta;
use tokio::sync::Semaphore;

use super::*;
use crate::market::FixedClock;

const NOON: &str = "2025-01-15T17:00:00Z";

/// Reads a body with so many KiB of memory, and how many of them it took.
fn read_within(body: impl Into<Bytes>, kibibytes: usize) -> (Result<Post, Unread>, u64) {
    let all = Arc::new(Semaphore::new(kibibytes));
    let mut room = Room::of(&all, 1);
    let clock = FixedClock::new(NOON.parse().unwrap());
    let post = read(body.into(), &Instruments::builtin(), &clock, &mut room);
    (post, room.bytes() >> 10)
}

fn document(at: DateTime<Utc>) -> String {
    let at = at.to_rfc3339();
    format!(
        "{{\"timestamp\":\"{at}\",\"symbol\":\"SPY\",\"expiration\":\"2035-01-19\",\"strike\":5,\"gamma_exposure\":1}}\n"
    )
}

/// Documents of so many days, one each.
fn days(many: i64) -> String {
    let first: DateTime<Utc> = NOON.parse().unwrap();
    (0..many).map(|day| document(first + TimeDelta::days(day))).collect()
}

#[test]
fn ten_thousand_may_be_refused_and_each_takes_memory() {
    let (post, took) = read_within("1\n".repeat(10_000), 1 << 20);
    assert_eq!(post.unwrap().refused.len(), 10_000);
    assert!(took >= 10_000, "{took} KiB");
    let (post, _) = read_within("1\n".repeat(10_000), 5_000);
    assert!(matches!(post, Err(Unread::Busy)), "{post:?}");
}

#[test]
fn a_post_of_more_refusals_is_stopped_early() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(days(1).as_bytes()).unwrap();
    packed.write_all(&b"1\n".repeat(8 << 20)).unwrap();
    let (post, took) = read_within(packed.finish().unwrap(), 1 << 20);
    let Err(Unread::TooManyRefused(first)) = post else { panic!("{post:?}") };
    assert_eq!((first.code.as_str(), first.place.as_str()), ("wrong_type", "document 2, line 2"));
    assert!(took < 16 << 10, "{took} KiB: most of it was not even unpacked");
}

#[test]
fn good_documents_take_more_memory_than_their_text() {
    let body = document(NOON.parse().unwrap()).repeat(10_000);
    let text = body.len() as u64 >> 10;
    let (post, took) = read_within(body, 1 << 20);
    assert_eq!(post.unwrap().documents.len(), 10_000);
    assert!((text + 2_400..text + 3_000).contains(&took), "{took} KiB for {text} KiB");
}

#[test]
fn a_post_of_too_many_days_is_stopped() {
    let (post, _) = read_within(days(900), 1 << 20);
    assert_eq!(post.unwrap().documents.len(), 900);
    let (post, _) = read_within(days(3_000), 1 << 20);
    assert!(matches!(post, Err(Unread::TooManyHomes)), "{post:?}");
    let refused = days(3_000).replace("\"strike\":5", "\"strike\":-5");
    let (post, _) = read_within(refused, 1 << 20);
    assert!(matches!(post, Err(Unread::TooManyHomes)), "{post:?}");
}

#[test]
fn a_long_column_name_does_not_get_into_every_row() {
    let csv = |name: &str| {
        format!(
            "timestamp,symbol,expiration,strike,gamma_exposure,{name}\n{}",
            "2025-01-15T19:34:00Z,SPY,2025-01-17,590,5,x\n".repeat(3)
        )
    };
    let (post, _) = read_within(csv(&"n".repeat(16_000)), 1 << 20);
    assert_eq!(post.unwrap().documents.len(), 3);
    let (post, _) = read_within(csv(&"n".repeat(17_000)), 1 << 20);
    assert!(matches!(post, Err(Unread::Invalid(_))), "{post:?}");
}
