//! ClickHouse: views over the files with the columns' types said, since what ClickHouse infers of a path is a guess. Pure.

use super::{Column, Kind, Root, columns, comment, quoted};
use crate::Result;
use crate::lake::dataset::Dataset;
use crate::lake::layout::every_partition;

const ABOUT: &str = "\
Views of a lake for ClickHouse, `clickhouse local` and chdb (run with chdb 4.4). Each query looks for files anew, so new
days are there at once. Instants are DateTime64(6, 'UTC'). Name symbol and date (or year) in WHERE: other files are not opened.";

const FOLDER: &str = "\
A server reads folders below its user_files_path only; `clickhouse local` reads any.";

const BUCKET: &str = "\
On S3 credentials come from the server's own settings; else put NOSIGN, or a key and its secret, behind the URL.";

pub(super) fn statements(root: Root<'_>, datasets: &[&Dataset]) -> Result<String> {
    let mut text = comment(ABOUT);
    text.push_str(&comment(if root.is_bucket() { BUCKET } else { FOLDER }));
    let function = if root.is_bucket() { "s3" } else { "file" };
    for dataset in datasets {
        let (mut all, path) = columns(dataset)?;
        all.extend(path);
        let names: Vec<&str> = all.iter().map(|column| column.name.as_str()).collect();
        let structure: Vec<String> = all.iter().map(|column| format!("{} {}", column.name, spelled(column))).collect();
        text.push_str(&format!(
            "\n{}CREATE OR REPLACE VIEW {} AS\nSELECT {}\nFROM {function}(\n  {},\n  'Parquet',\n  {}\n)\nSETTINGS use_hive_partitioning = 1;\n",
            comment(dataset.about),
            dataset.name,
            names.join(", "),
            literal(&root.place("s3", &every_partition(dataset.name, dataset.cut))),
            literal(&structure.join(", ")),
        ));
    }
    Ok(text)
}

/// ClickHouse reads a backslash as an escape.
fn literal(text: &str) -> String {
    quoted(&text.replace('\\', "\\\\"))
}

fn spelled(column: &Column) -> String {
    let name = of(&column.kind);
    if column.nullable { format!("Nullable({name})") } else { name }
}

fn of(kind: &Kind) -> String {
    let name = match kind {
        Kind::Instant => "DateTime64(6, 'UTC')",
        Kind::Date => "Date32",
        Kind::Double => "Float64",
        Kind::Long => "Int64",
        Kind::Int => "Int32",
        Kind::Bool => "Bool",
        Kind::Text => "String",
        Kind::List(element) => return format!("Array({})", of(element)),
        Kind::Struct(members) => {
            return format!("Tuple({})", Kind::members(members, ", ", |name, kind| format!("{name} {}", of(kind))));
        }
    };
    name.to_owned()
}
