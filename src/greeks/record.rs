//! The rows of this room and their Arrow schemas: what a researcher sees in the files. `lake-layout.md` is checked
//! against it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::lake::compact::is_later_version;
use crate::lake::dataset::{Cut, Dataset, Packing};

pub const GREEKS: &str = "greeks";
pub const GREEKS_BY_MINUTE: &str = "greeks_by_minute";
pub const GREEKS_BY_DAY: &str = "greeks_by_day";
/// Captures of whole option chains; they have no partitions of their own, `greeks` is made from them.
pub const CHAINS: &str = "chains";

/// Changes whenever the same captures would give other numbers or more columns.
pub const CALCULATION: &str = "greeks-1";

/// Whether a calculation of this room is a later one than [`CALCULATION`]. Such a partition is read, and never replaced: this
/// version would take away what the later one knew.
pub fn is_newer(version: &str) -> bool {
    is_later_version(version, CALCULATION)
}

/// The greeks a row carries, in schema order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Greek {
    Gamma,
    Vanna,
    Charm,
}

impl Greek {
    pub const ALL: [Greek; 3] = [Greek::Gamma, Greek::Vanna, Greek::Charm];

    pub fn name(self) -> &'static str {
        match self {
            Greek::Gamma => "gamma",
            Greek::Vanna => "vanna",
            Greek::Charm => "charm",
        }
    }

    /// The column of the strike-level and minute datasets.
    pub fn column(self) -> &'static str {
        match self {
            Greek::Gamma => "gamma_exposure",
            Greek::Vanna => "vanna_exposure",
            Greek::Charm => "charm_exposure",
        }
    }

    pub fn named(name: &str) -> Option<Greek> {
        Greek::ALL.into_iter().find(|greek| greek.name() == name)
    }
}

/// Strike level: one row per minute × expiration × strike.
pub static STRIKES: Dataset = Dataset {
    name: GREEKS,
    about: "dealer exposures at strike level, one row per minute, expiration and strike",
    cut: Cut::Day,
    schema: strikes_schema,
    sorted_by: &["expiration", "strike", "timestamp"],
    packing: &[
        ("timestamp", Packing::Delta),
        ("expiration", Packing::Dictionary),
        ("strike", Packing::Dictionary),
        ("gamma_exposure", Packing::Delta),
        ("vanna_exposure", Packing::Delta),
        ("charm_exposure", Packing::Delta),
    ],
    row_group_rows: 60_000,
};

/// Sums over strikes, per minute × expiration.
pub static BY_MINUTE: Dataset = Dataset {
    name: GREEKS_BY_MINUTE,
    about: "dealer exposures summed over strikes, one row per minute and expiration",
    cut: Cut::Day,
    schema: by_minute_schema,
    sorted_by: &["timestamp", "expiration"],
    packing: &[
        ("timestamp", Packing::Delta),
        ("expiration", Packing::Dictionary),
        ("gamma_exposure", Packing::Delta),
        ("vanna_exposure", Packing::Delta),
        ("charm_exposure", Packing::Delta),
        ("strikes", Packing::Delta),
    ],
    row_group_rows: 60_000,
};

/// Statistics of the day's totals, one row per day of a year.
pub static BY_DAY: Dataset = Dataset {
    name: GREEKS_BY_DAY,
    about: "each day's total exposures: open, close, extremes, mean, and the strikes that mattered at the last minute",
    cut: Cut::Year,
    schema: by_day_schema,
    sorted_by: &["date"],
    packing: &[],
    row_group_rows: 60_000,
};

/// Every dataset of this room.
pub static DATASETS: [&Dataset; 3] = [&STRIKES, &BY_MINUTE, &BY_DAY];

/// `timestamp(µs, UTC)`.
pub fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn strikes_schema() -> SchemaRef {
    let mut fields = vec![
        Field::new("timestamp", instant(), false),
        Field::new("expiration", DataType::Date32, false),
        Field::new("strike", DataType::Float64, false),
    ];
    fields.extend(Greek::ALL.map(|greek| Field::new(greek.column(), DataType::Int64, true)));
    Arc::new(Schema::new(fields))
}

fn by_minute_schema() -> SchemaRef {
    let mut fields = vec![
        Field::new("timestamp", instant(), false),
        Field::new("expiration", DataType::Date32, false),
        Field::new("spot", DataType::Float64, true),
    ];
    fields.extend(Greek::ALL.map(|greek| Field::new(greek.column(), DataType::Int64, true)));
    fields.push(Field::new("strikes", DataType::Int64, false));
    Arc::new(Schema::new(fields))
}

fn by_day_schema() -> SchemaRef {
    let mut fields = vec![
        Field::new("date", DataType::Date32, false),
        Field::new("minutes_expected", DataType::Int32, false),
        Field::new("minutes_seen", DataType::Int32, false),
        Field::new("spot_open", DataType::Float64, true),
        Field::new("spot_close", DataType::Float64, true),
    ];
    for greek in Greek::ALL {
        let name = greek.name();
        for column in ["open", "close", "min", "max"] {
            fields.push(Field::new(format!("{name}_{column}"), DataType::Int64, true));
        }
        fields.push(Field::new(format!("{name}_mean"), DataType::Float64, true));
        fields.push(Field::new(format!("{name}_min_at"), instant(), true));
        fields.push(Field::new(format!("{name}_max_at"), instant(), true));
    }
    for column in ["gamma_flip_strike", "gamma_top_strike", "gamma_bottom_strike"] {
        fields.push(Field::new(column, DataType::Float64, true));
    }
    Arc::new(Schema::new(fields))
}
