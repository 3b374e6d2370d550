//! The years' tables as the routes read them: through the cache, decoded once per version of a file. Of a session asked for by the
//! thousand only the first costs more than looking it up.

use std::sync::Arc;

use moka::sync::Cache as Memo;

use crate::http::context::Context;
use crate::http::stored::rows_of;
use crate::lake::cache::Freshness;
use crate::lake::dataset::Dataset;
use crate::lake::layout::PartitionId;
use crate::market::{Instrument, SessionKind, TradingDate};
use crate::profile::columns;
use crate::profile::refusal::{self, Refusal};
use crate::profile::session_record::SessionRecord;
use crate::{Error, ErrorKind, Result};

/// Decoded tables kept; a year of a future takes about three megabytes.
const KEPT: u64 = 32;

/// Decoded versions of tables; clones share them.
#[derive(Clone)]
pub struct Years(Memo<String, Arc<Vec<SessionRecord>>>);

impl Default for Years {
    fn default() -> Self {
        Self(Memo::new(KEPT))
    }
}

/// One table of a year.
#[derive(Clone)]
pub struct Year {
    /// In the table's sort order.
    pub records: Arc<Vec<SessionRecord>>,
    /// Sessions that their bars allow no profile of.
    refused: Arc<Vec<Refusal>>,
}

impl Year {
    /// The rows of a date and session: one at most in the current table.
    pub fn of(&self, date: TradingDate, session: SessionKind) -> impl Iterator<Item = &SessionRecord> {
        let start = self.records.partition_point(|record| record.date < date);
        let of_date = self.records[start..].iter().take_while(move |record| record.date == date);
        of_date.filter(move |record| record.session == session)
    }

    /// Why the session has no computed profile, where its bars allow none.
    pub fn refusal(&self, date: TradingDate, session: SessionKind) -> Option<&Refusal> {
        self.refused.iter().find(|refusal| (refusal.date, refusal.session) == (date, session))
    }
}

impl Years {
    /// A year's table; `None` when there is none.
    ///
    /// # Errors
    /// `Corrupt` when it is damaged, those of the store.
    pub async fn get(
        &self,
        context: &Context,
        dataset: &Dataset,
        instrument: &Instrument,
        year: i32,
        freshness: Freshness,
    ) -> Result<Option<Year>> {
        let id = PartitionId::year(dataset.name, &instrument.symbol, year);
        let ready = match context.partitions.open(&id, freshness).await {
            Ok(ready) => ready,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let refused = Arc::new(refusal::remembered(&ready.head.content.details));
        let file = ready.file();
        let version = file.path().to_string_lossy().into_owned();
        if let Some(records) = self.0.get(&version) {
            return Ok(Some(Year { records, refused }));
        }
        let batch = rows_of(context, file).await?;
        let symbol = instrument.symbol.clone();
        let decoded = tokio::task::spawn_blocking(move || columns::records(&batch, &symbol));
        let decoded =
            decoded.await.map_err(|error| Error::internal("the reader of a table stopped").caused_by(error))?;
        let records = Arc::new(decoded.map_err(|error| error.while_doing(file.key()))?);
        self.0.insert(version, Arc::clone(&records));
        Ok(Some(Year { records, refused }))
    }
}
