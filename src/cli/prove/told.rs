//! Prints a proof: for people with the SQL last, so that it can be copied; or as one JSON object.

use std::io::Write;

use serde_json::json;

use super::Proof;
use crate::Result;
use crate::cli::exit;

/// Files that are listed for people; of more only the number and the bytes are said.
const LISTED: usize = 12;

pub struct Told<'a> {
    pub asked: &'a str,
    pub sql: &'a str,
    pub proof: &'a Proof,
}

/// The SQL alone.
pub fn sql(sql: &str, out: &mut dyn Write) -> Result<()> {
    write!(out, "{sql}").and_then(|()| out.flush()).map_err(exit::output_failed)
}

impl Told<'_> {
    pub fn json(&self, out: &mut dyn Write) -> Result<()> {
        let Proof { format, condition, files, verdict } = self.proof;
        let told = json!({
            "call": self.asked,
            "equal": verdict.equal(),
            "rows": verdict.rows,
            "columns": verdict.columns,
            "format": format,
            "condition": condition,
            "differing": verdict.differing,
            "differences": verdict.shown.iter().map(super::compare::Difference::json).collect::<Vec<_>>(),
            "files": files,
            "sql": self.sql,
        });
        writeln!(out, "{told}").and_then(|()| out.flush()).map_err(exit::output_failed)
    }

    pub fn text(&self, out: &mut dyn Write) -> Result<()> {
        self.lines(out).and_then(|()| out.flush()).map_err(exit::output_failed)
    }

    fn lines(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Proof { format, condition, files, verdict } = self.proof;
        let condition = condition.as_ref().map(|condition| format!(", {condition}")).unwrap_or_default();
        writeln!(out, "GET {}  ({format}{condition})", self.asked)?;
        if verdict.equal() {
            let (rows, columns) = (many(verdict.rows, "row"), many(verdict.columns.len() as u64, "column"));
            writeln!(out, "equal: {rows} of {columns}, value by value and in order")?;
        } else {
            let differ = if verdict.differing == 1 { "differs" } else { "differ" };
            let (differing, rows) = (many(verdict.differing, "row"), many(verdict.rows, "row"));
            writeln!(out, "DIFFERENT: {differing} {differ}; the answer has {rows}")?;
            for difference in &verdict.shown {
                let place = difference.row.map_or("the columns".to_owned(), |row| format!("row {row}"));
                writeln!(out, "  {place}: {}", difference.columns.join(", "))?;
                let words = |side: &Option<String>| side.clone().unwrap_or_else(|| "has no such row".to_owned());
                writeln!(out, "    the API: {}", words(&difference.answer))?;
                writeln!(out, "    the SQL: {}", words(&difference.sql))?;
            }
        }
        let bytes = files.iter().map(|file| file.bytes).sum::<u64>();
        writeln!(out, "\nread by the SQL, {bytes} bytes in {}:", many(files.len() as u64, "file"))?;
        for file in files.iter().take(LISTED) {
            writeln!(out, "  {}  revision {}  sha256 {}", file.path, file.revision, file.sha256)?;
        }
        if files.len() > LISTED {
            writeln!(out, "  … and {} more; --json lists all", files.len() - LISTED)?;
        }
        write!(out, "\n{}", self.sql)
    }
}

fn many(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
