//! What happens to a small lake, by seed: two days of SPY that come in and are corrected step by step. What readers may see of
//! it is worked out here from the lines alone, by the rule of the contract: of two rows for one minute, expiration and strike
//! the later source time wins, then the one received last.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Closed when the story begins; and the day whose session closes while it is told.
pub const DATES: [&str; 2] = ["2025-01-15", "2025-01-16"];
const EXPIRATIONS: [&str; 2] = ["2025-01-17", "2025-01-24"];
const STRIKES: [f64; 3] = [580.0, 585.0, 590.5];
const LATE_STRIKE: f64 = 600.0;
const MINUTES: u32 = 5;
/// Of the documents that a day begins with.
const FIRST_SECOND: u32 = 10;

/// The columns of an exposure, in the order of [`Row::greeks`].
const COLUMNS: [&str; 3] = ["gamma_exposure", "vanna_exposure", "charm_exposure"];

/// A strike of a minute, as every reader must see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// As answers write it.
    pub timestamp: String,
    pub expiration: String,
    pub strike: f64,
    pub greeks: [Option<i64>; 3],
}

/// A row of an aggregate: what it is a sum of, the sums, how many rows, the spot.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    pub timestamp: String,
    pub expiration: Option<String>,
    pub strike: Option<f64>,
    pub greeks: [Option<i64>; 3],
    pub strikes: i64,
    pub spot: Option<f64>,
}

/// What an aggregate has one row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Minute,
    Expiration,
    Strike,
}

impl By {
    pub const ALL: [By; 3] = [By::Minute, By::Expiration, By::Strike];

    pub fn name(self) -> &'static str {
        match self {
            By::Minute => "minute",
            By::Expiration => "expiration",
            By::Strike => "strike",
        }
    }
}

/// One file to ingest.
#[derive(Debug, Clone)]
pub struct Step {
    pub lines: String,
    /// The days that it makes a capture of.
    pub days: Vec<usize>,
    /// Lines of it that must be refused.
    pub refused: u64,
}

/// A day after so many captures.
#[derive(Debug, Clone, Default)]
pub struct Legal {
    pub rows: Vec<Row>,
    spots: BTreeMap<(String, String), f64>,
    pub rows_in: u64,
}

/// The files in order, and per day what is legal after each of its captures.
#[derive(Debug)]
pub struct Story {
    pub steps: Vec<Step>,
    pub legal: [Vec<Legal>; 2],
}

