//! Catalogs and year indexes as readers use them: through the cache, parsed once per version. Called by routes.

use std::sync::Arc;

use moka::sync::Cache as Memo;

use super::cache::{Cache, Freshness};
use super::catalog::Catalog;
use super::layout::PartitionId;
use super::manifest::Manifest;
use super::year_index::YearIndex;
use crate::market::{Symbol, TradingDate};
use crate::{ErrorKind, Result};

/// Parsed versions kept; a year's index takes a few hundred kilobytes.
const KEPT: u64 = 64;

/// Cloning is cheap; clones share what they remember.
#[derive(Clone)]
pub struct Indexes {
    cache: Cache,
    catalogs: Memo<(String, String), Arc<Catalog>>,
    years: Memo<(String, String), Arc<YearIndex>>,
}

impl Indexes {
    pub fn new(cache: Cache) -> Self {
        Self { cache, catalogs: Memo::new(KEPT), years: Memo::new(KEPT) }
    }

    /// The dataset's catalog; empty when nothing was ever compacted.
    ///
    /// # Errors
    /// Those of the store, `Corrupt` when it is damaged.
    pub async fn catalog(&self, dataset: &str) -> Result<Arc<Catalog>> {
        let key = Catalog::key(dataset);
        let object = match self.cache.small(&key, Freshness::Open).await {
            Ok(object) => object,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(error),
        };
        let version = (key, object.etag.clone());
        if let Some(known) = self.catalogs.get(&version) {
            return Ok(known);
        }
        let catalog = Arc::new(Catalog::parse(&object.bytes, &version.0)?);
        self.catalogs.insert(version, Arc::clone(&catalog));
        Ok(catalog)
    }

    /// A year's index; `None` when the year has none.
    ///
    /// # Errors
    /// Those of the store, `Corrupt` when it is damaged.
    pub async fn year(
        &self,
        dataset: &str,
        symbol: &Symbol,
        year: i32,
        freshness: Freshness,
    ) -> Result<Option<Arc<YearIndex>>> {
        let key = PartitionId::year(dataset, symbol, year).manifest_key();
        let object = match self.cache.small(&key, freshness).await {
            Ok(object) => object,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let version = (key, object.etag.clone());
        if let Some(known) = self.years.get(&version) {
            return Ok(Some(known));
        }
        let index = Arc::new(YearIndex::parse(&object.bytes, &version.0)?);
        self.years.insert(version, Arc::clone(&index));
        Ok(Some(index))
    }

    /// A partition's manifest as it is now.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Corrupt` when it is damaged, those of the store.
    pub async fn manifest(&self, id: &PartitionId) -> Result<Manifest> {
        let key = id.manifest_key();
        Manifest::parse(&self.cache.small(&key, Freshness::Open).await?.bytes, &key)
    }

    /// The last day until `today` that the dataset has of the symbol; `None` when it has none. A document stamped in the future
    /// lies under its date and is the present of nobody.
    ///
    /// # Errors
    /// As [`Indexes::year`].
    pub async fn newest_day(&self, dataset: &str, symbol: &Symbol, today: TradingDate) -> Result<Option<TradingDate>> {
        let catalog = self.catalog(dataset).await?;
        for year in catalog.years(symbol).rev().filter(|year| *year <= today.year()) {
            let index = self.year(dataset, symbol, year, Freshness::Open).await?;
            let days = index.as_ref().map_or(&[][..], |index| &index.days);
            if let Some(day) = days.iter().rfind(|day| day.date <= today) {
                return Ok(Some(day.date));
            }
        }
        Ok(None)
    }
}
