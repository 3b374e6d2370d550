//! What a generated file holds and what is wrong with it, in the terms of the checks. Written beside the file by the command line;
//! tests hold the manifests against it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::market::TradingDate;

/// The truth about one generated file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    pub symbol: String,
    pub seed: u64,
    pub minutes: u16,
    /// Rows in the file, refused ones included.
    pub rows: u64,
    /// By trading date, each as its partition should come out.
    pub days: BTreeMap<TradingDate, DayTruth>,
}

/// One partition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DayTruth {
    /// Rows of the partition: `rows_in - duplicates`.
    pub rows: u64,
    /// Good rows in the file.
    pub rows_in: u64,
    pub duplicates: u64,
    pub refused: u64,
    /// Minutes of the widest session without a bar.
    pub missing_minutes: u32,
    pub planted: Vec<Planted>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planted {
    /// The reason's or the refusal's code.
    pub code: String,
    /// The start of the bar, or of the first one that is missing.
    pub timestamp: DateTime<Utc>,
    /// Bars, or minutes for `missing_minutes`.
    pub count: u32,
}
