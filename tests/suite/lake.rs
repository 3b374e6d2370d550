//! Lakes full of days to ask about: generated, ingested and compacted by the real program once per test process, on a folder
//! and in a bucket, then copied for each test. What the answers must be is worked out in [`said`] from the lines that went
//! in, never by pitlake.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::pitlake_binary::Lake;
use crate::server::Server;

/// Around the clock changes of March and November 2024, two half days, and the day most tests ask about.
pub const SMALL_DAYS: [&str; 7] =
    ["2024-03-08", "2024-03-11", "2024-07-03", "2024-11-01", "2024-11-04", "2024-11-29", DAY];
pub const DAY: &str = "2025-01-15";
/// A day of 10 expirations × 60 strikes × 390 minutes: more than any buffer between server and client.
pub const LARGE_DAY: &str = "2025-01-14";
pub const LARGE_DAY_ROWS: usize = 234_000;

/// Greeks left out in every way there is, a spot that only the farther expiration has, halves to round, the largest number.
const QQQ: &str = r#"
{"timestamp":"2025-01-15T14:32:00-05:00","symbol":"QQQ","expiration":"2025-01-17","strikes":[{"strike":510.5,"gamma":2.5,"vanna":null,"charm":-3.5},{"strike":511,"gamma":1000}]}
{"timestamp":"2025-01-15T14:32:00-05:00","symbol":"QQQ","expiration":"2025-01-24","spot":510.25,"strikes":[{"strike":511,"vanna":-7}]}
{"timestamp":"2025-01-15T14:33:00-05:00","symbol":"QQQ","expiration":"2025-01-17","strike":511.0,"charm_exposure":9000000000000000}
"#;
/// Sent under two of the provider's names.
const SPX: &str = r#"
{"timestamp":"2025-01-15T10:00:00-05:00","symbol":"^SPX","expiration":"2025-01-17","spot":5900.5,"strikes":[{"strike":5900,"gamma":11,"vanna":12,"charm":13}]}
{"timestamp":"2025-01-15T10:00:00-05:00","symbol":"SPXW","expiration":"2025-01-15","spot":5900.5,"strikes":[{"strike":5905,"gamma":-21,"vanna":-22,"charm":-23}]}
"#;
/// A row before the opening, two inside the session, one at the close, which is outside.
const IWM: &str = r#"
{"timestamp":"2025-01-15T09:29:00-05:00","symbol":"IWM","expiration":"2025-01-17","spot":220.5,"strikes":[{"strike":220,"gamma":1,"vanna":2,"charm":3}]}
{"timestamp":"2025-01-15T09:30:00-05:00","symbol":"IWM","expiration":"2025-01-17","spot":221,"strikes":[{"strike":220,"gamma":10,"vanna":20,"charm":30}]}
{"timestamp":"2025-01-15T15:59:00-05:00","symbol":"IWM","expiration":"2025-01-17","spot":222,"strikes":[{"strike":220,"gamma":100,"vanna":200,"charm":300}]}
{"timestamp":"2025-01-15T16:00:00-05:00","symbol":"IWM","expiration":"2025-01-17","spot":223,"strikes":[{"strike":220,"gamma":1000,"vanna":2000,"charm":3000}]}
"#;

/// What was made, kept in memory: a test that changes its lake changes a copy.
struct Made {
    lines: BTreeMap<(&'static str, &'static str), String>,
    folder: BTreeMap<String, Bytes>,
    bucket: BTreeMap<String, Bytes>,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let work = Lake::in_folder();
        let mut lines = BTreeMap::new();
        for date in SMALL_DAYS {
            lines.insert(("SPY", date), generated(&work, date, "3", "21"));
        }
        lines.insert(("SPY", LARGE_DAY), generated(&work, LARGE_DAY, "10", "60"));
        for (symbol, said) in [("QQQ", QQQ), ("SPX", SPX), ("IWM", IWM)] {
            lines.insert((symbol, DAY), said.trim_start().to_owned());
        }
        let files: Vec<String> =
            lines.iter().map(|((symbol, date), text)| work.file(&format!("{symbol}-{date}.jsonl"), text)).collect();
        let fill = |lake: Lake| {
            let files = files.iter().map(String::as_str);
            let ingested =
                lake.run(&["ingest", "greeks", "--json", "--strict"].into_iter().chain(files).collect::<Vec<_>>());
            assert_eq!(ingested.ends(0).json()["refused"], 0);
            lake.compact(&[]);
            // Captures are for the compactor alone; no question reads them.
            lake.objects().into_iter().filter(|(key, _)| !key.starts_with("raw/")).collect()
        };
        std::thread::scope(|scope| {
            let folder = scope.spawn(|| fill(Lake::in_folder()));
            let bucket = fill(Lake::in_bucket());
            Made { folder: folder.join().expect("a lake in a folder"), bucket, lines: lines.clone() }
        })
    })
}

