//! Session records to Arrow rows and back. Called where the tables are written and read; the two ways are each other's inverse.
//! `symbol` is not a column (the path says it), and a developing profile (`at`) is never stored.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Date32Array, Float64Array, Int32Array, ListArray,
    PrimitiveArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate, Utc};

use super::schema::{element, period, price_range, schema};
use super::session_record::{Period, Periods, SessionRecord, TpoCounts};
use crate::lake::manifest::Condition;
use crate::market::{Symbol, TradingDate};
use crate::{Error, Result};

/// Records of one symbol as one batch, in the order given.
///
/// # Errors
/// `Internal` for a developing profile, a price that is no number, or a count that does not fit its column.
pub fn batch(records: &[SessionRecord]) -> Result<RecordBatch> {
    records.iter().try_for_each(storable)?;
    let texts = |value: fn(&SessionRecord) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(records.iter().map(value)))
    };
    let prices = |value: fn(&SessionRecord) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(records.iter().map(|record| value(record) + 0.0)))
    };
    let maybe_prices = |value: fn(&SessionRecord) -> Option<f64>| -> ArrayRef {
        // Adding zero makes nothing but -0 another number: the files promise that there is none.
        Arc::new(records.iter().map(|record| value(record).map(|price| price + 0.0)).collect::<Float64Array>())
    };
    let wholes = |value: fn(&SessionRecord) -> Option<u32>| -> Result<ArrayRef> {
        let fits = |count: u32| i32::try_from(count).map_err(|_| Error::internal("a count does not fit its column"));
        let counts = records.iter().map(|record| value(record).map(fits).transpose());
        Ok(Arc::new(counts.collect::<Result<Int32Array>>()?))
    };
    let flags = |value: fn(&SessionRecord) -> bool| -> ArrayRef {
        Arc::new(records.iter().map(|record| Some(value(record))).collect::<BooleanArray>())
    };
    let instants = |value: fn(&SessionRecord) -> Option<DateTime<Utc>>| -> ArrayRef {
        let micros = records.iter().map(|record| value(record).map(|at| at.timestamp_micros()));
        Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from_iter_values(records.iter().map(|record| record.date.days_since_epoch()))),
        texts(|record| record.session.as_str()),
        texts(|record| &record.calculation_version),
        wholes(|record| Some(record.revision))?,
        texts(|record| record.condition.as_str()),
        reasons(records)?,
        texts(|record| record.session_type.as_str()),
        texts(|record| record.bias.as_str()),
        prices(|record| record.value_area_high),
        prices(|record| record.value_area_low),
        prices(|record| record.poc),
        prices(|record| record.initial_balance_high),
        prices(|record| record.initial_balance_low),
        prices(|record| record.session_high),
        prices(|record| record.session_low),
        single_prints(records)?,
        flags(|record| record.poor_high),
        flags(|record| record.poor_low),
        flags(|record| record.excess_high),
        flags(|record| record.excess_low),
        periods(records)?,
        prices(|record| record.volume),
        maybe_prices(|record| record.cash_session_return),
        maybe_prices(|record| record.session_open),
        maybe_prices(|record| record.session_close),
        instants(|record| record.opens_at),
        instants(|record| record.closes_at),
        Arc::new(
            records.iter().map(|record| record.value_area_method.map(|word| word.as_str())).collect::<StringArray>(),
        ),
        maybe_prices(|record| record.value_area_share),
        maybe_prices(|record| record.tick_size),
        wholes(|record| record.row_ticks)?,
        wholes(|record| record.tpo_period_minutes)?,
        wholes(|record| record.tpo_counts.map(|counts| counts.total))?,
        wholes(|record| record.tpo_counts.map(|counts| counts.above_poc))?,
        wholes(|record| record.tpo_counts.map(|counts| counts.below_poc))?,
        wholes(|record| record.tpo_counts.map(|counts| counts.value_area))?,
        maybe_prices(|record| record.range_extension_up),
        maybe_prices(|record| record.range_extension_down),
        maybe_prices(|record| record.tail_high.map(|tail| tail[0])),
        maybe_prices(|record| record.tail_high.map(|tail| tail[1])),
        maybe_prices(|record| record.tail_low.map(|tail| tail[0])),
        maybe_prices(|record| record.tail_low.map(|tail| tail[1])),
        Arc::new(records.iter().map(|record| record.rotation_factor).collect::<Int32Array>()),
        maybe_prices(|record| record.volume_poc),
        maybe_prices(|record| record.volume_value_area_high),
        maybe_prices(|record| record.volume_value_area_low),
        wholes(|record| record.minutes_expected)?,
        wholes(|record| record.minutes_seen)?,
        texts(|record| &record.source_sha256),
        Arc::new(records.iter().map(|record| record.settings.as_deref()).collect::<StringArray>()),
    ];
    RecordBatch::try_new(schema(), columns).map_err(misfit)
}

