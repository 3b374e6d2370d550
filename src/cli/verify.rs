//! `pitlake verify`: re-reads everything in the lake, says what is wrong with it and, when asked, repairs what can be
//! repaired. The dispatcher of the command line calls it; here is only what is printed.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::{exit, progress};
use crate::Result;
use crate::lake::store::Store;
use crate::lake::verify::mend::{Done, repair};
use crate::lake::verify::{Finding, Report, Selection, Severity, Tenant, Told, verify};
use crate::market::{Instruments, SharedClock};
use crate::server::rooms::tenants;

#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Repair what can be made again from captures and footers, then verify again
    #[arg(long)]
    pub repair: bool,
    /// Only this symbol or alias
    #[arg(long)]
    pub symbol: Option<String>,
    /// One JSON object a line, at the end one that sums up
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Summary {
    partitions: u64,
    captures: u64,
    rows: u64,
    bytes: u64,
    damage: usize,
    notes: usize,
    repaired: usize,
}

/// Verifies and prints. With `--repair` findings are those that are left afterwards. Gives `false` when there is damage;
/// notes are none.
///
/// # Errors
/// `NotFound` for a symbol that is not known, those of the store, `Unavailable` when the answer cannot be printed.
pub async fn run(
    args: &VerifyArgs,
    store: &Store,
    instruments: Arc<Instruments>,
    clock: SharedClock,
    out: &mut dyn Write,
) -> Result<bool> {
    let selection = Selection { symbol: symbol(args, &instruments)? };
    let out = RefCell::new(Printer { out, json: args.json, folded: 0, failed: None });
    let tenants = tenants(store, &instruments, &clock);
    let mut repaired = Vec::new();
    let mut report = look(store, &tenants, &selection, |finding| {
        if !args.repair {
            out.borrow_mut().finding(finding);
        }
    })
    .await?;
    if args.repair {
        if report.damaged() {
            let mut told = |done: &Done| out.borrow_mut().done(done);
            repaired = repair(store, &tenants, &clock, &report.findings, &mut told).await;
            report = look(store, &tenants, &selection, |_| {}).await?;
        }
        report.findings.iter().for_each(|finding| out.borrow_mut().finding(finding));
    }
    let damage = report.damage();
    let summary = Summary {
        partitions: report.partitions,
        captures: report.captures,
        rows: report.rows,
        bytes: report.bytes,
        damage,
        notes: report.findings.len() - damage,
        repaired: repaired.iter().filter(|done| done.done).count(),
    };
    let mut out = out.into_inner();
    out.summary(&summary);
    match out.failed {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(exit::output_failed(error)),
        _ => Ok(damage == 0),
    }
}

fn symbol(args: &VerifyArgs, instruments: &Instruments) -> Result<Option<crate::market::Symbol>> {
    let Some(name) = &args.symbol else { return Ok(None) };
    match (instruments.resolve(name), name.parse()) {
        (Some(instrument), _) => Ok(Some(instrument.symbol.clone())),
        // What the lake holds may be of an instrument that was taken out of its table since.
        (None, Ok(symbol)) => Ok(Some(symbol)),
        (None, Err(error)) => Err(error),
    }
}

async fn look(store: &Store, tenants: &[Tenant], selection: &Selection, found: impl Fn(&Finding)) -> Result<Report> {
    let bar = progress::bar(0, "verifying");
    let told = |told: Told<'_>| match told {
        Told::Found(finding) => bar.suspend(|| found(finding)),
        Told::Days { done, of } => {
            bar.set_length(of);
            bar.set_position(done);
        }
    };
    let report = verify(store, tenants, selection, &told).await;
    bar.finish_and_clear();
    report
}

/// Prints lines; the first failure is kept and silences the rest, since what was found matters more than who listens.
struct Printer<'a> {
    out: &'a mut dyn Write,
    json: bool,
    /// Days that are degraded or open, which `status` shows better than so many lines.
    folded: usize,
    failed: Option<io::Error>,
}

