//! A day and a year made again from nothing but captures and manifests: the way of repair. Not the compactor's usual one, which
//! leaves alone what looks up to date: a damaged file may have the right size.

use std::sync::Arc;

use super::compactor::Compactor;
use super::day::{matched, stopped};
use super::plan::{Day, replaceable};
use super::recipe::{Captured, Derived, Parts};
use super::year::Scope;
use crate::lake::publish::publish;
use crate::lake::verify::check_capture;
use crate::lake::verify::repair::restore_revision;
use crate::lake::year_index;
use crate::market::{Symbol, TradingDate};
use crate::{Error, Result};

impl Compactor {
    /// Makes the day's partitions again from its captures. What stands there is replaced only by something whole.
    ///
    /// # Errors
    /// `Corrupt` when a capture is damaged; `Invalid` when there are none, one is missing, or what is left gives fewer rows than
    /// the year's index remembers; `Conflict` when somebody published meanwhile; those of the store.
    pub async fn remake_day(&self, symbol: &Symbol, date: TradingDate) -> Result<()> {
        let instrument = self
            .instruments
            .get(symbol)
            .cloned()
            .ok_or_else(|| Error::invalid(format!("{symbol} is not known; add it to _config/instruments.toml")))?;
        let standing = self.standing(symbol, date).await?;
        standing.iter().try_for_each(|standing| replaceable(&standing.before, &*self.recipe))?;
        let mut remembered = Vec::with_capacity(standing.len());
        for standing in &standing {
            remembered.push(year_index::remembered(&self.store, &standing.id).await?);
        }
        let captured = self.checked_captures(symbol, date).await?;
        if captured.is_empty() {
            return Err(Error::invalid(format!(
                "there are no captures of {symbol} {date} to make it from; ingest them again"
            )));
        }
        let named = standing.iter().flat_map(|standing| &standing.before.manifest);
        for capture in named.flat_map(|(manifest, _)| &manifest.content.captures) {
            if !captured.iter().any(|there| (&there.dataset, &there.id) == (&capture.dataset, &capture.id)) {
                return Err(Error::invalid(format!("the capture {} it was made from is missing", capture.id)));
            }
        }
        let calculation = self.calculation(&instrument, date, &standing);
        let parts = Parts::new(self.parsed(captured, date, &instrument).await?);
        let recipe = Arc::clone(&self.recipe);
        let derived = tokio::task::spawn_blocking(move || recipe.assemble(&instrument, date, parts, &calculation))
            .await
            .map_err(stopped)??;
        if let (Some(Some(known)), Some(Derived { content, .. })) = (remembered.first(), derived.first())
            && known.rows > content.rows
        {
            return Err(Error::invalid(format!(
                "its captures give {} rows and the year's index remembers {}: some captures are missing",
                content.rows, known.rows
            )));
        }
        for ((standing, derived), known) in matched(&standing, derived)?.into_iter().zip(&remembered).rev() {
            let Derived { data, content } = derived;
            let done =
                publish(&self.store, &standing.before, standing.dataset, content, data, self.clock.now()).await?;
            restore_revision(&self.store, done.manifest(), known.as_ref()).await?;
        }
        Ok(())
    }

    /// Makes the year's indexes and tables from the day manifests alone, whatever stands there.
    ///
    /// # Errors
    /// Those of the store; `Corrupt` when a day manifest is damaged.
    pub async fn rebuild_year(&self, symbol: &Symbol, year: i32) -> Result<()> {
        let manifests = self.year_manifests(symbol, year).await?;
        let (_, failed) = self.bring_year(symbol, year, &manifests, Scope::All).await;
        failed.into_iter().next().map_or(Ok(()), Err)
    }

    /// The day's captures in the order in which compaction reads them, each checked against its name.
    async fn checked_captures(&self, symbol: &Symbol, date: TradingDate) -> Result<Vec<Captured>> {
        let mut captured = Vec::new();
        for (dataset, id, key) in self.captures(&Day { symbol: symbol.clone(), date }).await? {
            let bytes = self.store.get(&key).await?.bytes;
            if let Some(damage) = check_capture(&key, &id, bytes.clone()) {
                return Err(Error::corrupt(format!("{key} is damaged: {}", damage.detail)));
            }
            captured.push(Captured { dataset: dataset.to_owned(), id, bytes });
        }
        Ok(captured)
    }
}
