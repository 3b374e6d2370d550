//! Two readers who ask all the time: one through the API, one who opens partitions and objects himself. Each answer must be one
//! state of the lake that was legal, no older than what the same reader saw before, and the same for everybody who is told the
//! same revision. Errors that say so are fine.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use arrow::record_batch::RecordBatch;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use pitlake::ErrorKind;
use pitlake::greeks::select::{Filter, select};
use pitlake::http::format::Rows;
use pitlake::lake::cache::Freshness;
use pitlake::lake::head::Partitions;
use pitlake::lake::layout::PartitionId;
use pitlake::lake::publish;
use pitlake::lake::store::Store;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tower::ServiceExt;

use super::story::{By, DATES, Legal, Row, Sum};
use crate::pitlake_binary::{batches, instant, strike_rows};

/// A rule that was broken, in words.
pub type Broken = String;

/// What a revision is for all readers together: (date, revision) to the state it names. Only of closed days: an open one keeps
/// its first revision.
#[derive(Debug, Default)]
pub struct Revisions(Mutex<BTreeMap<(usize, u64), usize>>);

impl Revisions {
    fn name(&self, date: usize, revision: u64, state: usize) -> Result<(), Broken> {
        let known = *self.0.lock().entry((date, revision)).or_insert(state);
        if known == state {
            return Ok(());
        }
        Err(format!("{} revision {revision} was state {} and is state {}", DATES[date], known + 1, state + 1))
    }
}

/// What one reader saw last of each day.
#[derive(Debug, Default, Clone, Copy)]
struct Last {
    state: usize,
    revision: u64,
    any: bool,
}

/// Judges what one reader is answered.
pub struct Judge<'a> {
    legal: &'a [Vec<Legal>; 2],
    revisions: &'a Revisions,
    last: [Last; 2],
    coverage: [Last; 2],
    /// Answers that were judged.
    pub judged: u32,
    /// Questions that were answered with an error.
    pub errors: u32,
}

impl<'a> Judge<'a> {
    pub fn new(legal: &'a [Vec<Legal>; 2], revisions: &'a Revisions) -> Self {
        Self { legal, revisions, last: Default::default(), coverage: Default::default(), judged: 0, errors: 0 }
    }

    fn state(
        &mut self,
        date: usize,
        revision: u64,
        pending: bool,
        is_it: impl Fn(&Legal) -> bool,
    ) -> Result<(), Broken> {
        self.judged += 1;
        let state = self.legal[date].iter().rposition(is_it).ok_or("these rows were never a state of the lake")?;
        let last = &mut self.last[date];
        if state < last.state || revision < last.revision {
            return Err(format!(
                "state {} (revision {revision}) after state {} (revision {})",
                state + 1,
                last.state + 1,
                last.revision
            ));
        }
        *last = Last { state, revision, any: true };
        if pending { Ok(()) } else { self.revisions.name(date, revision, state) }
    }

    fn rows(&mut self, date: usize, revision: u64, pending: bool, rows: &[Row]) -> Result<(), Broken> {
        self.state(date, revision, pending, |legal| legal.rows == rows).map_err(|broken| format!("{broken}: {rows:?}"))
    }

    fn sums(&mut self, date: usize, revision: u64, pending: bool, by: By, sums: &[Sum]) -> Result<(), Broken> {
        let broken = self.state(date, revision, pending, |legal| legal.sums(by) == sums);
        broken.map_err(|broken| format!("{broken}: {sums:?}"))
    }

    fn nothing(&self, date: usize) -> Result<(), Broken> {
        if self.last[date].any { Err("a day that was there is missing".to_owned()) } else { Ok(()) }
    }
}

/// Asks through the API, in process.
pub struct ApiReader<'a> {
    pub router: Router,
    pub judge: Judge<'a>,
    /// Answers over many days follow the year's index of their dataset, which comes after the days themselves.
    pub exports: Judge<'a>,
    /// Revisions are those of the minute sums, which have a count of their own.
    pub ranges: Judge<'a>,
}

