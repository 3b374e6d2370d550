//! Profiles as what is made of a year's bars once they are published, and of all years at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::year::{Computed, Which, Year};
use crate::bars::record::BARS;
use crate::lake::catalog::Catalog;
use crate::lake::compact::{Brought, Scope, Selection, YearStep, YearTask};
use crate::lake::dataset::Dataset;
use crate::lake::publish::Published;
use crate::lake::store::Store;
use crate::market::{Instruments, Symbol};
use crate::profile::refusal::Refusal;
use crate::profile::session_record::SessionRecord;
use crate::profile::settings::Settings;
use crate::profile::tables::{self, Exchanged};
use crate::profile::verify::contradiction;
use crate::{Error, ErrorKind, Result};

/// How often what could not be put, because the bars had changed meanwhile, is computed again.
const ATTEMPTS: u32 = 3;

/// What compaction of bars does next. What it writes is named in the catalogs by [`tables`] itself.
#[derive(Debug, Clone, Copy)]
pub struct Profiles;

impl YearStep for Profiles {
    fn datasets(&self) -> &'static [&'static Dataset] {
        &[]
    }

    fn year<'a>(&'a self, task: YearTask<'a>) -> BoxFuture<'a, Result<Brought>> {
        async move {
            let YearTask { store, instruments, symbol, year, scope, now, .. } = task;
            match bring(store, instruments, (symbol, year), now).await {
                // Repair of the bars: what of the profiles cannot be read is made again with them.
                Err(error) if error.kind() == ErrorKind::Corrupt && scope == Scope::All => {
                    let published = remake(store, instruments, (symbol, year), now).await?;
                    Ok(Brought { published, failed: Vec::new() })
                }
                brought => brought,
            }
        }
        .boxed()
    }
}

/// Computes what compaction is to compute of a year, and publishes it. Failed is what could not be: dates whose bars cannot be read,
/// sessions that their bars allow no profile of, once for each version of the bars, and what others kept from being put.
///
/// # Errors
/// Those of the store; `Corrupt` for a damaged index or table.
pub async fn bring(
    store: &Store,
    instruments: &Instruments,
    (symbol, year): (&Symbol, i32),
    now: DateTime<Utc>,
) -> Result<Brought> {
    let Some(instrument) = instruments.get(symbol) else { return Err(unknown(symbol)) };
    let settings = Arc::new(Settings::load(store).await?);
    let of_year = Year { store, instrument, settings: &settings, year };
    let mut brought = Brought::default();
    let mut unread = BTreeSet::new();
    let mut not_taken = Vec::new();
    for _ in 0..ATTEMPTS {
        let (mut due, tables) = of_year.due(Which::Compaction).await?;
        // A date that failed is not read again in the same run, and its bars' profiles are not touched.
        due.retain(|due| !unread.contains(&due.date));
        not_taken.clear();
        if due.is_empty() {
            break;
        }
        let computed = of_year.compute(&due, &tables).await;
        let exchanged = of_year.put(&computed, now).await?;
        not_taken = left(symbol, &computed, &exchanged);
        tell_refused(symbol, &computed, &exchanged);
        for (date, error) in computed.failed {
            brought.failed.push(error.while_doing(format_args!("profiles of {symbol} {date}")));
            unread.insert(date);
        }
        brought.published.extend(exchanged.published);
        if not_taken.is_empty() {
            break;
        }
    }
    brought.failed.append(&mut not_taken);
    Ok(brought)
}

/// What of it is not in the tables because other bars, or a later calculation, stand there.
pub fn left(symbol: &Symbol, computed: &Computed, exchanged: &Exchanged) -> Vec<Error> {
    let rows = computed.records.iter().zip(&exchanged.fates).filter(|(_, fate)| !fate.is_taken());
    let rows = rows.map(|(row, _)| (row.date, row.session));
    let withdrawn = computed.withdrawn.iter().map(|of| (of.date, of.session));
    let withdrawn = withdrawn.chain(computed.refused.iter().map(|of| (of.date, of.session)));
    let withdrawn = withdrawn.zip(&exchanged.withdrawn).filter(|(_, done)| !**done).map(|(of, _)| of);
    let told = |(date, session)| {
        Error::new(
            ErrorKind::Conflict,
            format!(
                "the {session} profile of {symbol} {date} was computed and not put: a profile of other bars stands there, or its \
                 bars were published again meanwhile; run it again"
            ),
        )
    };
    rows.chain(withdrawn).map(told).collect()
}

/// Tells once of the sessions whose refusal the table knows now, a line for each kind of reason. Nothing failed: such bars have no
/// profile, and who asks for one is told why.
fn tell_refused(symbol: &Symbol, computed: &Computed, exchanged: &Exchanged) {
    let fates = exchanged.withdrawn.iter().skip(computed.withdrawn.len());
    let mut by_kind: BTreeMap<&str, (&Refusal, usize)> = BTreeMap::new();
    for (refusal, _) in computed.refused.iter().zip(fates).filter(|(_, done)| **done) {
        let kind = refusal.reason.split(':').next().unwrap_or_default();
        by_kind.entry(kind).or_insert((refusal, 0)).1 += 1;
    }
    for (first, count) in by_kind.into_values() {
        tracing::warn!(sessions = count, "{}", refused_as(symbol, first).detail());
    }
}

