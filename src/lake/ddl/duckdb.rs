//! DuckDB: views over the files, whose columns DuckDB reads from the files themselves. Pure.

use super::{Column, Kind, Root, columns, comment, quoted};
use crate::Result;
use crate::lake::dataset::Dataset;
use crate::lake::layout::every_partition;

const ABOUT: &str = "\
Views of a lake for DuckDB (run with 1.5 and 2.0). Each query looks for files anew, so new days are there at once.
Instants are TIMESTAMPTZ in UTC. Name symbol and date (or year) in WHERE: other files are not opened for their rows.
A view of a dataset that the lake has nothing of cannot be made: its statement fails, the others stand.";

const SECRET: &str = "\
On S3, once per database:
  INSTALL httpfs; INSTALL aws; LOAD httpfs; LOAD aws;
  CREATE PERSISTENT SECRET lake (TYPE s3, PROVIDER credential_chain);";

pub(super) fn statements(root: Root<'_>, datasets: &[&Dataset]) -> Result<String> {
    let mut text = comment(ABOUT);
    if root.is_bucket() {
        text.push_str(&comment(SECRET));
    }
    for dataset in datasets {
        let (_, path) = columns(dataset)?;
        let types: Vec<String> = path.iter().map(|column| format!("'{}': {}", column.name, of_path(column))).collect();
        text.push_str(&format!(
            "\n{}CREATE OR REPLACE VIEW {} AS\nSELECT * FROM read_parquet(\n  {},\n  hive_partitioning = true, hive_types = {{{}}}, union_by_name = true\n);\n",
            comment(dataset.about),
            dataset.name,
            quoted(&root.place("s3", &every_partition(dataset.name, dataset.cut))),
            types.join(", "),
        ));
    }
    Ok(text)
}

fn of_path(column: &Column) -> &'static str {
    match column.kind {
        Kind::Date => "DATE",
        Kind::Int => "INTEGER",
        _ => "VARCHAR",
    }
}
