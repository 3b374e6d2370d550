//! Carries out what [`crate::lake::verify::repair::plan`] says: manifests from footers, days from captures, years from manifests. What
//! stands in the lake is replaced only by something whole, and nothing is deleted.

use std::sync::Arc;

use serde::Serialize;

use crate::greeks::compact::Greeks;
use crate::lake::catalog::Catalog;
use crate::lake::compact::{CompactOptions, Compactor};
use crate::lake::store::Store;
use crate::lake::verify::Finding;
use crate::lake::verify::repair::{Repair, catalog_from_manifests, manifest_from_footer, plan};
use crate::market::{Instruments, SharedClock, Symbol};
use crate::{Error, ErrorKind};

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// `manifest`, `catalog`, `day`, `year` or `impossible`.
    pub repair: &'static str,
    /// The object, or the symbol and day or year.
    pub key: String,
    pub done: bool,
    /// Why it could not be done; empty when it was.
    pub detail: String,
}

/// Repairs what can be repaired of `findings`; `told` hears of each step. A step that fails does not stop the others.
pub async fn repair(
    store: &Store,
    instruments: &Arc<Instruments>,
    clock: &SharedClock,
    findings: &[Finding],
    told: &mut dyn FnMut(&Done),
) -> Vec<Done> {
    let mut all = Vec::new();
    let (table, time) = (Arc::clone(instruments), Arc::clone(clock));
    let compactor = Compactor::new(Arc::new(Greeks), store.clone(), table, time, CompactOptions::default());
    // A year is made from its days: while one of them is broken, making it would only forget that day.
    let mut broken: Vec<(Symbol, i32)> = Vec::new();
    for step in plan(findings) {
        let (repair, key, result) = match step {
            Repair::Manifest(id) => {
                let result = match (manifest_from_footer(store, &id, clock.now()).await, id.period.day()) {
                    (Err(error), Some(date)) if error.kind() == ErrorKind::Corrupt => {
                        compactor.remake_day(&id.symbol, date).await
                    }
                    (result, _) => result.map(drop),
                };
                if result.is_err() {
                    broken.push((id.symbol.clone(), id.period.year()));
                }
                ("manifest", id.manifest_key(), result)
            }
            Repair::Catalog(dataset) => {
                ("catalog", Catalog::key(&dataset), catalog_from_manifests(store, &dataset).await)
            }
            Repair::Day(symbol, date) => {
                let result = compactor.remake_day(&symbol, date).await;
                if result.is_err() {
                    broken.push((symbol.clone(), date.year()));
                }
                ("day", format!("{symbol} {date}"), result)
            }
            Repair::Year(symbol, year) if broken.contains(&(symbol.clone(), year)) => {
                ("year", format!("{symbol} {year}"), Err(Error::invalid("its days could not all be repaired")))
            }
            Repair::Year(symbol, year) => {
                let result = compactor.rebuild_year(&symbol, year).await;
                ("year", format!("{symbol} {year}"), result)
            }
            Repair::Impossible { key, why } => ("impossible", key, Err(Error::invalid(why))),
        };
        let detail = result.as_ref().err().map(|error| error.detail().to_owned()).unwrap_or_default();
        let done = Done { repair, key, done: result.is_ok(), detail };
        told(&done);
        all.push(done);
    }
    all
}
