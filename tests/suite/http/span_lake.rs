//! A lake with a few days of every kind around a year's end, for the questions over many days: whole, degraded, missing and closed
//! ones in two years, and one in the far future, whose session is still ahead. What was said is a formula, so that every sum can be
//! worked out again.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, nested};
use crate::server::Server;

/// Two whole days, two with few minutes. 2025-01-01 is a holiday, 2025-01-02 is missing, 2025-01-04 and -05 are a weekend.
pub const STORED: [(&str, u32); 4] = [("2024-12-30", 390), ("2024-12-31", 40), ("2025-01-03", 390), ("2025-01-06", 31)];
/// From the first to the last of them.
pub const SPAN: &str = "start=2024-12-30&end=2025-01-06";
/// A Monday.
pub const AHEAD: &str = "2199-01-07";
pub const EXPIRATIONS: [&str; 2] = ["2025-01-10", "2025-01-17"];
pub const STRIKES: [f64; 2] = [580.0, 585.0];

/// The lake that all tests start from, by kind of store.
fn made(in_bucket: bool) -> &'static BTreeMap<String, Bytes> {
    static FOLDER: OnceLock<BTreeMap<String, Bytes>> = OnceLock::new();
    static BUCKET: OnceLock<BTreeMap<String, Bytes>> = OnceLock::new();
    let (kept, lake): (_, fn() -> Lake) =
        if in_bucket { (&BUCKET, Lake::in_bucket) } else { (&FOLDER, Lake::in_folder) };
    kept.get_or_init(|| {
        let lake = lake();
        for (date, minutes) in STORED {
            lake.ingest_lines(&lines(date, minutes));
        }
        lake.ingest_lines(&[nested(&format!("{AHEAD}T14:30:00Z"), AHEAD, Some(600.0), &[(600.0, 5, 6, 7)])]);
        lake.compact(&[]);
        lake.objects()
    })
}

pub fn folder() -> Lake {
    filled(Lake::in_folder(), false)
}

pub fn bucket() -> Lake {
    filled(Lake::in_bucket(), true)
}

fn filled(lake: Lake, in_bucket: bool) -> Lake {
    made(in_bucket).iter().for_each(|(key, bytes)| lake.plant(key, bytes.clone()));
    lake
}

/// A server over a copy of the lake.
pub struct Span {
    pub server: Server,
    pub lake: Lake,
}

impl Span {
    pub fn over(lake: Lake) -> Self {
        Self { server: Server::over(&lake), lake }
    }
}

/// Runs each named test on the lake in a folder and on the one in a bucket.
macro_rules! over_every_span {
    ($($name:ident),* $(,)?) => {
        mod in_a_folder {
            use crate::http::span_lake::{Span, folder};
            $(#[test] fn $name() { super::$name(&Span::over(folder())) })*
        }
        mod in_a_bucket {
            use crate::http::span_lake::{Span, bucket};
            $(#[test] fn $name() { super::$name(&Span::over(bucket())) })*
        }
    };
}
pub(crate) use over_every_span;

/// What was said of one strike of one minute: whole dollars, far apart from one minute to the next.
fn greeks(date: &str, minute: u32, expiration: usize, strike: usize) -> [i64; 3] {
    let day: i64 = date[8..].parse().expect("a day");
    let seed = day * 1_000_003 + i64::from(minute) * 7_919 + expiration as i64 * 104_729 + strike as i64 * 15_485_863;
    [1, 2, 3].map(|greek| (seed * (greek * 2 + 1)) % 2_000_003 * 1_000 - 1_000_000_000)
}

/// The nearer expiration has a spot in every third minute, the farther one always.
fn spot(minute: u32, expiration: usize) -> Option<f64> {
    match expiration {
        0 => minute.is_multiple_of(3).then(|| 581.0 + f64::from(minute) / 100.0),
        _ => Some(590.0 + f64::from(minute) / 100.0),
    }
}

/// Minute 0 is the opening at 14:30 in winter.
pub fn timestamp(date: &str, minute: u32) -> String {
    let of_day = 14 * 60 + 30 + minute;
    format!("{date}T{:02}:{:02}:00Z", of_day / 60, of_day % 60)
}

pub fn lines(date: &str, minutes: u32) -> Vec<String> {
    let mut lines = Vec::new();
    for minute in 0..minutes {
        for (at, expiration) in EXPIRATIONS.iter().enumerate() {
            let strikes: Vec<(f64, i64, i64, i64)> = (0..STRIKES.len())
                .map(|strike| {
                    let [gamma, vanna, charm] = greeks(date, minute, at, strike);
                    (STRIKES[strike], gamma, vanna, charm)
                })
                .collect();
            lines.push(nested(&timestamp(date, minute), expiration, spot(minute, at), &strikes));
        }
    }
    lines
}

/// One minute's total of a greek (0 gamma, 1 vanna, 2 charm), over all expirations or one.
pub fn total(date: &str, minute: u32, greek: usize, expirations: &[usize]) -> i64 {
    let strikes = || 0..STRIKES.len();
    expirations.iter().flat_map(|at| strikes().map(|strike| greeks(date, minute, *at, strike)[greek])).sum()
}

/// Rows by minute of the stored days, as an answer has them.
pub fn by_minute(expirations: &[usize]) -> Vec<Value> {
    let mut rows = Vec::new();
    for (date, minutes) in STORED {
        for minute in 0..minutes {
            let sum = |greek| total(date, minute, greek, expirations);
            rows.push(json!({
                "timestamp": timestamp(date, minute),
                "gamma_exposure": sum(0), "vanna_exposure": sum(1), "charm_exposure": sum(2),
                "strikes": expirations.len() * STRIKES.len(),
                "spot": spot(minute, 0).or(spot(minute, 1)),
            }));
        }
    }
    rows
}

/// Rows of the strike level of the stored days: expiration, strike, minute within a day.
pub fn by_strike() -> Vec<Value> {
    let mut rows = Vec::new();
    for (date, minutes) in STORED {
        for (at, expiration) in EXPIRATIONS.iter().enumerate() {
            for (which, strike) in STRIKES.iter().enumerate() {
                for minute in 0..minutes {
                    let [gamma, vanna, charm] = greeks(date, minute, at, which);
                    rows.push(json!({
                        "date": date, "timestamp": timestamp(date, minute), "expiration": expiration, "strike": strike,
                        "gamma_exposure": gamma, "vanna_exposure": vanna, "charm_exposure": charm,
                    }));
                }
            }
        }
    }
    rows
}
