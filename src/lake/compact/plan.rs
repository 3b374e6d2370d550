//! What to compact: from the keys of captures to days, from a day's manifest to whether it must be made again. Pure.

use std::collections::BTreeMap;

use super::recipe::Recipe;
use crate::lake::layout::Key;
use crate::lake::manifest::{Calculation, Content};
use crate::lake::publish::Before;
use crate::market::{Symbol, TradingDate};
use crate::{Error, Result};

/// Which days the caller wants; `None` stands for all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub symbol: Option<Symbol>,
    pub date: Option<TradingDate>,
    pub since: Option<TradingDate>,
}

impl Selection {
    /// Whether the caller wants this day.
    pub fn admits(&self, symbol: &Symbol, date: TradingDate) -> bool {
        self.symbol.as_ref().is_none_or(|wanted| wanted == symbol)
            && self.date.is_none_or(|wanted| wanted == date)
            && self.since.is_none_or(|since| since <= date)
    }
}

/// One symbol's trading date that has captures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    pub symbol: Symbol,
    pub date: TradingDate,
}

/// The days to look at, in order, each with the compressed bytes of its captures.
pub fn plan(captures: impl IntoIterator<Item = (Key, u64)>, selection: &Selection) -> Vec<(Day, u64)> {
    let mut days: BTreeMap<Day, u64> = BTreeMap::new();
    for (key, bytes) in captures {
        if let Key::Capture { symbol, date, .. } = key
            && selection.admits(&symbol, date)
        {
            *days.entry(Day { symbol, date }).or_default() += bytes;
        }
    }
    days.into_iter().collect()
}

/// Why a partition must be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    New,
    DataMissing,
    CapturesChanged,
    CalculationChanged,
    SizeDiffers,
}

/// Whether what stands there was made from these very captures by this very calculation. `captures` are (dataset, id) in
/// order.
pub fn stale(
    before: &Before,
    captures: &[(&str, &str)],
    calculation: &Calculation,
    recipe: &dyn Recipe,
) -> Option<Why> {
    let Some((manifest, _)) = &before.manifest else { return Some(Why::New) };
    let Some(data) = &before.data else { return Some(Why::DataMissing) };
    if let Some(why) = outdated(&manifest.content, captures, calculation, recipe) {
        return Some(why);
    }
    (data.size != manifest.bytes).then_some(Why::SizeDiffers)
}

/// Refuses to replace what a later version of pitlake made.
///
/// # Errors
/// `Invalid`, with what to do.
pub fn replaceable(before: &Before, recipe: &dyn Recipe) -> Result<()> {
    match &before.manifest {
        Some((manifest, _)) if recipe.is_newer(&manifest.content.calculation.version) => Err(Error::invalid(format!(
            "{} was made by calculation {}, which is later than this program's {} and may have columns that it \
             does not know; update pitlake and compact again. Readers go on with what is there",
            manifest.path,
            manifest.content.calculation.version,
            recipe.version()
        ))),
        _ => Ok(()),
    }
}

/// Whether a partition with this record was made from other captures or by another calculation.
pub fn outdated(
    content: &Content,
    captures: &[(&str, &str)],
    calculation: &Calculation,
    recipe: &dyn Recipe,
) -> Option<Why> {
    if content.captures.len() != captures.len()
        || content.captures.iter().zip(captures).any(|(made, now)| (made.dataset.as_str(), made.id.as_str()) != *now)
    {
        return Some(Why::CapturesChanged);
    }
    let made = &content.calculation;
    // A later version's work is up to date as long as nothing else changed.
    let same_version = made.version == calculation.version || recipe.is_newer(&made.version);
    let same =
        same_version && (&made.settings, made.session_closed) == (&calculation.settings, calculation.session_closed);
    (!same).then_some(Why::CalculationChanged)
}