impl ApiReader<'_> {
    pub async fn ask(&mut self, random: &mut ChaCha8Rng) -> Result<(), Broken> {
        let date = random.random_range(0..2);
        let day = format!("/api/v1/greeks/SPY/{}", DATES[date]);
        match random.random_range(0..10) {
            0..4 => self.day(date, &day).await.map_err(|broken| format!("{day}: {broken}")),
            4..7 => {
                let by = By::ALL[random.random_range(0..3)];
                self.aggregate(date, &format!("{day}/aggregate?by={}", by.name()), by).await
            }
            7 => self.coverage().await,
            8 => self.export(date).await,
            _ => self.minutes(date).await,
        }
    }

    /// The day's rows, and that they are the state after `states` captures.
    pub async fn ends_with(&mut self, date: usize) -> Result<(), Broken> {
        let day = format!("/api/v1/greeks/SPY/{}", DATES[date]);
        let states = self.judge.legal[date].len();
        let errors = self.judge.errors;
        self.day(date, &day).await?;
        self.aggregate(date, &format!("{day}/aggregate?by=expiration"), By::Expiration).await?;
        if self.judge.errors > errors && states > 0 {
            return Err(format!("{day} is an error though nothing is in the way"));
        }
        if states > 0 && self.judge.last[date].state + 1 < states {
            return Err(format!("{day} ends at state {} of {states}", self.judge.last[date].state + 1));
        }
        Ok(())
    }

    async fn day(&mut self, date: usize, path: &str) -> Result<(), Broken> {
        let Some((answer, data)) = self.get(date, path).await? else { return Ok(()) };
        let rows: Option<Vec<Row>> = data.iter().map(Row::read).collect();
        let (revision, pending) = head(&answer)?;
        self.judge.rows(date, revision, pending, &rows.ok_or_else(|| format!("{path}: {answer}"))?)
    }

    async fn aggregate(&mut self, date: usize, path: &str, by: By) -> Result<(), Broken> {
        let Some((answer, data)) = self.get(date, path).await? else { return Ok(()) };
        let sums: Option<Vec<Sum>> = data.iter().map(Sum::read).collect();
        let (revision, pending) = head(&answer)?;
        let sums = sums.ok_or_else(|| format!("{path}: {answer}"))?;
        self.judge.sums(date, revision, pending, by, &sums).map_err(|broken| format!("{path}: {broken}"))
    }

    /// The day as one of a span: it may break off, and never shows another revision than it named.
    async fn export(&mut self, date: usize) -> Result<(), Broken> {
        let path = format!("/api/v1/greeks/SPY/export?start={0}&end={0}", DATES[date]);
        let found =
            span(self.reply(&path).await, &mut self.exports, date).map_err(|broken| format!("{path}: {broken}"))?;
        let Some(mut answer) = found else { return Ok(()) };
        let mut rows = Vec::new();
        for row in answer["data"].as_array_mut().ok_or("no data")? {
            let dated = row.as_object_mut().and_then(|row| row.remove("date"));
            rows.extend(Row::read(row).filter(|_| dated == Some(DATES[date].into())));
        }
        let (revision, pending) = head(&answer["days"][0])?;
        let whole = answer["count"] == rows.len();
        self.exports.rows(date, revision, pending, &rows).map_err(|broken| format!("{path} ({whole}): {broken}"))
    }

    async fn minutes(&mut self, date: usize) -> Result<(), Broken> {
        let path = format!("/api/v1/greeks/SPY/range?start={0}&end={0}&by=minute", DATES[date]);
        let found =
            span(self.reply(&path).await, &mut self.ranges, date).map_err(|broken| format!("{path}: {broken}"))?;
        let Some(answer) = found else { return Ok(()) };
        let sums: Option<Vec<Sum>> = answer["data"].as_array().ok_or("no data")?.iter().map(Sum::read).collect();
        let sums = sums.ok_or_else(|| format!("{path}: {answer}"))?;
        let (revision, pending) = head(&answer["days"][0])?;
        self.ranges.sums(date, revision, pending, By::Minute, &sums).map_err(|broken| format!("{path}: {broken}"))
    }

    async fn coverage(&mut self) -> Result<(), Broken> {
        let path = format!("/api/v1/greeks/SPY/coverage?start={}&end={}", DATES[0], DATES[1]);
        let (status, answer) = self.reply(&path).await?;
        if status != 200 {
            self.judge.errors += 1;
            return if status == 503 { Ok(()) } else { Err(format!("{path}: {status} {answer}")) };
        }
        for (date, day) in answer["data"].as_array().ok_or("no data")?.iter().enumerate() {
            self.judge.judged += 1;
            let (rows, last) = (day["rows"].as_u64(), self.judge.coverage[date]);
            let Some(revision) = day["revision"].as_u64() else {
                if last.any || rows != Some(0) {
                    return Err(format!("{path}: {} has no revision: {day}", DATES[date]));
                }
                continue;
            };
            let state = self.judge.legal[date].iter().rposition(|legal| Some(legal.rows.len() as u64) == rows);
            if state.is_none() || revision < last.revision {
                return Err(format!("{path}: after revision {} comes {day}", last.revision));
            }
            self.judge.coverage[date] = Last { revision, any: true, state: 0 };
        }
        Ok(())
    }

    /// The answer and its rows; `None` when it is an error that may be.
    async fn get(&mut self, date: usize, path: &str) -> Result<Option<(Value, Vec<Value>)>, Broken> {
        let (status, answer) = self.reply(path).await?;
        match status {
            200 => {
                let data = answer["data"].as_array().cloned().ok_or("no data")?;
                if answer["count"] != data.len() {
                    return Err(format!("{path}: count is not the length of data"));
                }
                return Ok(Some((answer, data)));
            }
            404 => self.judge.nothing(date).map_err(|broken| format!("{path}: {broken}: {answer}"))?,
            503 => {}
            _ => return Err(format!("{path}: {status} {answer}")),
        }
        self.judge.errors += 1;
        Ok(None)
    }

    async fn reply(&self, path: &str) -> Result<(u16, Value), Broken> {
        let mut request = Request::get(path).header("host", "localhost").body(Body::empty()).expect("a request");
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000))));
        let Ok(response) = self.router.clone().oneshot(request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|error| format!("{path} broke off: {error}"))?;
        let body = serde_json::from_slice(&body.to_bytes()).map_err(|error| format!("{path} is not JSON: {error}"))?;
        Ok((status, body))
    }
}