impl Printer<'_> {
    fn finding(&mut self, finding: &Finding) {
        if !self.json && matches!(finding.code.as_str(), "degraded" | "pending") {
            self.folded += 1;
            return;
        }
        let text = || {
            let how = match finding.severity {
                Severity::Damage => "DAMAGE",
                Severity::Note => "note  ",
            };
            let Finding { key, detail, hint, .. } = finding;
            format!("{how} {} {key}: {detail}\n       {hint}", finding.code.as_str())
        };
        self.line(finding, text);
    }

    fn done(&mut self, done: &Done) {
        let text = || match done.done {
            true => {
                let room = done.room.map_or_else(String::new, |room| format!("{room} "));
                format!("repaired {} {room}{}", done.repair, done.key)
            }
            false => format!("not repaired: {} ({})", done.key, done.detail),
        };
        self.line(done, text);
    }

    fn summary(&mut self, summary: &Summary) {
        let folded = self.folded;
        let text = || {
            let verdict = match (summary.damage, summary.repaired) {
                (0, 0) => "no damage".to_owned(),
                (0, n) => format!("{n} repaired, no damage left"),
                (n, 0) => format!("{n} damaged"),
                (n, done) => format!("{done} repaired, {n} damaged"),
            };
            let folded = match folded {
                0 => String::new(),
                n => format!("note   {n} partitions are degraded or still open: `pitlake status` shows which days\n"),
            };
            format!(
                "{folded}{verdict}, {} notes: read {} partitions with {} rows and {} captures, {} bytes in all",
                summary.notes, summary.partitions, summary.rows, summary.captures, summary.bytes
            )
        };
        self.line(summary, text);
    }

    fn line(&mut self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.failed.is_some() {
            return;
        }
        let line = if self.json { serde_json::to_string(value).map_err(io::Error::from) } else { Ok(text()) };
        self.failed = line.and_then(|line| writeln!(self.out, "{line}")).err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::store::StoreOptions;
    use crate::market::SystemClock;

    async fn run_in(folder: &std::path::Path, args: VerifyArgs) -> (bool, String) {
        let store = Store::open(folder.to_str().unwrap(), &StoreOptions::default()).await.unwrap();
        let mut out = Vec::new();
        let good = run(&args, &store, Instruments::builtin(), Arc::new(SystemClock), &mut out).await.unwrap();
        (good, String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn each_finding_is_a_line_and_the_last_one_sums_up() {
        let folder = tempfile::tempdir().unwrap();
        let plain = || VerifyArgs { repair: false, symbol: None, json: false };
        assert!(run_in(folder.path(), plain()).await.0, "an empty lake is fine");
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        assert!(run_in(folder.path(), plain()).await.0, "a note is no damage");
        std::fs::create_dir(folder.path().join("greeks")).unwrap();
        std::fs::write(folder.path().join("greeks/junk.parquet"), "x").unwrap();

        let (good, text) = run_in(folder.path(), plain()).await;
        assert!(!good);
        assert!(text.contains("DAMAGE stray_object greeks/junk.parquet: "), "{text}");
        let (good, lines) = run_in(folder.path(), VerifyArgs { repair: true, json: true, ..plain() }).await;
        assert!(!good, "a stray object is not repaired");
        let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!((&lines[0]["repair"], &lines[0]["done"]), (&"impossible".into(), &false.into()));
        assert_eq!((&lines[1]["code"], &lines[1]["severity"]), (&"stray_object".into(), &"damage".into()));
        assert_eq!(lines[2]["code"], "unknown_object");
        assert_eq!((&lines[3]["damage"], &lines[3]["notes"], &lines[3]["repaired"]), (&1.into(), &1.into(), &0.into()));
        assert!(run_in(folder.path(), VerifyArgs { symbol: Some("SPY".into()), ..plain() }).await.0);
    }
}