fn generated(work: &Lake, date: &str, expirations: &str, strikes: &str) -> String {
    let out = work.work().join(format!("generated-{date}.jsonl"));
    let to = out.to_str().expect("UTF-8");
    let day = ["--symbol", "SPY", "--date", date, "--expirations", expirations, "--strikes", strikes, "--out", to];
    work.run(&[&["generate", "greeks"], &day[..]].concat()).ends(0);
    std::fs::read_to_string(out).expect("the captures")
}

/// The partitions, rollups and records of the full lake in a folder.
pub fn objects_in_folder() -> &'static BTreeMap<String, Bytes> {
    &made().folder
}

/// The same of the one in a bucket.
pub fn objects_in_bucket() -> &'static BTreeMap<String, Bytes> {
    &made().bucket
}

/// A full lake of its own for one test, and a server over it.
pub struct World {
    pub server: Server,
    pub lake: Lake,
}

impl World {
    pub fn in_folder() -> Self {
        Self::over(filled(Lake::in_folder(), objects_in_folder()))
    }

    pub fn in_bucket() -> Self {
        Self::over(filled(Lake::in_bucket(), objects_in_bucket()))
    }

    fn over(lake: Lake) -> Self {
        Self { server: Server::over(&lake), lake }
    }
}

/// A full lake without a server.
pub fn filled(lake: Lake, objects: &BTreeMap<String, Bytes>) -> Lake {
    objects.iter().for_each(|(key, bytes)| lake.plant(key, bytes.clone()));
    lake
}

/// Runs each named test on a full lake in a folder and on one in a bucket.
macro_rules! over_every_lake {
    ($($name:ident),* $(,)?) => {
        mod in_a_folder {
            $(#[test] fn $name() { super::$name(&crate::lake::World::in_folder()) })*
        }
        mod in_a_bucket {
            $(#[test] fn $name() { super::$name(&crate::lake::World::in_bucket()) })*
        }
    };
}
pub(crate) use over_every_lake;

/// One strike of one minute as the captures said it.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// As answers write it: `2025-01-15T19:32:00Z`.
    pub timestamp: String,
    /// The exchange's wall clock, as the capture itself wrote it: `14:32`.
    pub wall_clock: String,
    pub expiration: String,
    pub strike: f64,
    pub greeks: [Option<i64>; 3],
    pub spot: Option<f64>,
}

pub const COLUMNS: [&str; 3] = ["gamma_exposure", "vanna_exposure", "charm_exposure"];

impl Said {
    /// The row as an answer has it.
    pub fn row(&self) -> Value {
        let mut row = json!({"timestamp": self.timestamp, "expiration": self.expiration, "strike": self.strike});
        for (column, greek) in COLUMNS.iter().zip(self.greeks) {
            row[column] = json!(greek);
        }
        row
    }
}

/// Everything the captures said of a day, in the order of the answers: expiration, strike, minute.
pub fn said(symbol: &str, date: &str) -> Vec<Said> {
    let (_, lines) = made().lines.iter().find(|((s, d), _)| (*s, *d) == (symbol, date)).expect("a day of the fixture");
    let mut rows = Vec::new();
    for line in lines.lines() {
        let document: Value = serde_json::from_str(line).expect("a line of JSON");
        let strikes = match document["strikes"].as_array() {
            Some(strikes) => strikes.clone(),
            None => vec![json!({"strike": document["strike"], "gamma": document["gamma_exposure"],
                "vanna": document["vanna_exposure"], "charm": document["charm_exposure"]})],
        };
        let text = document["timestamp"].as_str().expect("a text");
        let instant = DateTime::parse_from_rfc3339(text).expect("an instant").with_timezone(&Utc);
        for strike in strikes {
            rows.push(Said {
                timestamp: instant.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
                wall_clock: text[11..16].to_owned(),
                expiration: document["expiration"].as_str().expect("a text").to_owned(),
                strike: strike["strike"].as_f64().expect("a number"),
                greeks: ["gamma", "vanna", "charm"].map(|greek| dollars(&strike[greek])),
                spot: document["spot"].as_f64(),
            });
        }
    }
    rows.sort_by(|a, b| {
        let by_strike = || a.strike.total_cmp(&b.strike);
        a.expiration.cmp(&b.expiration).then_with(by_strike).then_with(|| a.timestamp.cmp(&b.timestamp))
    });
    rows
}

/// Whole dollars. The fixture's only fractions are the two halves, and their even neighbours are written down here.
fn dollars(number: &Value) -> Option<i64> {
    match number.as_f64() {
        None => None,
        Some(2.5) => Some(2),
        Some(-3.5) => Some(-4),
        Some(_) => Some(number.as_i64().expect("a whole number")),
    }
}
