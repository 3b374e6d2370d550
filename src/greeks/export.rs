//! The strike level of many days, one after the other, in constant memory: files are fetched ahead, row groups decoded ahead, both
//! within a bound, and nothing of it stays in the memory of hot days. Called by the export route. Days come in order, each the
//! revision that was promised; what cannot be read as promised ends the stream with an error.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::columns;
use super::record::STRIKES;
use super::select::Filter;
use crate::http::format::Slice;
use crate::lake::cache::{Cache, CachedFile};
use crate::lake::head::Partitions;
use crate::lake::promise::Promise;
use crate::lake::row_groups::{OpenPartition, RowGroups};
use crate::market::TradingDate;
use crate::{Error, ErrorKind, Result};

/// Days whose files are fetched at a time, the one being read included.
const FILES_AHEAD: usize = 4;
/// Row groups decoded at a time; one of the strike level takes about 3 MB.
const DECODED_AHEAD: usize = 3;

/// One day of an export, and which of its rows.
pub struct Day {
    pub promise: Promise,
    pub filter: Filter,
}

/// The days to send with their columns settled.
pub struct Export {
    partitions: Partitions,
    schema: SchemaRef,
}

/// `date`, then the columns of this version's strike level as far as asked, then what files have besides.
///
/// # Errors
/// Those of fetching and opening the first and the last day: these two are looked into before anything is promised, so that the
/// columns of a newer version are there from the start.
pub async fn prepare(partitions: &Partitions, days: &[Day]) -> Result<Export> {
    let mut known = Vec::new();
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        let open = |day: &Day| open(partitions.clone(), day.promise.clone());
        let (first, last) = tokio::try_join!(open(first), open(last))?;
        known.extend([first, last].map(|partition| Arc::clone(partition.schema())));
    }
    for day in days {
        // What was opened before is looked into as well, so that a file which broke an export off is known to the next.
        let opened = day.promise.pinned().map(|ready| Arc::clone(ready.partition.schema()));
        let held = || partitions.held(&day.promise).and_then(|file| partitions.row_groups().already_open(&file));
        known.extend(opened.or_else(|| held().map(|partition| Arc::clone(partition.schema()))));
    }
    let union = columns::union(&(STRIKES.schema)(), &known)?;
    let greeks = days.first().and_then(|day| day.filter.greeks.as_deref());
    let asked = columns::only(&union, |name| columns::of_exposures(name, greeks));
    let date: FieldRef = Arc::new(Field::new("date", DataType::Date32, false));
    let fields: Vec<FieldRef> = std::iter::once(date).chain(asked.fields().iter().cloned()).collect();
    let schema = Arc::new(Schema::new(fields));
    Ok(Export { partitions: partitions.clone(), schema })
}

impl Export {
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows. Dropping the stream ends the fetching, but for what is on its way.
    pub fn rows(self, days: Vec<Day>) -> BoxStream<'static, Result<Slice>> {
        let Self { partitions, schema } = self;
        let (groups, cache) = (partitions.row_groups().clone(), partitions.cache().clone());
        let files = stream::iter(days)
            .map(move |day| {
                let partitions = partitions.clone();
                async move { Ok::<_, Error>((open(partitions, day.promise.clone()).await?, day)) }
            })
            .buffered(FILES_AHEAD);
        let jobs = files.map_ok(move |(partition, day)| {
            let jobs = row_groups(&partition, day, &schema);
            stream::iter(jobs.into_iter().map(Ok))
        });
        jobs.try_flatten()
            .map(move |job: Result<Job>| {
                let (groups, cache) = (groups.clone(), cache.clone());
                async move {
                    let job = job?;
                    let file = Arc::clone(job.partition.file());
                    let decoded = tokio::task::spawn_blocking(move || job.run(&groups)).await;
                    decoded.map_err(stopped)?.inspect_err(|error| distrust(&cache, error, &file))
                }
            })
            .buffered(DECODED_AHEAD)
            .boxed()
    }
}

/// A row group to decode.
struct Job {
    partition: OpenPartition,
    number: usize,
    date: TradingDate,
    filter: Filter,
    schema: SchemaRef,
}

fn row_groups(partition: &OpenPartition, day: Day, schema: &SchemaRef) -> Vec<Job> {
    let metadata = partition.metadata();
    let numbers = (0..metadata.num_row_groups()).filter(|number| day.filter.may_hold(metadata.row_group(*number)));
    let job = |number| Job {
        partition: partition.clone(),
        number,
        date: day.promise.date,
        filter: day.filter.clone(),
        schema: Arc::clone(schema),
    };
    numbers.map(job).collect()
}

impl Job {
    fn run(self, groups: &RowGroups) -> Result<Slice> {
        let asked = self.filter.columns(self.partition.schema());
        for at in &asked {
            let name = self.partition.schema().field(*at).name();
            if self.schema.field_with_name(name).is_err() {
                return Err(Error::unavailable(format!(
                    "{} has a column '{name}' that the days around it do not have; ask again",
                    self.partition.file().key()
                )));
            }
        }
        let batch = groups.get_in_passing(&self.partition, self.number, &asked)?;
        let ranges = self.filter.rows(&batch)?;
        let dates: ArrayRef = Arc::new(Date32Array::from_value(self.date.days_since_epoch(), batch.num_rows()));
        let date = Arc::clone(&self.schema.fields()[0]);
        let fields: Vec<FieldRef> = std::iter::once(date).chain(batch.schema().fields().iter().cloned()).collect();
        let all = std::iter::once(dates).chain(batch.columns().iter().cloned()).collect();
        let dated = RecordBatch::try_new(Arc::new(Schema::new(fields)), all)
            .map_err(|error| Error::internal("a day's rows do not take its date").caused_by(error))?;
        Ok(Slice { batch: columns::fit(&dated, &self.schema)?, ranges })
    }
}

async fn open(partitions: Partitions, promise: Promise) -> Result<OpenPartition> {
    if let Some(ready) = promise.pinned() {
        return Ok(ready.partition.clone());
    }
    let file = partitions.fetch(&promise).await?;
    let (groups, cache) = (partitions.row_groups().clone(), partitions.cache().clone());
    let opened = tokio::task::spawn_blocking(move || {
        groups.open_in_passing(&file).inspect_err(|error| distrust(&cache, error, &file))
    });
    opened.await.map_err(stopped)?
}

/// Damage is told to the cache, so that the next question gets a new copy.
fn distrust(cache: &Cache, error: &Error, file: &Arc<CachedFile>) {
    if error.kind() == ErrorKind::Corrupt {
        cache.distrust(file);
    }
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::internal("a worker of an export stopped").caused_by(error)
}
