//! Carries out what [`super::repair::plan`] says: manifests from footers, catalogs from manifests, days and years by the room whose
//! they are. What stands in the lake is replaced only by something whole, and nothing is deleted.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::repair::{Repair, catalog_from_manifests, manifest_from_footer, plan};
use super::{Claim, Finding, Tenant};
use crate::lake::catalog::Catalog;
use crate::lake::layout::PartitionId;
use crate::lake::store::Store;
use crate::market::{SharedClock, Symbol};
use crate::{Error, ErrorKind, Result};

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// `manifest`, `catalog`, `day`, `year` or `impossible`.
    pub repair: &'static str,
    /// The room that made the day or year again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<&'static str>,
    /// The object, or the symbol and day or year.
    pub key: String,
    pub done: bool,
    /// Why it could not be done; empty when it was.
    pub detail: String,
}

/// Repairs what can be repaired of `findings`; `told` hears of each step. A step that fails does not stop the others.
pub async fn repair(
    store: &Store,
    tenants: &[Tenant],
    clock: &SharedClock,
    findings: &[Finding],
    told: &mut dyn FnMut(&Done),
) -> Vec<Done> {
    let mut all = Vec::new();
    let claims: Vec<Claim> = tenants.iter().map(|tenant| tenant.claim).collect();
    // A year is made from its days: while one of them is broken, making it would only forget that day.
    let mut broken: Vec<(usize, Symbol, i32)> = Vec::new();
    for step in plan(findings, &claims) {
        let (repair, room, key, result) = match step {
            Repair::Manifest(room, id) => {
                let result = manifest(store, &tenants[room], &id, clock.now()).await;
                if result.is_err() {
                    broken.push((room, id.symbol.clone(), id.period.year()));
                }
                ("manifest", None, id.manifest_key(), result)
            }
            Repair::Catalog(dataset) => {
                ("catalog", None, Catalog::key(&dataset), catalog_from_manifests(store, &dataset).await)
            }
            Repair::Day(room, symbol, date) => {
                let result = tenants[room].remake.day(&symbol, date).await;
                if result.is_err() {
                    broken.push((room, symbol.clone(), date.year()));
                }
                ("day", Some(room), format!("{symbol} {date}"), result)
            }
            Repair::Year(room, symbol, year) => {
                let key = format!("{symbol} {year}");
                let result = if broken.contains(&(room, symbol.clone(), year)) {
                    Err(Error::invalid("its days could not all be repaired"))
                } else {
                    tenants[room].remake.year(&symbol, year).await
                };
                ("year", Some(room), key, result)
            }
            Repair::Impossible { key, why } => ("impossible", None, key, Err(Error::invalid(why))),
        };
        let detail = result.as_ref().err().map(|error| error.detail().to_owned()).unwrap_or_default();
        let room = room.map(|room| tenants[room].name);
        let done = Done { repair, room, key, done: result.is_ok(), detail };
        told(&done);
        all.push(done);
    }
    all
}

/// The record of a partition from the footer of its file; of a day whose file cannot be trusted, the day from its captures.
async fn manifest(store: &Store, tenant: &Tenant, id: &PartitionId, now: DateTime<Utc>) -> Result<()> {
    match (manifest_from_footer(store, id, now).await, id.period.day()) {
        (Err(error), Some(date)) if error.kind() == ErrorKind::Corrupt => tenant.remake.day(&id.symbol, date).await,
        (result, _) => result.map(drop),
    }
}
