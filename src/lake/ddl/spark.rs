//! Spark SQL: temporary views with a schema of their own. A table would know only the partitions that were registered, and a
//! schema that Spark infers reads a symbol such as `6E1` as a number. Pure.

use super::{Column, Kind, Root, columns, comment, listed};
use crate::Result;
use crate::lake::dataset::Dataset;

const ABOUT: &str = "\
Temporary views of a lake for Spark SQL (run with 4.3), for one session. Files are listed when a view is made: run it again
(or REFRESH TABLE) to see new days. Instants are TIMESTAMP, shown in the session's time zone, which is set to UTC here.";

const S3A: &str = "\
On S3 Spark needs hadoop-aws on its class path, and credentials (fs.s3a.aws.credentials.provider).";

pub(super) fn statements(root: Root<'_>, datasets: &[&Dataset]) -> Result<String> {
    let mut text = comment(ABOUT);
    if root.is_bucket() {
        text.push_str(&comment(S3A));
    }
    text.push_str("\nSET spark.sql.session.timeZone = UTC;\n");
    for dataset in datasets {
        let (mut all, path) = columns(dataset)?;
        all.extend(path);
        let spell = |column: &Column| format!("`{}` {}", column.name, spelled(&column.kind));
        text.push_str(&format!(
            "\n{}CREATE OR REPLACE TEMPORARY VIEW {} (\n{}\n)\nUSING parquet\nOPTIONS (path {});\n",
            comment(dataset.about),
            dataset.name,
            listed(&all, spell),
            // Spark reads a backslash in a literal as an escape, and a quote behind one as itself.
            format_args!("'{}'", root.place("s3a", dataset.name).replace('\\', "\\\\").replace('\'', "\\'")),
        ));
    }
    Ok(text)
}

fn spelled(kind: &Kind) -> String {
    let name = match kind {
        Kind::Instant => "TIMESTAMP",
        Kind::Date => "DATE",
        Kind::Double => "DOUBLE",
        Kind::Long => "BIGINT",
        Kind::Int => "INT",
        Kind::Bool => "BOOLEAN",
        Kind::Text => "STRING",
        Kind::List(element) => return format!("ARRAY<{}>", spelled(element)),
        Kind::Struct(members) => {
            return format!(
                "STRUCT<{}>",
                Kind::members(members, ", ", |name, kind| format!("{name}: {}", spelled(kind)))
            );
        }
    };
    name.to_owned()
}
