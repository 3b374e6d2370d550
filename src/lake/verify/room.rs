//! What a room adds to verification: the checks that need to know what its numbers mean, and the making again of what is lost. The
//! server puts the rooms together as [`Tenant`]s; this side of the house never imports them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::future::BoxFuture;

use super::Finding;
use crate::Result;
use crate::lake::compact::Compactor;
use crate::lake::dataset::Dataset;
use crate::lake::manifest::Content;
use crate::lake::year_index::DayEntry;
use crate::market::{Symbol, TradingDate};

/// A partition that was read whole and has its dataset's schema.
#[derive(Debug)]
pub struct Decoded {
    /// What its footer says.
    pub content: Content,
    pub batches: Vec<RecordBatch>,
}

/// How a partition of the dataset stands there.
#[derive(Debug)]
pub enum Standing {
    Whole(Box<Decoded>),
    /// It is there and cannot be judged; that is told already.
    Damaged,
}

/// One symbol's trading date: every dataset's partition that is there, by name, whichever room's it is.
#[derive(Debug)]
pub struct DayView {
    pub symbol: Symbol,
    pub date: TradingDate,
    pub partitions: BTreeMap<&'static str, Standing>,
}

/// One symbol's year, of all rooms.
#[derive(Debug)]
pub struct YearView {
    pub symbol: Symbol,
    pub year: i32,
    /// Year tables that are there, by dataset.
    pub tables: BTreeMap<&'static str, Standing>,
    /// What the manifests of sound days say, by dataset and in order of date.
    pub days: BTreeMap<&'static str, Vec<DayEntry>>,
    /// Days that something is wrong with already, by dataset: nothing can be held against them.
    pub doubtful: BTreeSet<(&'static str, TradingDate)>,
}

impl YearView {
    /// Whether something is wrong with the dataset's day already, or with what its room made beside it.
    pub fn is_doubtful(&self, dataset: &'static str, date: TradingDate) -> bool {
        self.doubtful.contains(&(dataset, date))
    }
}

/// A room's own checks. Pure: no input but the views. What the view holds of other rooms is theirs to judge.
pub trait Room: Send + Sync {
    fn day(&self, view: &DayView) -> Vec<Finding>;

    fn year(&self, view: &YearView) -> Vec<Finding>;
}

/// Makes a room's partitions again, whatever stands there. What stands there is replaced only by something whole.
pub trait Remake: Send + Sync {
    /// All partitions of the day.
    fn day<'a>(&'a self, symbol: &'a Symbol, date: TradingDate) -> BoxFuture<'a, Result<()>>;

    /// The year's indexes and tables, from its days.
    fn year<'a>(&'a self, symbol: &'a Symbol, year: i32) -> BoxFuture<'a, Result<()>>;
}

impl Remake for Compactor {
    fn day<'a>(&'a self, symbol: &'a Symbol, date: TradingDate) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.remake_day(symbol, date))
    }

    fn year<'a>(&'a self, symbol: &'a Symbol, year: i32) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.rebuild_year(symbol, year))
    }
}

/// What of the lake is a room's.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Every dataset that it publishes.
    pub datasets: &'static [&'static Dataset],
    /// Datasets of captures that its days are made from. Captures of no room are kept and checked, and nobody misses a
    /// partition of them.
    pub sources: &'static [&'static str],
}

impl Claim {
    pub fn owns(&self, dataset: &str) -> bool {
        self.datasets.iter().any(|own| own.name == dataset)
    }

    pub fn reads(&self, source: &str) -> bool {
        self.sources.contains(&source)
    }
}

/// A room as verification and repair know it.
#[derive(Clone)]
pub struct Tenant {
    pub name: &'static str,
    pub claim: Claim,
    pub checks: Arc<dyn Room>,
    pub remake: Arc<dyn Remake>,
}
