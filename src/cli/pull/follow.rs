//! Keeps a pulled folder up to date: asks what was republished, brings it, asks again. Ends with the process.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::Pull;
use super::remote::{Listed, Source};
use crate::lake::layout::{Key, PartitionId, Period};
use crate::lake::records::Span;
use crate::market::TradingDate;
use crate::{Error, ErrorKind, Result};

/// What this needs of a row of `/changes`.
#[derive(Deserialize)]
struct Changed {
    path: String,
    sha256: String,
}

impl Pull {
    /// Goes on until an error that waiting does not mend: a refused key, a full disk. A server that cannot be reached is told
    /// once and asked again.
    ///
    /// # Errors
    /// As above.
    pub(super) async fn follow(
        &self,
        mut sources: Vec<(Source, DateTime<Utc>)>,
        every: Duration,
        out: &mut dyn Write,
    ) -> Result<()> {
        let mut away = false;
        loop {
            self.folder.save()?;
            tokio::time::sleep(every).await;
            for (source, since) in &mut sources {
                match self.round(source, *since, out).await {
                    Ok(Some(until)) => {
                        *since = until;
                        away = false;
                    }
                    // What failed is asked for again, since the same instant.
                    Ok(None) => {}
                    Err(error) if is_away(&error) => {
                        if !away {
                            self.report.says(&format!("{}; waiting for it", error.detail()));
                        }
                        away = true;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Brings what was republished since; gives the instant to go on from, or nothing when some of it could not be brought.
    async fn round(&self, source: &Source, since: DateTime<Utc>, out: &mut dyn Write) -> Result<Option<DateTime<Utc>>> {
        let answer = self.remote.changes(source, since).await?;
        let mut changed: BTreeMap<String, PartitionId> = BTreeMap::new();
        for row in &answer.data {
            let Ok(row) = serde_json::from_str::<Changed>(row.get()) else { continue };
            if let Ok(Key::Partition(id)) = row.path.parse()
                && self.span.has(&id)
                && !self.folder.remembers(&row.path, &row.sha256)
            {
                changed.insert(row.path, id);
            }
        }
        let Some(span) = span_of(changed.values()) else { return Ok(Some(answer.until)) };
        let listing = self.remote.files(source, span).await?;
        let files: Vec<Listed> = listing.files.into_iter().filter(|file| changed.contains_key(&file.path)).collect();
        Ok(self.mirror(source, files, out).await?.then_some(answer.until))
    }
}

/// Whether it is the server that cannot be reached or does not manage now, and not a disk or our own output.
fn is_away(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable && error.source().is_none_or(|cause| cause.is::<reqwest::Error>())
}

/// From the first to the last of the partitions.
fn span_of<'a>(ids: impl Iterator<Item = &'a PartitionId>) -> Option<Span> {
    let mut ends: Option<(TradingDate, TradingDate)> = None;
    for id in ids {
        let (first, last) = match id.period {
            Period::Day(date) => (date, date),
            Period::Year(year) => (TradingDate::from_ymd(year, 1, 1)?, TradingDate::from_ymd(year, 12, 31)?),
        };
        ends = Some(ends.map_or((first, last), |(from, to)| (from.min(first), to.max(last))));
    }
    ends.map(|(start, end)| Span { start: Some(start), end: Some(end) })
}
