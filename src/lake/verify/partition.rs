//! Checks one partition: its manifest, its bytes, its footer and its rows against each other. Pure; one cause gives one
//! finding, so once the bytes are known to be wrong nothing more is said of what is in them.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

use super::order::first_out_of_order;
use super::{Code, Decoded, Finding, Standing};
use crate::lake::dataset::Dataset;
use crate::lake::interrupted::is_later;
use crate::lake::layout::PartitionId;
use crate::lake::manifest::{Content, Manifest};
use crate::lake::partition;
use crate::{Error, Result};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 1 << 16;

/// The two objects of a partition as the store gave them.
#[derive(Debug, Default)]
pub struct Stored {
    pub manifest: Option<Bytes>,
    pub data: Option<Bytes>,
}

/// What was found, and what may be checked further.
#[derive(Debug)]
pub struct Checked {
    pub findings: Vec<Finding>,
    /// What is known of how it was made, from the footer if that can be read, else from the manifest.
    pub content: Option<Content>,
    pub standing: Standing,
    pub rows: u64,
    pub bytes: u64,
}

/// Checks a partition of which at least one object is there.
pub fn check(dataset: &Dataset, id: &PartitionId, stored: Stored) -> Checked {
    let mut findings = Vec::new();
    let manifest = stored.manifest.as_ref().and_then(|bytes| own_manifest(bytes, id, &mut findings));
    let mut checked = Checked { findings: Vec::new(), content: None, standing: Standing::Damaged, rows: 0, bytes: 0 };
    match (&stored.data, &stored.manifest) {
        (None, _) => {
            let detail = format!("{} is there and its file is not", id.manifest_key());
            findings.push(Finding::new(Code::NoData, id.data_key(), detail));
            checked.content = manifest.map(|manifest| manifest.content);
        }
        (Some(data), recorded) => {
            if recorded.is_none() {
                let detail = format!("{} is there and has no manifest", id.data_key());
                findings.push(Finding::new(Code::NoManifest, id.manifest_key(), detail));
            }
            checked.bytes = data.len() as u64;
            checked.content = manifest.as_ref().map(|manifest| manifest.content.clone());
            if let Some(footer) = check_bytes(data, id, manifest.as_ref(), &mut findings) {
                checked.content = Some(footer.clone());
                if let Some(batches) = check_rows(dataset, id, data, &footer, &mut findings) {
                    checked.rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
                    checked.standing = Standing::Whole(Box::new(Decoded { content: footer, batches }));
                }
            }
        }
    }
    checked.findings = findings;
    checked
}

/// The manifest, if it can be read and is that of this partition.
fn own_manifest(bytes: &[u8], id: &PartitionId, findings: &mut Vec<Finding>) -> Option<Manifest> {
    let key = id.manifest_key();
    let manifest = match Manifest::parse(bytes, &key) {
        Ok(manifest) => manifest,
        Err(error) => {
            findings.push(Finding::new(Code::ManifestUnreadable, key, error.detail()));
            return None;
        }
    };
    let says = manifest.content.id().map_or_else(|error| error.detail().to_owned(), |id| id.to_string());
    if says != id.to_string() || manifest.path != id.data_key() {
        let detail = format!("it says that it describes {says} at {}", manifest.path);
        findings.push(Finding::new(Code::Misplaced, key, detail));
        return None;
    }
    Some(manifest)
}

/// The footer's record, if the bytes can be trusted to be some publication of this partition.
fn check_bytes(
    data: &Bytes,
    id: &PartitionId,
    manifest: Option<&Manifest>,
    findings: &mut Vec<Finding>,
) -> Option<Content> {
    let key = id.data_key();
    let footer = partition::metadata(data, &key).and_then(|metadata| partition::content(&metadata, &key));
    let of_another = footer.as_ref().ok().and_then(|footer| match footer.id() {
        Ok(said) if said == *id => None,
        Ok(said) => Some(said.to_string()),
        Err(error) => Some(error.detail().to_owned()),
    });
    if let Some(said) = of_another {
        findings.push(Finding::new(Code::Misplaced, key, format!("its footer says that it is {said}")));
        return None;
    }
    let sha256 = hex::encode(Sha256::digest(data));
    let differs = manifest.filter(|manifest| manifest.sha256 != sha256 || manifest.bytes != data.len() as u64);
    match (differs, footer) {
        (Some(manifest), Ok(footer)) if is_later(&footer, &manifest.content) => {
            let detail = format!(
                "the file was made from {} captures and the manifest knows {}",
                footer.captures.len(),
                manifest.content.captures.len()
            );
            findings.push(Finding::new(Code::ManifestBehind, id.manifest_key(), detail));
            Some(footer)
        }
        (Some(manifest), footer) => {
            let opens = if footer.is_ok() { "it opens as Parquet" } else { "it does not open as Parquet" };
            findings.push(if manifest.bytes != data.len() as u64 {
                let detail = format!("it has {} bytes and the manifest says {}; {opens}", data.len(), manifest.bytes);
                Finding::new(Code::SizeDiffers, key, detail)
            } else {
                let detail = format!("its sha256 is {sha256} and the manifest says {}; {opens}", manifest.sha256);
                Finding::new(Code::Sha256Differs, key, detail)
            });
            None
        }
        (None, Err(error)) => {
            findings.push(Finding::new(Code::Unreadable, key, error.detail()));
            None
        }
        (None, Ok(footer)) => {
            if let Some(manifest) = manifest.filter(|manifest| manifest.content != footer) {
                let detail =
                    format!("manifest and footer do not agree on {}", differing_fields(&manifest.content, &footer));
                findings.push(Finding::new(Code::FooterDiffers, id.manifest_key(), detail));
            }
            Some(footer)
        }
    }
}