fn storable(record: &SessionRecord) -> Result<()> {
    let what = || format!("the {} profile of {} {}", record.session, record.symbol, record.date);
    if record.at.is_some() {
        return Err(Error::internal(format!("{} is still developing and cannot be stored", what())));
    }
    let prices = [
        record.value_area_high,
        record.value_area_low,
        record.poc,
        record.initial_balance_high,
        record.initial_balance_low,
        record.session_high,
        record.session_low,
        record.volume,
    ];
    let maybe = [
        record.cash_session_return,
        record.session_open,
        record.session_close,
        record.value_area_share,
        record.tick_size,
        record.range_extension_up,
        record.range_extension_down,
        record.volume_poc,
        record.volume_value_area_high,
        record.volume_value_area_low,
    ];
    let pairs = record.single_prints.iter().chain(&record.tail_high).chain(&record.tail_low).flatten().copied();
    let ranges = record.tpo_structure.0.iter().flat_map(|period| [period.high, period.low]);
    let mut all = prices.into_iter().chain(maybe.into_iter().flatten()).chain(pairs).chain(ranges);
    if all.all(f64::is_finite) { Ok(()) } else { Err(Error::internal(format!("{} has a price that is none", what()))) }
}

fn misfit(error: arrow::error::ArrowError) -> Error {
    Error::internal("profiles do not fit their columns").caused_by(error)
}

fn list(lengths: impl Iterator<Item = usize>, values: ArrayRef) -> Result<ArrayRef> {
    let element = element(values.data_type().clone());
    let list = ListArray::try_new(element, OffsetBuffer::from_lengths(lengths), values, None).map_err(misfit)?;
    Ok(Arc::new(list))
}

fn structs(data_type: DataType, columns: Vec<ArrayRef>) -> Result<ArrayRef> {
    let DataType::Struct(members) = data_type else { return Err(Error::internal("a structure has no members")) };
    Ok(Arc::new(StructArray::try_new(members, columns, None).map_err(misfit)?))
}

fn doubles(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values.map(|price| price + 0.0)))
}

fn reasons(records: &[SessionRecord]) -> Result<ArrayRef> {
    let values = StringArray::from_iter_values(records.iter().flat_map(|record| &record.reasons));
    list(records.iter().map(|record| record.reasons.len()), Arc::new(values))
}

fn single_prints(records: &[SessionRecord]) -> Result<ArrayRef> {
    let side = |at: usize| doubles(records.iter().flat_map(|record| &record.single_prints).map(move |pair| pair[at]));
    list(records.iter().map(|record| record.single_prints.len()), structs(price_range(), vec![side(0), side(1)])?)
}

fn periods(records: &[SessionRecord]) -> Result<ArrayRef> {
    let all = || records.iter().flat_map(|record| &record.tpo_structure.0);
    let letters = StringArray::from_iter_values(all().map(|period| &period.letter));
    let columns =
        vec![Arc::new(letters) as ArrayRef, doubles(all().map(|period| period.high)), doubles(all().map(|p| p.low))];
    list(records.iter().map(|record| record.tpo_structure.0.len()), structs(period(), columns)?)
}

