//! The work of a migration: read and judge, decide, keep the originals, put the rows, read again what was said to be there. Each step
//! may be done twice without harm, and none begins before the one before it is whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::bars::KnownDays;
use super::fate::{Fate, Known, decide, says_the_same};
use super::original::{document, note, row};
use super::reconciliation::{Accounted, Reconciliation, counted, series};
use crate::lake::journal::Writer;
use crate::lake::store::Store;
use crate::market::{Instrument, Instruments, SessionKind, SharedClock, Symbol, TradingDate};
use crate::profile::legacy::archive::Skipped;
use crate::profile::legacy::{Archive, Audit, Code, Finding, Original, RowHeight, Severity, Verdict};
use crate::profile::record::LEGACY_TPO;
use crate::profile::session_record::SessionRecord;
use crate::profile::tables::{self, YearTables};
use crate::{Error, Result};

/// Captures written side by side, and how many each writer keeps open files for.
const WRITERS: usize = 8;
const CAPTURES_A_WRITER: usize = 50;

/// One migration, ready to run.
#[derive(Clone)]
pub struct Migration {
    pub store: Store,
    pub instruments: Arc<Instruments>,
    pub clock: SharedClock,
    /// Of the archive.
    pub rows: RowHeight,
    /// Records of this symbol only.
    pub symbol: Option<Symbol>,
    /// Decide everything, write nothing.
    pub dry_run: bool,
}

/// Every record with its fate, in the order of the archive, and the account of them.
#[derive(Debug)]
pub struct Outcome {
    pub records: Vec<Accounted>,
    pub reconciliation: Reconciliation,
}

/// A record on its way.
struct Entry {
    original: Original,
    instrument: Option<Arc<Instrument>>,
    date: Option<TradingDate>,
    session: Option<SessionKind>,
    verdict: Verdict,
    findings: Vec<Finding>,
    is_compared: bool,
    row: Option<SessionRecord>,
    fate: Fate,
}

impl Entry {
    fn home(&self) -> Option<(Symbol, TradingDate)> {
        Some((self.instrument.as_ref()?.symbol.clone(), self.date?))
    }

    /// Why its file could not be read, when this stands for a whole file.
    fn unread(&self) -> Option<String> {
        let is_fault = |finding: &&Finding| matches!(finding.code, Code::FileUnreadable | Code::FileTooLarge);
        let finding = self.findings.iter().find(is_fault)?;
        Some(format!("{}: {} ({})", self.original.file, finding.evidence, finding.code))
    }

    fn known<'k>(&'k self, plan: &YearPlan, there: Option<&'k (SessionRecord, bool)>) -> Known<'k> {
        let session = self.date.zip(self.session);
        Known {
            verdict: self.verdict,
            findings: &self.findings,
            row: self.row.as_ref(),
            there: there.map(|(row, _)| row),
            from_this_run: there.is_some_and(|(_, from_this_run)| *from_this_run),
            has_bars: session.is_some_and(|session| plan.computed.contains(&session)),
            is_compared: self.is_compared,
        }
    }
}

/// What is to be put into one symbol's year.
#[derive(Default)]
struct YearPlan {
    entries: Vec<usize>,
    rows: Vec<SessionRecord>,
    /// Sessions that a computed row has, there or planned.
    computed: HashSet<(TradingDate, SessionKind)>,
    /// Sessions that any row has, there or planned.
    covered: HashSet<(TradingDate, SessionKind)>,
    computed_rows: u64,
}

/// The `legacy` rows of a year, and whether a record of this run stands for it.
type Originals = HashMap<(TradingDate, SessionKind), (SessionRecord, bool)>;
type Years = BTreeMap<(Symbol, i32), YearPlan>;