fn refused_as(symbol: &Symbol, refusal: &Refusal) -> Error {
    let Refusal { date, session, reason, .. } = refusal;
    Error::invalid(format!("{symbol} {date} has no {session} profile: {reason}"))
}

/// Makes the current table anew: for repair. Rows that can be read, agree with themselves and come from elsewhere than what would be
/// computed now (other bars, an older calculation) stay as they are, so that repair changes no published number; all others are
/// computed from the bars. The history is read and not touched.
///
/// # Errors
/// As [`bring`]; `Corrupt` when the history cannot be read: bring it back from a copy first.
pub async fn remake(
    store: &Store,
    instruments: &Instruments,
    (symbol, year): (&Symbol, i32),
    now: DateTime<Utc>,
) -> Result<Vec<Published>> {
    let Some(instrument) = instruments.get(symbol) else { return Err(unknown(symbol)) };
    let settings = Arc::new(Settings::load(store).await?);
    let of_year = Year { store, instrument, settings: &settings, year };
    let standing = match tables::read(store, symbol, year).await {
        Ok(tables) => tables.current,
        Err(error) if error.kind() == ErrorKind::Corrupt => Vec::new(),
        Err(error) => return Err(error),
    };
    let (due, none) = of_year.due(Which::All).await?;
    let Computed { records, mut refused, failed, .. } = of_year.compute(&due, &none).await;
    if let Some((date, error)) = failed.into_iter().next() {
        return Err(error.while_doing(format_args!("profiles of {symbol} {date}")));
    }
    for refusal in &refused {
        tracing::warn!(error = %refused_as(symbol, refusal), "no profile");
    }
    let rows = repaired(standing, records);
    // Of which a row of other bars stands stays due: the next compaction tells of it.
    refused.retain(|of| !rows.iter().any(|row| (row.date, row.session) == (of.date, of.session)));
    refused.sort_by_key(|of| (of.date, of.session.as_str()));
    tables::rebuild(store, symbol, year, (rows, refused), now).await.map(|published| published.into_iter().collect())
}

/// The computed rows that a repaired table has. Pure.
fn repaired(standing: Vec<SessionRecord>, computed: Vec<SessionRecord>) -> Vec<SessionRecord> {
    let key = |record: &SessionRecord| (record.date, record.session.as_str());
    let origin = |record: &SessionRecord| {
        (record.calculation_version.clone(), record.source_sha256.clone(), record.settings.clone())
    };
    let is_sound = |record: &SessionRecord| record.is_computed() && contradiction(record).is_none();
    let mut rows: BTreeMap<_, SessionRecord> =
        standing.into_iter().filter(is_sound).map(|record| (key(&record), record)).collect();
    for record in computed {
        match rows.get(&key(&record)) {
            Some(known) if origin(known) != origin(&record) => {}
            _ => drop(rows.insert(key(&record), record)),
        }
    }
    rows.into_values().collect()
}

/// Every year of bars that the selection admits, one after the other.
///
/// # Errors
/// Those of the store while the list of symbols is read; what fails of one year does not stop the others.
pub async fn every_year(
    store: &Store,
    instruments: &Instruments,
    selection: &Selection,
    now: DateTime<Utc>,
) -> Result<Vec<Result<Published>>> {
    let catalog = catalog(store).await?;
    let mut all = Vec::new();
    for (symbol, years) in &catalog.symbols {
        let wanted = |year: &&i32| {
            selection.symbol.as_ref().is_none_or(|wanted| wanted == symbol)
                && selection.date.is_none_or(|date| date.year() == **year)
                && selection.since.is_none_or(|since| since.year() <= **year)
        };
        for year in years.iter().filter(wanted) {
            match bring(store, instruments, (symbol, *year), now).await {
                Ok(brought) => {
                    all.extend(brought.published.into_iter().map(Ok));
                    all.extend(brought.failed.into_iter().map(Err));
                }
                Err(error) => all.push(Err(error.while_doing(format_args!("profiles of {symbol} {year}")))),
            }
        }
    }
    Ok(all)
}

/// The symbols and years of bars; empty when there are none.
///
/// # Errors
/// Those of the store, `Corrupt` when it is damaged.
pub async fn catalog(store: &Store) -> Result<Catalog> {
    let key = Catalog::key(BARS);
    match store.get(&key).await {
        Ok(object) => Catalog::parse(&object.bytes, &key),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Catalog::default()),
        Err(error) => Err(error),
    }
}

fn unknown(symbol: &Symbol) -> Error {
    Error::invalid(format!("{symbol} is not known any more; add it to _config/instruments.toml and run it again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sample::{computed, legacy};

    #[test]
    fn repair_mends_what_is_wrong_and_moves_no_number_that_is_right() {
        let spoiled = SessionRecord { poc: 1.0, ..computed("2025-01-13", 1) };
        let other_number = SessionRecord { volume: 1.0, ..computed("2025-01-14", 1) };
        let older = SessionRecord { calculation_version: "tpo-0".into(), volume: 2.0, ..computed("2025-01-15", 1) };
        let without_bars = computed("2025-01-17", 1);
        let standing = vec![spoiled, other_number, older.clone(), legacy("2025-01-16", 'a'), without_bars.clone()];
        let made: Vec<SessionRecord> = ["2025-01-13", "2025-01-14", "2025-01-15"].map(|date| computed(date, 1)).into();
        let rows = repaired(standing, made);
        assert_eq!(rows, [computed("2025-01-13", 1), computed("2025-01-14", 1), older, without_bars]);
    }
}