/// What wins: (source second, order of receipt).
type Age = (u32, usize);
/// (expiration, strike in cents, minute)
type Place = (&'static str, u64, u32);

#[derive(Default)]
struct Day {
    rows: BTreeMap<Place, (Age, [Option<i64>; 3])>,
    spots: BTreeMap<(u32, &'static str), (Age, f64)>,
    rows_in: u64,
    received: usize,
    minutes: u32,
}

impl Story {
    pub fn of(random: &mut ChaCha8Rng) -> Self {
        let mut days = [Day::default(), Day::default()];
        let mut legal = [Vec::new(), Vec::new()];
        let mut steps = Vec::new();
        let expirations = &EXPIRATIONS[..random.random_range(1..=2)];
        let files = random.random_range(4..=6);
        for at in 0..files {
            let touched: Vec<usize> = match random.random_range(0..4) {
                0 => vec![0, 1],
                1 => vec![1],
                _ if at == 1 => vec![1],
                _ => vec![0],
            };
            let mut lines = String::new();
            for &date in &touched {
                let day = &mut days[date];
                let documents = if day.minutes == 0 || (day.minutes < MINUTES && random.random()) {
                    day.more_minutes(expirations, random)
                } else {
                    day.corrections(expirations, at, random)
                };
                for document in documents {
                    lines += &day.take(date, document);
                }
                legal[date].push(day.legal(DATES[date]));
            }
            let refused = u64::from(random.random_range(0..4) == 0);
            if refused > 0 {
                lines += &format!("{{\"timestamp\":\"2025-01-15T14:32:00Z\",\"symbol\":\"SPY\",\"file\":{at}}}\n");
            }
            steps.push(Step { lines, days: touched, refused });
        }
        Self { steps, legal }
    }
}

/// One line, as what it says.
struct Document {
    minute: u32,
    second: u32,
    expiration: &'static str,
    spot: Option<f64>,
    strikes: Vec<(f64, [Option<i64>; 3])>,
}

impl Day {
    fn more_minutes(&mut self, expirations: &[&'static str], random: &mut ChaCha8Rng) -> Vec<Document> {
        let first = self.minutes;
        self.minutes = if first == 0 { random.random_range(2..=MINUTES) } else { MINUTES };
        let mut documents = Vec::new();
        for minute in first..self.minutes {
            for expiration in expirations {
                let strikes = STRIKES.iter().map(|strike| (*strike, greeks(random))).collect();
                let spot = Some(580.0 + f64::from(random.random_range(0..400_u32)) / 16.0);
                documents.push(Document { minute, second: FIRST_SECOND, expiration, spot, strikes });
            }
        }
        documents
    }

    /// The first of them changes something for certain; others may come too late or say it at the same time again.
    fn corrections(&self, expirations: &[&'static str], step: usize, random: &mut ChaCha8Rng) -> Vec<Document> {
        let later = FIRST_SECOND + 5 * u32::try_from(step).expect("small");
        (0..random.random_range(1..=4))
            .map(|at| {
                let second = if at == 0 { later } else { [5, FIRST_SECOND, later][random.random_range(0..3)] };
                let mut strikes: Vec<_> = STRIKES.iter().map(|strike| (*strike, greeks(random))).collect();
                strikes.truncate(random.random_range(1..=3));
                if random.random_range(0..4) == 0 {
                    strikes.push((LATE_STRIKE, greeks(random)));
                }
                let spot = random.random::<bool>().then(|| 600.0 + f64::from(random.random_range(0..400_u32)) / 16.0);
                let minute = random.random_range(0..self.minutes);
                let expiration = expirations[random.random_range(0..expirations.len())];
                Document { minute, second, expiration, spot, strikes }
            })
            .collect()
    }

    /// Notes what the document says; gives its line.
    fn take(&mut self, date: usize, document: Document) -> String {
        let Document { minute, second, expiration, spot, strikes } = document;
        self.received += 1;
        let age = (second, self.received);
        let wins = |known: Option<&Age>| known.is_none_or(|known| age > *known);
        for (strike, greeks) in &strikes {
            let place = (expiration, cents(*strike), minute);
            if wins(self.rows.get(&place).map(|(age, _)| age)) {
                self.rows.insert(place, (age, *greeks));
            }
            self.rows_in += 1;
        }
        if let Some(spot) = spot
            && wins(self.spots.get(&(minute, expiration)).map(|(age, _)| age))
        {
            self.spots.insert((minute, expiration), (age, spot));
        }
        let strikes: Vec<Value> = strikes
            .iter()
            .map(|(strike, [gamma, vanna, charm])| {
                json!({"strike": strike, "gamma": gamma, "vanna": vanna, "charm": charm})
            })
            .collect();
        let timestamp = format!("{}T14:{:02}:{second:02}Z", DATES[date], 32 + minute);
        let mut line = json!({"timestamp": timestamp, "symbol": "SPY", "expiration": expiration, "strikes": strikes});
        if let Some(spot) = spot {
            line["spot"] = json!(spot);
        }
        line.to_string() + "\n"
    }

    fn legal(&self, date: &str) -> Legal {
        let timestamp = |minute: u32| format!("{date}T14:{:02}:00Z", 32 + minute);
        let rows = self.rows.iter().map(|((expiration, strike, minute), (_, greeks))| Row {
            timestamp: timestamp(*minute),
            expiration: (*expiration).to_owned(),
            strike: *strike as f64 / 100.0,
            greeks: *greeks,
        });
        let spots = self.spots.iter();
        let spots = spots.map(|((minute, expiration), (_, spot))| ((timestamp(*minute), (*expiration).into()), *spot));
        Legal { rows: rows.collect(), spots: spots.collect(), rows_in: self.rows_in }
    }
}

fn cents(strike: f64) -> u64 {
    (strike * 100.0) as u64
}

fn greeks(random: &mut ChaCha8Rng) -> [Option<i64>; 3] {
    let mut dollars = |null: u32| {
        (random.random_range(0..10) >= null).then(|| random.random_range(-1_000_000_000_i64..1_000_000_000))
    };
    [dollars(0), dollars(2), dollars(1)]
}

impl Legal {
    /// The sums an aggregate must give, in its order.
    pub fn sums(&self, by: By) -> Vec<Sum> {
        let mut sums: Vec<Sum> = Vec::new();
        for row in &self.rows {
            let expiration = (by == By::Expiration).then(|| row.expiration.clone());
            let strike = (by == By::Strike).then_some(row.strike);
            let same =
                |sum: &&mut Sum| (&sum.timestamp, &sum.expiration, sum.strike) == (&row.timestamp, &expiration, strike);
            match sums.iter_mut().find(same) {
                Some(sum) => {
                    sum.strikes += 1;
                    for (sum, greek) in sum.greeks.iter_mut().zip(row.greeks) {
                        *sum = match (*sum, greek) {
                            (Some(sum), Some(greek)) => Some(sum + greek),
                            (known, other) => known.or(other),
                        };
                    }
                }
                None => {
                    let spot = self.spot(&row.timestamp, expiration.as_deref());
                    let timestamp = row.timestamp.clone();
                    sums.push(Sum { timestamp, expiration, strike, greeks: row.greeks, strikes: 1, spot });
                }
            }
        }
        sums.sort_by(|a, b| {
            let strikes = a.strike.unwrap_or_default().total_cmp(&b.strike.unwrap_or_default());
            a.timestamp.cmp(&b.timestamp).then_with(|| a.expiration.cmp(&b.expiration)).then(strikes)
        });
        sums
    }

    /// Of this expiration, else of the nearest that has one.
    fn spot(&self, timestamp: &str, expiration: Option<&str>) -> Option<f64> {
        let mut said = self.spots.iter().filter(|((at, of), _)| at == timestamp && expiration.is_none_or(|e| e == of));
        said.next().map(|(_, spot)| *spot)
    }
}

impl Row {
    /// A row of an answer.
    pub fn read(row: &Value) -> Option<Self> {
        let (timestamp, expiration, greeks) = (text(row, "timestamp")?, text(row, "expiration")?, exposures(row)?);
        Some(Self { timestamp, expiration, strike: row["strike"].as_f64()?, greeks })
    }
}

impl Sum {
    /// A row of an aggregate's answer.
    pub fn read(row: &Value) -> Option<Self> {
        Some(Self {
            timestamp: text(row, "timestamp")?,
            expiration: text(row, "expiration"),
            strike: row["strike"].as_f64(),
            greeks: exposures(row)?,
            strikes: row["strikes"].as_i64()?,
            spot: row["spot"].as_f64(),
        })
    }
}

fn text(row: &Value, name: &str) -> Option<String> {
    row[name].as_str().map(str::to_owned)
}

fn exposures(row: &Value) -> Option<[Option<i64>; 3]> {
    let known = COLUMNS.iter().all(|name| row.get(name).is_some_and(|cell| cell.is_null() || cell.is_i64()));
    known.then(|| COLUMNS.map(|name| row[name].as_i64()))
}