impl Migration {
    /// Runs it to its end. `told` hears of files as they are read, twice each.
    ///
    /// # Errors
    /// Those of the store and of the temporary folder; never for what is in the archive. Run again, it goes on.
    pub async fn run(&self, archive: Archive, told: Arc<dyn Fn(u64) + Send + Sync>) -> Result<Outcome> {
        let bars = Arc::new(KnownDays::open(&self.store, self.rows).await?);
        let files = archive.files().len() as u64;
        let (faults, skipped): (Vec<_>, Vec<_>) = archive.skipped().iter().partition(|skipped| skipped.is_fault);
        let told_of = |skipped: &Skipped| format!("{}: {}", skipped.name, skipped.why);
        let mut unread: Vec<String> = faults.into_iter().map(told_of).collect();
        let skipped = skipped.into_iter().map(told_of).collect();
        let (mut entries, other_files) = self.judged(archive, bars.clone(), told).await?;
        unread.extend(entries.iter().filter_map(Entry::unread));
        let mut years = self.decide(&mut entries, &bars).await?;
        if !self.dry_run {
            self.keep_originals(&entries).await?;
            self.set_aside(&entries).await?;
            for ((symbol, year), plan) in &mut years {
                let rows = std::mem::take(&mut plan.rows);
                // Without a row, too: what died between a table and its record left nothing else to put.
                tables::put(&self.store, symbol, *year, rows, self.clock.now()).await?;
            }
        }
        let unaccounted = if self.dry_run { Vec::new() } else { self.not_found(&entries, &years).await? };
        let homes: HashSet<_> = asked(&entries).filter_map(Entry::home).collect();
        let records: Vec<Accounted> = entries.into_iter().map(accounted).collect();
        let fates = counted(&records);
        let sessions = series(
            &records,
            |symbol, date, kind| {
                self.instruments.get(symbol).is_some_and(|found| found.session_of_kind(date, kind).is_some())
            },
            |symbol, date, kind| {
                years.get(&(symbol.clone(), date.year())).is_some_and(|plan| plan.covered.contains(&(date, kind)))
            },
        );
        let reconciliation = Reconciliation {
            dry_run: self.dry_run,
            files,
            other_files,
            skipped_files: skipped,
            unread_files: unread,
            records: records.len() as u64,
            accounted: fates.values().sum(),
            fates,
            captures: homes.len() as u64,
            computed_rows: years.values().map(|plan| plan.computed_rows).sum(),
            unaccounted,
            sessions,
        };
        Ok(Outcome { records, reconciliation })
    }

