//! Reads the rows of an answer in whatever format it came, in constant memory, and holds each against the SQL's. An answer that
//! is not whole is an error, never an end.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek};

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::cell::{self, Kind};
use super::compare::Comparison;
use crate::{Error, Result};

/// A value of a row with its name.
type Named = Vec<(String, Value)>;

/// Compares every row of the answer in `body`, which came as `content_type`.
///
/// # Errors
/// `Corrupt` when the answer is not whole or not what its type says; those of the SQL.
pub fn compare(mut body: File, content_type: &str, comparison: &mut Comparison<'_>) -> Result<()> {
    body.rewind().map_err(not_whole)?;
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json" => json(BufReader::new(body), comparison),
        "application/x-ndjson" => ndjson(BufReader::new(body), comparison),
        "text/csv" => csv(body, comparison),
        "application/vnd.apache.arrow.stream" => {
            let batches = StreamReader::try_new(BufReader::new(body), None).map_err(not_whole)?;
            let schema = batches.schema();
            let known = comparison.columns(schema.fields().iter().map(|field| field.name().as_str()));
            batches.into_iter().try_for_each(|read| batch(&read.map_err(not_whole)?, known, comparison))
        }
        "application/vnd.apache.parquet" => {
            let builder = ParquetRecordBatchReaderBuilder::try_new(body).map_err(not_whole)?;
            let schema = builder.schema().clone();
            let known = comparison.columns(schema.fields().iter().map(|field| field.name().as_str()));
            let batches = builder.build().map_err(not_whole)?;
            batches.into_iter().try_for_each(|read| batch(&read.map_err(not_whole)?, known, comparison))
        }
        other => Err(Error::invalid(format!("an answer of type {other} has no rows to compare"))),
    }
}

fn not_whole(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::corrupt("the answer is not whole or not of its own format").caused_by(error)
}

fn batch(batch: &RecordBatch, known: bool, comparison: &mut Comparison<'_>) -> Result<()> {
    (0..batch.num_rows())
        .try_for_each(|at| if known { comparison.row(cell::row(batch, at)) } else { comparison.strange_row() })
}

fn csv(body: File, comparison: &mut Comparison<'_>) -> Result<()> {
    let mut reader = csv::Reader::from_reader(body);
    let header = reader.headers().map_err(not_whole)?.clone();
    let names: Vec<&str> = header.iter().collect();
    let known = comparison.columns(names.into_iter());
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(not_whole)? {
        if known {
            let cells = comparison.kinds.iter().zip(&record).map(|(kind, text)| kind.of_text(text)).collect();
            comparison.row(cells)?;
        } else {
            comparison.strange_row()?;
        }
    }
    Ok(())
}

fn ndjson(body: impl BufRead, comparison: &mut Comparison<'_>) -> Result<()> {
    let mut rows = serde_json::Deserializer::from_reader(body).into_iter::<Row>();
    rows.try_for_each(|row| named(&row.map_err(not_whole)?.0, comparison))
}

fn named(row: &Named, comparison: &mut Comparison<'_>) -> Result<()> {
    let names: Vec<&str> = row.iter().map(|(name, _)| name.as_str()).collect();
    if !comparison.columns(names.into_iter()) {
        return comparison.strange_row();
    }
    let of = |(kind, (_, value)): (&Kind, &(String, Value))| kind.of_json(value);
    let cells = comparison.kinds.iter().zip(row).map(of).collect();
    comparison.row(cells)
}

/// The list `data` row by row as it is read, and `count`, which must be its length.
fn json(body: impl BufRead, comparison: &mut Comparison<'_>) -> Result<()> {
    let mut failed = None;
    let mut rows = 0;
    let mut reader = serde_json::Deserializer::from_reader(body);
    let mut take = |row: Named| {
        rows += 1;
        named(&row, comparison).map_err(|error| failed = Some(error)).is_ok()
    };
    let read = Whole { take: &mut take }.deserialize(&mut reader).and_then(|count| reader.end().map(|()| count));
    let count = match (failed, read) {
        (Some(error), _) => return Err(error),
        (None, read) => read.map_err(not_whole)?,
    };
    match count {
        Some(count) if count == rows => Ok(()),
        Some(count) => Err(Error::corrupt(format!("the answer says that it has {count} rows and has {rows}"))),
        None => Err(Error::corrupt("the answer has no data with its count")),
    }
}

/// A row with the order of its members.
struct Row(Named);

impl<'de> serde::Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Row, A::Error> {
                let mut row = Vec::with_capacity(8);
                while let Some(member) = map.next_entry()? {
                    row.push(member);
                }
                Ok(Row(row))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A JSON answer; its value is `count`, when it has `data` too.
struct Whole<'a> {
    take: &'a mut dyn FnMut(Named) -> bool,
}

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = Option<u64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer with data and count")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let (mut data, mut count) = (false, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "data" => {
                    map.next_value_seed(Data { take: &mut *self.take })?;
                    data = true;
                }
                "count" => count = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(count.filter(|_| data))
    }
}

struct Data<'a> {
    take: &'a mut dyn FnMut(Named) -> bool,
}

impl<'de> DeserializeSeed<'de> for Data<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Data<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> std::result::Result<(), A::Error> {
        while let Some(Row(row)) = rows.next_element()? {
            if !(self.take)(row) {
                return Err(serde::de::Error::custom("the comparison stopped"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::cli::prove::cell::Cell;
    use crate::cli::prove::compare::Verdict;

    fn compared(content_type: &str, body: &str) -> Result<Verdict> {
        let mut sql =
            [vec![Cell::Int(7), Cell::Null], vec![Cell::Int(-8), Cell::Double(580.5f64.to_bits())]].into_iter();
        let columns = vec!["gamma".into(), "strike".into()];
        let next = Box::new(move || Ok(sql.next()));
        let mut comparison = Comparison::new(columns, vec![Kind::Int, Kind::Double], next);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(body.as_bytes()).unwrap();
        compare(file, content_type, &mut comparison)?;
        comparison.end()
    }

    #[test]
    fn every_text_format_is_read_whole() {
        let json = r#"{"symbol":"SPY","data":[{"gamma":7,"strike":null},{"gamma":-8,"strike":580.5}],"count":2}"#;
        assert!(compared("application/json", json).unwrap().equal());
        let lines = "{\"gamma\":7,\"strike\":null}\n{\"gamma\":-8,\"strike\":580.5}\n";
        assert!(compared("application/x-ndjson", lines).unwrap().equal());
        assert!(compared("text/csv; charset=utf-8", "gamma,strike\n7,\n-8,580.5\n").unwrap().equal());
        assert!(!compared("text/csv", "strike,gamma\n,7\n580.5,-8\n").unwrap().equal());
        assert!(!compared("application/json", &json.replace("-8", "8")).unwrap().equal());
        let swapped = json.replace(r#"{"gamma":7,"strike":null}"#, r#"{"strike":null,"gamma":7}"#);
        assert!(!compared("application/json", &swapped).unwrap().equal());
    }

    #[test]
    fn what_is_not_whole_is_never_equal() {
        let json = r#"{"data":[{"gamma":7,"strike":null},{"gamma":-8,"strike":580.5}],"count":2}"#;
        for cut in 1..json.len() {
            assert!(compared("application/json", &json[..cut]).is_err(), "{}", &json[..cut]);
        }
        for wrong in [json.replace("\"count\":2", "\"count\":3"), json.replace(",\"count\":2", ""), "[]".into()] {
            assert!(compared("application/json", &wrong).is_err(), "{wrong}");
        }
        assert!(compared("text/html", "<html>").is_err());
    }
}
