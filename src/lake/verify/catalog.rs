//! Checks a dataset's catalog against the partitions that there are. Pure.

use std::collections::BTreeSet;

use super::inventory::Inventory;
use super::{Code, Finding};
use crate::lake::catalog::Catalog;
use crate::lake::dataset::{Cut, Dataset};
use crate::market::Symbol;

/// What is wrong with the catalog of `dataset`: absent, unreadable (why), or read.
pub fn check(
    dataset: &Dataset,
    found: Option<std::result::Result<Catalog, String>>,
    inventory: &Inventory,
) -> Option<Finding> {
    let there = there(dataset, inventory);
    let wrong = |detail: String| Some(Finding::new(Code::CatalogDiffers, Catalog::key(dataset.name), detail));
    let catalog = match found {
        None if there.is_empty() => return None,
        None => return wrong("it is not there, so nobody can ask which symbols there are".to_owned()),
        Some(Err(why)) => return wrong(why),
        Some(Ok(catalog)) => catalog,
    };
    if catalog.dataset != dataset.name {
        return wrong(format!("it says that it is of {}", catalog.dataset));
    }
    let named: BTreeSet<(&Symbol, i32)> =
        catalog.symbols.iter().flat_map(|(symbol, years)| years.iter().map(move |year| (symbol, *year))).collect();
    if let Some((symbol, year)) = there.difference(&named).next() {
        return wrong(format!("it does not name {symbol} {year}"));
    }
    let unknown = named.iter().find(|(symbol, year)| !inventory.years.contains_key(&((*symbol).clone(), *year)));
    unknown.and_then(|(symbol, year)| wrong(format!("it names {symbol} {year}, of which there is nothing")))
}

fn there<'a>(dataset: &Dataset, inventory: &'a Inventory) -> BTreeSet<(&'a Symbol, i32)> {
    let has = |objects: &super::inventory::YearObjects| match dataset.cut {
        Cut::Day => objects.days.values().any(|day| day.datasets.contains(dataset.name)),
        Cut::Year => objects.tables.contains(dataset.name),
    };
    let years = inventory.years.iter().filter(|(_, objects)| has(objects));
    years.map(|((symbol, year), _)| (symbol, *year)).collect()
}