    async fn judged(
        &self,
        archive: Archive,
        bars: Arc<KnownDays>,
        told: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<(Vec<Entry>, Vec<String>)> {
        let (instruments, now, symbol) = (self.instruments.clone(), self.clock.now(), self.symbol.clone());
        let work = move || {
            let audit = Audit::survey(archive, instruments, now, told.as_ref());
            let mut entries = Vec::new();
            audit.each(Some(bars.as_ref()), told.as_ref(), &mut |judged| {
                let row = row(&judged);
                let instrument = judged.identity.instrument;
                let is_asked =
                    symbol.as_ref().is_none_or(|asked| instrument.as_ref().is_some_and(|found| found.symbol == *asked));
                entries.push(Entry {
                    original: judged.original,
                    date: judged.identity.date,
                    session: judged.identity.session.map(|session| session.kind),
                    instrument,
                    verdict: judged.verdict,
                    findings: judged.findings,
                    is_compared: judged.is_compared,
                    row,
                    fate: if is_asked { Fate::Rejected } else { Fate::NotAsked },
                });
                Ok(())
            })?;
            Ok((entries, audit.other_files().map(str::to_owned).collect()))
        };
        blocking(work).await
    }

    /// Gives every record its fate, in the order of the archive, and says what has to be put.
    async fn decide(&self, entries: &mut [Entry], bars: &Arc<KnownDays>) -> Result<Years> {
        let mut years = Years::new();
        for (at, entry) in entries.iter().enumerate() {
            if entry.fate != Fate::NotAsked
                && entry.verdict != Verdict::Rejected
                && let Some((symbol, date)) = entry.home()
            {
                years.entry((symbol, date.year())).or_default().entries.push(at);
            }
        }
        for ((symbol, year), plan) in &mut years {
            let there = tables::read(&self.store, symbol, *year).await?;
            let made = self.computed(symbol, plan, entries, bars).await?;
            plan_year(plan, entries, &there, made);
        }
        Ok(years)
    }

    /// What bars make of the dates that have records.
    async fn computed(
        &self,
        symbol: &Symbol,
        plan: &YearPlan,
        entries: &[Entry],
        bars: &Arc<KnownDays>,
    ) -> Result<Vec<SessionRecord>> {
        let Some(instrument) = self.instruments.get(symbol).cloned() else { return Ok(Vec::new()) };
        let mut dates: Vec<TradingDate> = plan.entries.iter().filter_map(|&at| entries[at].date).collect();
        dates.sort_unstable();
        dates.dedup();
        dates.retain(|date| bars.has(&instrument, *date));
        if dates.is_empty() {
            return Ok(Vec::new());
        }
        let bars = bars.clone();
        blocking(move || {
            let mut records = Vec::new();
            for date in dates {
                records.append(&mut bars.computed(&instrument, date)?);
            }
            Ok(records)
        })
        .await
    }

    /// One capture a symbol and date, of all its records that can be placed, whatever becomes of them.
    async fn keep_originals(&self, entries: &[Entry]) -> Result<()> {
        let mut homes: BTreeMap<(Symbol, TradingDate), Vec<&Original>> = BTreeMap::new();
        for entry in asked(entries) {
            if let Some(home) = entry.home() {
                homes.entry(home).or_default().push(&entry.original);
            }
        }
        let homes: Vec<_> = homes.into_iter().collect();
        let batches: Vec<_> = homes.chunks(CAPTURES_A_WRITER).collect();
        stream::iter(batches)
            .map(|batch| async move {
                let mut writer = Writer::new(LEGACY_TPO)?;
                for ((symbol, date), originals) in batch {
                    for original in originals {
                        writer.document(symbol, *date, self.clock.now(), &document(original)?, 1)?;
                    }
                }
                writer.finish(&self.store).await.map(drop)
            })
            .buffer_unordered(WRITERS)
            .try_collect()
            .await
    }

    /// The text of what becomes no row, with why.
    async fn set_aside(&self, entries: &[Entry]) -> Result<()> {
        let mut writer = Writer::new(LEGACY_TPO)?;
        for entry in entries.iter().filter(|entry| entry.fate.is_set_aside()) {
            let note = match entry.fate {
                Fate::Conflict => note(&entry.original, &[], CONFLICT),
                _ => note(&entry.original, &entry.findings, INCOMPLETE),
            };
            writer.keep_refused(self.clock.now(), &note, entry.original.text.as_bytes())?;
        }
        writer.finish(&self.store).await.map(drop)
    }

    /// Reads the tables again and tells what was said to be in them and is not.
    async fn not_found(&self, entries: &[Entry], years: &Years) -> Result<Vec<String>> {
        let mut lacking = Vec::new();
        for ((symbol, year), plan) in years {
            let there = tables::read(&self.store, symbol, *year).await?;
            for &at in &plan.entries {
                let entry = &entries[at];
                let (Some(date), Some(kind)) = (entry.date, entry.session) else { continue };
                let is_computed =
                    || there.current.iter().any(|row| (row.date, row.session) == (date, kind) && row.is_computed());
                let is_kept = || {
                    let row = entry.row.as_ref();
                    legacy_of(&there, date, kind).zip(row).is_some_and(|(kept, row)| says_the_same(kept, row))
                };
                let found = match entry.fate {
                    Fate::Imported | Fate::AlreadyImported | Fate::Duplicate => is_kept(),
                    Fate::Confirmed => is_kept() && is_computed(),
                    Fate::Recalculated => is_computed(),
                    _ => true,
                };
                if !found {
                    let Original { file, index, .. } = &entry.original;
                    lacking.push(format!(
                        "{file}[{index}]: {symbol} {date} {kind} is not there as {}",
                        entry.fate.as_str()
                    ));
                }
            }
        }
        Ok(lacking)
    }
}

/// Code and sentence of a record that says something else than the row that came from the archive before.
const CONFLICT: (&str, &str) = (
    "differs_from_imported",
    "another original of this session was imported before and says something else; find out which is right. To have this one, take \
     the old one back with `pitlake migrate legacy-tpo --undo`, and migrate again",
);
const INCOMPLETE: (&str, &str) =
    ("missing_detail", "a field that every row has is missing; recalculate the session from bars");

fn plan_year(plan: &mut YearPlan, entries: &mut [Entry], there: &YearTables, made: Vec<SessionRecord>) {
    let dates_computed: HashSet<TradingDate> =
        there.current.iter().filter(|row| row.is_computed()).map(|row| row.date).collect();
    plan.covered = there.current.iter().map(|row| (row.date, row.session)).collect();
    plan.computed = there.current.iter().filter(|row| row.is_computed()).map(|row| (row.date, row.session)).collect();
    // What compaction or `recalculate` put there stays theirs to replace.
    let made: Vec<SessionRecord> = made.into_iter().filter(|row| !dates_computed.contains(&row.date)).collect();
    plan.computed.extend(made.iter().map(|row| (row.date, row.session)));
    let mut legacy = Originals::new();
    for row in there.history.iter().chain(&there.current).filter(|row| !row.is_computed()) {
        legacy.entry((row.date, row.session)).or_insert_with(|| (row.clone(), false));
    }
    let mut decided: HashSet<TradingDate> = HashSet::new();
    for at in in_turn(plan, entries, &legacy) {
        let entry = &mut entries[at];
        let (Some(date), Some(kind)) = (entry.date, entry.session) else { continue };
        entry.fate = decide(entry.known(plan, legacy.get(&(date, kind))));
        if matches!(entry.fate, Fate::Imported | Fate::Confirmed)
            && let Some(row) = &entry.row
        {
            legacy.insert((date, kind), (row.clone(), true));
            plan.rows.push(row.clone());
        }
        if entry.fate == Fate::AlreadyImported
            && let Some((_, is_taken)) = legacy.get_mut(&(date, kind))
        {
            *is_taken = true;
        }
        // A run that was killed between the two tables left the row in the history alone.
        if entry.fate == Fate::AlreadyImported
            && !plan.covered.contains(&(date, kind))
            && let Some((row, _)) = legacy.get(&(date, kind))
        {
            plan.rows.push(row.clone());
        }
        decided.insert(date);
    }
    let made: Vec<SessionRecord> = made.into_iter().filter(|row| decided.contains(&row.date)).collect();
    plan.computed_rows = made.len() as u64;
    plan.rows.extend(made);
    plan.covered.extend(plan.rows.iter().map(|row| (row.date, row.session)));
}

/// Records in the order in which they are decided: of copies of one session first those that would become its row, of these the one
/// with the best verdict. A copy that is in doubt would else take the place of one that is not.
fn in_turn(plan: &YearPlan, entries: &[Entry], legacy: &Originals) -> Vec<usize> {
    let mut order = plan.entries.clone();
    // Stable: of equals the first in the archive.
    order.sort_by_cached_key(|&at| {
        let entry = &entries[at];
        let there = entry.date.zip(entry.session).and_then(|session| legacy.get(&session));
        (!decide(entry.known(plan, there)).brings_row(), entry.verdict)
    });
    order
}

fn legacy_of(tables: &YearTables, date: TradingDate, kind: SessionKind) -> Option<&SessionRecord> {
    tables.history.iter().find(|row| (row.date, row.session) == (date, kind) && !row.is_computed())
}

fn asked(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| entry.fate != Fate::NotAsked)
}

fn accounted(entry: Entry) -> Accounted {
    let graver = entry.findings.iter().filter(|finding| finding.severity() > Severity::Note);
    Accounted {
        codes: graver.map(|finding| finding.code).collect(),
        file: entry.original.file.to_string(),
        index: entry.original.index,
        line: entry.original.line,
        symbol: entry.instrument.map(|instrument| instrument.symbol.clone()),
        date: entry.date,
        session: entry.session,
        fate: entry.fate,
        verdict: entry.verdict,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("the migration stopped").caused_by(error))?
}
