//! The tables of this room and their one Arrow schema: what a researcher sees in the files. `lake-layout.md` is checked against
//! it. What a session has several of stands in list columns of its own row; see decision 0019.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};

use super::record::{PROFILES, PROFILES_HISTORY};
use crate::lake::dataset::{Cut, Dataset, Packing};

/// The current profile of each date and session.
pub static CURRENT: Dataset = Dataset {
    name: PROFILES,
    about: "market profiles (TPO): the current one of each trading date and session",
    cut: Cut::Year,
    schema,
    sorted_by: &["date", "session"],
    packing: PACKING,
    row_group_rows: 60_000,
};

/// Every profile that was current once, and all that were brought in.
pub static HISTORY: Dataset = Dataset {
    name: PROFILES_HISTORY,
    about: "market profiles that a later one replaced, and all of the old archive; not made again from captures: keep a copy",
    cut: Cut::Year,
    schema,
    sorted_by: &["date", "session", "calculation_version", "revision", "source_sha256", "settings"],
    packing: PACKING,
    row_group_rows: 60_000,
};

/// Every dataset of this room.
pub static DATASETS: [&Dataset; 2] = [&CURRENT, &HISTORY];

const PACKING: &[(&str, Packing)] = &[
    ("date", Packing::Delta),
    ("session", Packing::Dictionary),
    ("calculation_version", Packing::Dictionary),
    ("revision", Packing::Dictionary),
    ("condition", Packing::Dictionary),
    ("reasons", Packing::Dictionary),
    ("session_type", Packing::Dictionary),
    ("bias", Packing::Dictionary),
    ("tpo_structure", Packing::Dictionary),
    ("opens_at", Packing::Delta),
    ("closes_at", Packing::Delta),
    ("value_area_method", Packing::Dictionary),
    ("value_area_share", Packing::Dictionary),
    ("tick_size", Packing::Dictionary),
    ("row_ticks", Packing::Dictionary),
    ("tpo_period_minutes", Packing::Dictionary),
    ("minutes_expected", Packing::Dictionary),
    ("minutes_seen", Packing::Dictionary),
    ("source_sha256", Packing::Dictionary),
    ("settings", Packing::Dictionary),
];

/// The columns of both tables; a later one comes at the end and may be null.
pub fn schema() -> SchemaRef {
    let always = |name: &str, data_type| Field::new(name, data_type, false);
    let maybe = |name: &str, data_type| Field::new(name, data_type, true);
    let instant = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let (text, price, whole) = (DataType::Utf8, DataType::Float64, DataType::Int32);
    Arc::new(Schema::new(vec![
        always("date", DataType::Date32),
        always("session", text.clone()),
        always("calculation_version", text.clone()),
        always("revision", whole.clone()),
        always("condition", text.clone()),
        always("reasons", DataType::List(element(text.clone()))),
        always("session_type", text.clone()),
        always("bias", text.clone()),
        always("value_area_high", price.clone()),
        always("value_area_low", price.clone()),
        always("poc", price.clone()),
        always("initial_balance_high", price.clone()),
        always("initial_balance_low", price.clone()),
        always("session_high", price.clone()),
        always("session_low", price.clone()),
        always("single_prints", DataType::List(element(price_range()))),
        always("poor_high", DataType::Boolean),
        always("poor_low", DataType::Boolean),
        always("excess_high", DataType::Boolean),
        always("excess_low", DataType::Boolean),
        always("tpo_structure", DataType::List(element(period()))),
        always("volume", price.clone()),
        maybe("cash_session_return", price.clone()),
        maybe("session_open", price.clone()),
        maybe("session_close", price.clone()),
        maybe("opens_at", instant()),
        maybe("closes_at", instant()),
        maybe("value_area_method", text.clone()),
        maybe("value_area_share", price.clone()),
        maybe("tick_size", price.clone()),
        maybe("row_ticks", whole.clone()),
        maybe("tpo_period_minutes", whole.clone()),
        maybe("tpos", whole.clone()),
        maybe("tpos_above_poc", whole.clone()),
        maybe("tpos_below_poc", whole.clone()),
        maybe("tpos_in_value_area", whole.clone()),
        maybe("range_extension_up", price.clone()),
        maybe("range_extension_down", price.clone()),
        maybe("tail_high_from", price.clone()),
        maybe("tail_high_to", price.clone()),
        maybe("tail_low_from", price.clone()),
        maybe("tail_low_to", price.clone()),
        maybe("rotation_factor", whole.clone()),
        maybe("volume_poc", price.clone()),
        maybe("volume_value_area_high", price.clone()),
        maybe("volume_value_area_low", price),
        maybe("minutes_expected", whole.clone()),
        maybe("minutes_seen", whole),
        always("source_sha256", text.clone()),
        maybe("settings", text),
    ]))
}

/// `low`, `high`.
pub(super) fn price_range() -> DataType {
    DataType::Struct(members(&["low", "high"], Vec::new()).into())
}

/// `period`, `high`, `low`.
pub(super) fn period() -> DataType {
    let letter = Arc::new(Field::new("period", DataType::Utf8, false));
    DataType::Struct(members(&["high", "low"], vec![letter]).into())
}

fn members(prices: &[&str], mut first: Vec<FieldRef>) -> Vec<FieldRef> {
    first.extend(prices.iter().map(|name| Arc::new(Field::new(*name, DataType::Float64, false))));
    first
}

/// What a list holds, under the name that the Parquet specification gives it.
pub(super) fn element(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("element", data_type, false))
}
