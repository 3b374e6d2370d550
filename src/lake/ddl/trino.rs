//! Trino: external tables of the Hive connector. Its metastore knows only partitions that were registered, so each table is
//! followed by the call that registers them. Pure.

use super::{Column, Kind, Root, columns, comment, listed, quoted};
use crate::Result;
use crate::lake::dataset::Dataset;

const ABOUT: &str = "\
External tables of a lake for Trino's Hive connector: a catalog named hive, and its schema pitlake.
THE METASTORE KNOWS ONLY REGISTERED PARTITIONS: run the CALLs again after each day, or that day is not in any answer.
Instants are timestamp(3) in UTC (the connector's default precision, and all minutes fit); the connector needs
hive.parquet.time-zone = UTC where the server's own zone is another one.";

const FOLDER: &str = "\
A lake in a folder has to be mounted at the same path on every worker, and the connector must be allowed to read files.";

pub(super) fn statements(root: Root<'_>, datasets: &[&Dataset]) -> Result<String> {
    let mut text = comment(ABOUT);
    if !root.is_bucket() {
        text.push_str(&comment(FOLDER));
    }
    text.push_str("\nCREATE SCHEMA IF NOT EXISTS hive.pitlake;\n");
    for dataset in datasets {
        let (mut all, path) = columns(dataset)?;
        let names: Vec<String> = path.iter().map(|column| quoted(&column.name)).collect();
        all.extend(path);
        let place = root.place("s3", dataset.name);
        let place = if root.is_bucket() { place } else { format!("file://{place}") };
        let spell = |column: &Column| format!("\"{}\" {}", column.name, spelled(&column.kind));
        text.push_str(&format!(
            "\n{}CREATE TABLE IF NOT EXISTS hive.pitlake.{name} (\n{}\n)\nWITH (\n  external_location = {},\n  format = 'PARQUET',\n  partitioned_by = ARRAY[{}]\n);\n\
             CALL hive.system.sync_partition_metadata('pitlake', '{name}', 'FULL');\n",
            comment(dataset.about),
            listed(&all, spell),
            quoted(&place),
            names.join(", "),
            name = dataset.name,
        ));
    }
    Ok(text)
}

fn spelled(kind: &Kind) -> String {
    let name = match kind {
        Kind::Instant => "timestamp(3)",
        Kind::Date => "date",
        Kind::Double => "double",
        Kind::Long => "bigint",
        Kind::Int => "integer",
        Kind::Bool => "boolean",
        Kind::Text => "varchar",
        Kind::List(element) => return format!("array({})", spelled(element)),
        Kind::Struct(members) => {
            return format!(
                "row({})",
                Kind::members(members, ", ", |name, kind| format!("\"{name}\" {}", spelled(kind)))
            );
        }
    };
    name.to_owned()
}