/// The records of a batch of either table, whichever later columns it has.
///
/// # Errors
/// `Corrupt` when a column is missing or of another type, or a word is not one of ours.
pub fn records(batch: &RecordBatch, symbol: &Symbol) -> Result<Vec<SessionRecord>> {
    let columns = Columns(batch);
    (0..batch.num_rows()).map(|row| columns.record(symbol, row)).collect()
}

struct Columns<'a>(&'a RecordBatch);

impl<'a> Columns<'a> {
    fn record(&self, symbol: &Symbol, row: usize) -> Result<SessionRecord> {
        let price = |name: &str| self.price(name, row)?.ok_or_else(|| wrong(name));
        let counts = || -> Result<Option<TpoCounts>> {
            let count = |name| self.whole(name, row);
            let (Some(total), Some(above_poc), Some(below_poc), Some(value_area)) =
                (count("tpos")?, count("tpos_above_poc")?, count("tpos_below_poc")?, count("tpos_in_value_area")?)
            else {
                return Ok(None);
            };
            Ok(Some(TpoCounts { total, above_poc, below_poc, value_area }))
        };
        let tail = |from, to| Ok(self.price(from, row)?.zip(self.price(to, row)?).map(|(from, to)| [from, to]));
        Ok(SessionRecord {
            symbol: symbol.clone(),
            date: self.date(row)?,
            session: self.word("session", row)?,
            calculation_version: self.text("calculation_version", row)?.to_owned(),
            revision: self.whole("revision", row)?.ok_or_else(|| wrong("revision"))?,
            condition: Condition::named(self.text("condition", row)?).ok_or_else(|| wrong("condition"))?,
            reasons: self.reasons(row)?,
            session_type: self.word("session_type", row)?,
            bias: self.word("bias", row)?,
            value_area_high: price("value_area_high")?,
            value_area_low: price("value_area_low")?,
            poc: price("poc")?,
            initial_balance_high: price("initial_balance_high")?,
            initial_balance_low: price("initial_balance_low")?,
            session_high: price("session_high")?,
            session_low: price("session_low")?,
            single_prints: self.single_prints(row)?,
            poor_high: self.flag("poor_high", row)?,
            poor_low: self.flag("poor_low", row)?,
            excess_high: self.flag("excess_high", row)?,
            excess_low: self.flag("excess_low", row)?,
            tpo_structure: self.periods(row)?,
            volume: price("volume")?,
            cash_session_return: self.price("cash_session_return", row)?,
            session_open: self.price("session_open", row)?,
            session_close: self.price("session_close", row)?,
            opens_at: self.instant("opens_at", row)?,
            closes_at: self.instant("closes_at", row)?,
            value_area_method: self
                .maybe_text("value_area_method", row)?
                .map(|word| word.parse().map_err(|_| wrong("value_area_method")))
                .transpose()?,
            value_area_share: self.price("value_area_share", row)?,
            tick_size: self.price("tick_size", row)?,
            row_ticks: self.whole("row_ticks", row)?,
            tpo_period_minutes: self.whole("tpo_period_minutes", row)?,
            tpo_counts: counts()?,
            range_extension_up: self.price("range_extension_up", row)?,
            range_extension_down: self.price("range_extension_down", row)?,
            tail_high: tail("tail_high_from", "tail_high_to")?,
            tail_low: tail("tail_low_from", "tail_low_to")?,
            rotation_factor: self.number::<Int32Type>("rotation_factor", row)?,
            volume_poc: self.price("volume_poc", row)?,
            volume_value_area_high: self.price("volume_value_area_high", row)?,
            volume_value_area_low: self.price("volume_value_area_low", row)?,
            minutes_expected: self.whole("minutes_expected", row)?,
            minutes_seen: self.whole("minutes_seen", row)?,
            at: None,
            source_sha256: self.text("source_sha256", row)?.to_owned(),
            settings: self.maybe_text("settings", row)?.map(str::to_owned),
        })
    }