fn differing_fields(a: &Content, b: &Content) -> String {
    let object = |content| match serde_json::to_value(content) {
        Ok(serde_json::Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    let (a, b) = (object(a), object(b));
    let names: Vec<&str> = a.keys().filter(|name| a.get(*name) != b.get(*name)).map(String::as_str).collect();
    if names.is_empty() { "what there is".to_owned() } else { names.join(", ") }
}

/// The rows, if all can be decoded and have the dataset's schema.
fn check_rows(
    dataset: &Dataset,
    id: &PartitionId,
    data: &Bytes,
    content: &Content,
    findings: &mut Vec<Finding>,
) -> Option<Vec<RecordBatch>> {
    let key = id.data_key();
    let (schema, batches) = match decode(data) {
        Ok(decoded) => decoded,
        Err(error) => {
            findings.push(Finding::new(Code::Unreadable, key, error.detail()));
            return None;
        }
    };
    if let Some(detail) = schema_difference(&(dataset.schema)(), &schema) {
        findings.push(Finding::new(Code::SchemaDiffers, key, detail));
        return None;
    }
    match first_out_of_order(&batches, dataset.sorted_by) {
        Ok(None) => {}
        Ok(Some(row)) => {
            let detail = format!("row {row} does not come after the one before it by {}", dataset.sorted_by.join(", "));
            findings.push(Finding::new(Code::NotSorted, key.clone(), detail));
        }
        Err(error) => findings.push(Finding::new(Code::NotSorted, key.clone(), error.detail())),
    }
    let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    findings
        .extend(count_differences(content, rows).map(|detail| Finding::new(Code::CountsDiffer, key.clone(), detail)));
    Some(batches)
}

fn decode(data: &Bytes) -> Result<(Schema, Vec<RecordBatch>)> {
    let refused = |error: &dyn std::fmt::Display| Error::corrupt(format!("not all of it can be decoded ({error})"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(data.clone()).map_err(|error| refused(&error))?;
    let schema = builder.schema().as_ref().clone();
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|error| refused(&error))?;
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| refused(&error))?;
    Ok((schema, batches))
}

/// How a file's schema differs from its dataset's. Columns at the end of either that may be null are no difference: a
/// file older or newer than this version.
fn schema_difference(expected: &Schema, found: &Schema) -> Option<String> {
    for (expected, found) in expected.fields().iter().zip(found.fields()) {
        let same = expected.name() == found.name()
            && expected.data_type() == found.data_type()
            && expected.is_nullable() == found.is_nullable();
        if !same {
            let show = |field: &arrow::datatypes::Field| {
                format!("{} {}{}", field.name(), field.data_type(), if field.is_nullable() { "" } else { " not null" })
            };
            return Some(format!("it has the column {} where {} is expected", show(found), show(expected)));
        }
    }
    let common = expected.fields().len().min(found.fields().len());
    let left = expected.fields().iter().skip(common).chain(found.fields().iter().skip(common));
    left.into_iter()
        .find(|field| !field.is_nullable())
        .map(|field| format!("the column {} at the end is on one side only and may not be null", field.name()))
}

/// What does not add up between a record and the rows it describes.
fn count_differences(content: &Content, rows: u64) -> Option<String> {
    if rows != content.rows {
        return Some(format!("it holds {rows} rows and its record says {}", content.rows));
    }
    if content.captures.is_empty() {
        return None;
    }
    let documents: u64 = content.captures.iter().map(|capture| capture.documents).sum();
    let rows_in: u64 = content.captures.iter().map(|capture| capture.rows).sum();
    ((documents, rows_in) != (content.counts.documents, content.counts.rows_in)).then(|| {
        format!(
            "its captures hold {documents} documents with {rows_in} rows and the counts say {} with {}",
            content.counts.documents, content.counts.rows_in
        )
    })
}
