//! What a room adds to verification: the checks that need to know what the numbers mean. Rooms implement [`Room`]; this side
//! of the house never imports them.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;

use super::Finding;
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

/// One symbol's trading date: every dataset's partition that is there, by name.
#[derive(Debug)]
pub struct DayView {
    pub symbol: Symbol,
    pub date: TradingDate,
    pub partitions: BTreeMap<&'static str, Standing>,
}

/// One symbol's year.
#[derive(Debug)]
pub struct YearView {
    pub symbol: Symbol,
    pub year: i32,
    /// Year tables that are there, by dataset.
    pub tables: BTreeMap<&'static str, Standing>,
    /// What the manifests of sound days say, by dataset and in order of date.
    pub days: BTreeMap<&'static str, Vec<DayEntry>>,
    /// Days that something is wrong with already: nothing can be held against them.
    pub doubtful: BTreeSet<TradingDate>,
}

/// A room's own checks. Pure: no input but the views.
pub trait Room: Send + Sync {
    fn day(&self, view: &DayView) -> Vec<Finding>;

    fn year(&self, view: &YearView) -> Vec<Finding>;
}