/// An answer over a span of one day; `None` when it is an error that may be, or broke off.
fn span(reply: Result<(u16, Value), Broken>, judge: &mut Judge<'_>, date: usize) -> Result<Option<Value>, Broken> {
    match reply {
        Ok((200, answer)) => return Ok(Some(answer)),
        Ok((404, answer)) => judge.nothing(date).map_err(|broken| format!("{broken}: {answer}"))?,
        Ok((503, _)) => {}
        Ok((status, answer)) => return Err(format!("{status} {answer}")),
        Err(broke_off) if broke_off.contains("broke off") => {}
        Err(broken) => return Err(broken),
    }
    judge.errors += 1;
    Ok(None)
}

fn head(answer: &Value) -> Result<(u64, bool), Broken> {
    let revision = answer["revision"].as_u64().ok_or_else(|| format!("no revision in {answer}"))?;
    Ok((revision, answer["condition"] == "pending"))
}

/// Opens partitions with a cache of his own, and whole objects without one.
pub struct FileReader<'a> {
    pub partitions: Partitions,
    pub store: Store,
    pub opened: Judge<'a>,
    pub fetched: Judge<'a>,
}

impl FileReader<'_> {
    pub async fn ask(&mut self, random: &mut ChaCha8Rng) -> Result<(), Broken> {
        let date = random.random_range(0..2);
        let freshness = [Freshness::Open, Freshness::Settled][random.random_range(0..2)];
        if random.random() { self.open(date, freshness).await } else { self.fetch(date).await }
    }

    async fn open(&mut self, date: usize, freshness: Freshness) -> Result<(), Broken> {
        let ready = match self.partitions.open(&id("greeks", date), freshness).await {
            Ok(ready) => ready,
            Err(error) => return may_be(&error, &mut self.opened, date),
        };
        let found = select(self.partitions.row_groups(), &ready.partition, Filter::default()).await;
        let slices = match found {
            Ok((_, Rows::Ready(slices))) => slices,
            Ok(_) => return Err("a small day is streamed".to_owned()),
            Err(error) => return may_be(&error, &mut self.opened, date),
        };
        let rows: Vec<Row> = slices.iter().flat_map(|slice| rows(&slice.batch)).collect();
        let pending = ready.head.condition.as_str() == "pending";
        self.opened.rows(date, u64::from(ready.head.revision), pending, &rows)
    }

    /// The whole file, and the record beside it: each by itself is of one state.
    async fn fetch(&mut self, date: usize) -> Result<(), Broken> {
        let id = id("greeks", date);
        let file = match self.store.get(&id.data_key()).await {
            Ok(object) => object.bytes,
            Err(error) => return may_be(&error, &mut self.fetched, date),
        };
        let rows: Vec<Row> = batches(file).iter().flat_map(rows).collect();
        let revision = self.fetched.last[date].revision;
        // Bytes alone have no revision.
        self.fetched.rows(date, revision, true, &rows)?;
        match publish::manifest(&self.store, &id).await {
            Ok(manifest) => {
                let held = self.fetched.legal[date].iter().any(|legal| {
                    (legal.rows.len() as u64, legal.rows_in) == (manifest.content.rows, manifest.content.counts.rows_in)
                });
                if held { Ok(()) } else { Err(format!("a manifest of no state: {:?}", manifest.content.counts)) }
            }
            // A file may be there before its record.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => may_be(&error, &mut self.fetched, date),
        }
    }
}

fn may_be(error: &pitlake::Error, judge: &mut Judge<'_>, date: usize) -> Result<(), Broken> {
    judge.errors += 1;
    match error.kind() {
        ErrorKind::NotFound => judge.nothing(date),
        ErrorKind::Unavailable => Ok(()),
        kind => Err(format!("{kind:?}: {error}")),
    }
}

pub fn id(dataset: &str, date: usize) -> PartitionId {
    PartitionId::day(dataset, &"SPY".parse().expect("a symbol"), DATES[date].parse().expect("a date"))
}

/// Rows of a file as answers write them.
pub fn rows(batch: &RecordBatch) -> Vec<Row> {
    let date = |days: i32| chrono::NaiveDate::from_epoch_days(days).expect("a date").to_string();
    let rows = strike_rows(batch).into_iter();
    rows.map(|row| Row {
        timestamp: instant(row.at),
        expiration: date(row.expiration),
        strike: row.strike,
        greeks: row.greeks,
    })
    .collect()
}