    fn column(&self, name: &str) -> Result<&'a ArrayRef> {
        self.0.column_by_name(name).ok_or_else(|| wrong(name))
    }

    fn number<T: ArrowPrimitiveType>(&self, name: &str, row: usize) -> Result<Option<T::Native>> {
        let column: &PrimitiveArray<T> = self.column(name)?.as_primitive_opt().ok_or_else(|| wrong(name))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn price(&self, name: &str, row: usize) -> Result<Option<f64>> {
        self.number::<Float64Type>(name, row)
    }

    fn whole(&self, name: &str, row: usize) -> Result<Option<u32>> {
        let number = self.number::<Int32Type>(name, row)?;
        number.map(|number| u32::try_from(number).map_err(|_| wrong(name))).transpose()
    }

    fn instant(&self, name: &str, row: usize) -> Result<Option<DateTime<Utc>>> {
        let micros = self.number::<TimestampMicrosecondType>(name, row)?;
        micros.map(|micros| DateTime::from_timestamp_micros(micros).ok_or_else(|| wrong(name))).transpose()
    }

    fn date(&self, row: usize) -> Result<TradingDate> {
        let days = self.number::<Date32Type>("date", row)?;
        days.and_then(NaiveDate::from_epoch_days).map(TradingDate::from).ok_or_else(|| wrong("date"))
    }

    fn flag(&self, name: &str, row: usize) -> Result<bool> {
        let column = self.column(name)?.as_boolean_opt().ok_or_else(|| wrong(name))?;
        if column.is_valid(row) { Ok(column.value(row)) } else { Err(wrong(name)) }
    }

    fn maybe_text(&self, name: &str, row: usize) -> Result<Option<&'a str>> {
        let column = self.column(name)?.as_string_opt::<i32>().ok_or_else(|| wrong(name))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn text(&self, name: &str, row: usize) -> Result<&'a str> {
        self.maybe_text(name, row)?.ok_or_else(|| wrong(name))
    }

    fn word<T: FromStr>(&self, name: &str, row: usize) -> Result<T> {
        self.text(name, row)?.parse().map_err(|_| wrong(name))
    }

    fn items(&self, name: &str, row: usize) -> Result<ArrayRef> {
        let column = self.column(name)?.as_list_opt::<i32>().ok_or_else(|| wrong(name))?;
        if column.is_valid(row) { Ok(column.value(row)) } else { Err(wrong(name)) }
    }

    fn reasons(&self, row: usize) -> Result<Vec<String>> {
        let items = self.items("reasons", row)?;
        let items = items.as_string_opt::<i32>().ok_or_else(|| wrong("reasons"))?;
        Ok(items.iter().flatten().map(str::to_owned).collect())
    }

    fn single_prints(&self, row: usize) -> Result<Vec<[f64; 2]>> {
        let items = self.items("single_prints", row)?;
        let (low, high) = (member(&items, "single_prints", "low")?, member(&items, "single_prints", "high")?);
        Ok(low.values().iter().zip(high.values()).map(|(low, high)| [*low, *high]).collect())
    }

    fn periods(&self, row: usize) -> Result<Periods> {
        const NAME: &str = "tpo_structure";
        let items = self.items(NAME, row)?;
        let letters = items.as_struct_opt().and_then(|items| items.column_by_name("period"));
        let letters = letters.and_then(|column| column.as_string_opt::<i32>()).ok_or_else(|| wrong(NAME))?;
        let (high, low) = (member(&items, NAME, "high")?, member(&items, NAME, "low")?);
        let period =
            |at: usize| Period { letter: letters.value(at).to_owned(), high: high.value(at), low: low.value(at) };
        Ok(Periods((0..items.len()).map(period).collect()))
    }
}

fn member<'a>(items: &'a ArrayRef, column: &str, name: &str) -> Result<&'a Float64Array> {
    let member = items.as_struct_opt().and_then(|items| items.column_by_name(name));
    member.and_then(|member| member.as_primitive_opt()).ok_or_else(|| wrong(column))
}

fn wrong(name: &str) -> Error {
    Error::corrupt(format!("profiles have no column '{name}' of its type and words; run `pitlake verify`"))
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
