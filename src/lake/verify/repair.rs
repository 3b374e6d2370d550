//! What can be repaired, and how: a pure plan from findings, and the one repair that needs no room. Nothing is ever deleted,
//! and what cannot be made again is never written over.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};

use super::{Claim, Code, Finding};
use crate::lake::catalog::Catalog;
use crate::lake::layout::{Key, PartitionId, Period, prefix};
use crate::lake::manifest::{Change, Manifest, pretty_json};
use crate::lake::publish;
use crate::lake::store::{PutWhen, Store};
use crate::lake::{partition, year_index};
use crate::market::{Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

/// One step, in the order in which steps are taken. The number is the place of the room, among those that the plan was made
/// for, whose partition it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repair {
    /// Write the manifest again from the footer of its file.
    Manifest(usize, PartitionId),
    /// Make the dataset's catalog again from the names of its year manifests.
    Catalog(String),
    /// Make the room's partitions of the day again from its captures.
    Day(usize, Symbol, TradingDate),
    /// Make the room's indexes and tables of the year again from the manifests of its days.
    Year(usize, Symbol, i32),
    /// Nothing can be done here; the sentence says why.
    Impossible { key: String, why: String },
}

/// What to do about the damage among `findings`, by the rooms whose `claims` it falls under.
pub fn plan(findings: &[Finding], claims: &[Claim]) -> Vec<Repair> {
    let damage = || findings.iter().filter(|finding| finding.is_damage());
    let owner = |dataset: &str| claims.iter().position(|claim| claim.owns(dataset));
    let mut without_captures = BTreeSet::new();
    let (mut manifests, mut days, mut years) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut catalogs = BTreeSet::new();
    let mut impossible = BTreeSet::new();
    for finding in damage() {
        match (finding.code, finding.key.parse::<Key>()) {
            (Code::CaptureDamaged | Code::CaptureMissing, Ok(Key::Capture { dataset, symbol, date, .. })) => {
                let readers = claims.iter().enumerate().filter(|(_, claim)| claim.reads(&dataset));
                without_captures.extend(readers.map(|(room, _)| (room, symbol.clone(), date)));
                impossible.insert((finding.key.clone(), finding.hint.to_owned()));
            }
            (code, Ok(Key::Partition(id) | Key::Manifest(id)))
                if code != Code::StrayObject
                    && let Some(room) = owner(&id.dataset) =>
            {
                match id.period {
                    Period::Year(year) => {
                        years.insert((room, id.symbol, year));
                    }
                    Period::Day(date) if is_of_manifest(finding) => {
                        manifests.insert((room, id.symbol.clone(), date, id));
                    }
                    Period::Day(date) => {
                        days.insert((room, id.symbol, date));
                    }
                }
            }
            (_, Ok(Key::Catalog { dataset })) => {
                catalogs.insert(dataset);
            }
            _ => {
                impossible.insert((finding.key.clone(), finding.hint.to_owned()));
            }
        }
    }
    // A day that is made again gets its manifests with it.
    let possible: BTreeSet<_> = days.difference(&without_captures).cloned().collect();
    manifests.retain(|(room, symbol, date, _)| !possible.contains(&(*room, symbol.clone(), *date)));
    years.extend(possible.iter().map(|(room, symbol, date)| (*room, symbol.clone(), date.year())));
    years.extend(manifests.iter().map(|(room, symbol, date, _)| (*room, symbol.clone(), date.year())));
    for (room, symbol, date) in days.intersection(&without_captures) {
        // The year must not forget a day only because the day is broken.
        years.remove(&(*room, symbol.clone(), date.year()));
        let why = "its captures are damaged or missing, and without them it cannot be made again".to_owned();
        impossible.insert((format!("{symbol} {date}"), why));
    }
    let manifests = manifests.into_iter().map(|(room, _, _, id)| Repair::Manifest(room, id));
    let days = possible.into_iter().map(|(room, symbol, date)| Repair::Day(room, symbol, date));
    let years = years.into_iter().map(|(room, symbol, year)| Repair::Year(room, symbol, year));
    let impossible = impossible.into_iter().map(|(key, why)| Repair::Impossible { key, why });
    let catalogs = catalogs.into_iter().map(Repair::Catalog);
    manifests.chain(catalogs).chain(days).chain(years).chain(impossible).collect()
}

fn is_of_manifest(finding: &Finding) -> bool {
    matches!(
        finding.code,
        Code::NoManifest | Code::ManifestUnreadable | Code::ManifestBehind | Code::FooterDiffers | Code::Misplaced
    ) && matches!(finding.key.parse(), Ok(Key::Manifest(_)))
}

/// Writes the manifest of `id` again from the footer of its file. The revision is the one that the old manifest or the year's
/// index knows for these very bytes, else the next one; a day that was still open keeps its own.
///
/// # Errors
/// `Corrupt` when the file is not one of this partition, or there is no manifest to compare it with and the year's index
/// remembers other bytes: a checksum of damaged bytes would make them look right; `Conflict` when somebody published meanwhile, those of the store.
pub async fn manifest_from_footer(store: &Store, id: &PartitionId, now: DateTime<Utc>) -> Result<Manifest> {
    let now = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
    let before = publish::before(store, id).await?;
    let key = id.data_key();
    let data = store.get(&key).await?.bytes;
    let content = partition::content(&partition::metadata(&data, &key)?, &key)?;
    if content.id()? != *id {
        return Err(Error::corrupt(format!("{key} says that it is {}", content.id()?)));
    }
    let sha256 = hex::encode(Sha256::digest(&data));
    let (revision, published_at, change) = match &before.manifest {
        Some((old, _)) if old.revision > 0 && old.sha256 == sha256 => {
            (old.revision, old.published_at, old.change.clone())
        }
        Some((old, _)) if old.revision > 0 && !old.content.calculation.session_closed => {
            (old.revision, now, old.change.clone())
        }
        // The file of the old revision is gone: which captures came is known, what they did to its rows is not.
        Some((old, _)) if old.revision > 0 => {
            (old.revision + 1, now, Some(Change::between(old.revision, &old.content, &content, None)))
        }
        _ => match year_index::remembered(store, id).await? {
            Some(entry) if entry.sha256 == sha256 => (entry.revision, entry.published_at, entry.change),
            Some(_) => return Err(Error::corrupt(format!("the year's index remembers other bytes than {key} has"))),
            None => (1, now, None),
        },
    };
    let manifest = Manifest { path: key, revision, published_at, sha256, bytes: data.len() as u64, change, content };
    let when = before.manifest.map_or(PutWhen::Absent, |(_, etag)| PutWhen::Matches(etag));
    store.put(&id.manifest_key(), Bytes::from(manifest.to_json()?), when).await?;
    Ok(manifest)
}

/// Makes the catalog of `dataset` again from the year manifests that there are.
///
/// # Errors
/// `Conflict` when somebody published meanwhile, those of the store.
pub async fn catalog_from_manifests(store: &Store, dataset: &str) -> Result<()> {
    let key = Catalog::key(dataset);
    let when = match store.head(&key).await {
        Ok(there) => PutWhen::Matches(there.etag),
        Err(error) if error.kind() == ErrorKind::NotFound => PutWhen::Absent,
        Err(error) => return Err(error),
    };
    let mut catalog = Catalog { dataset: dataset.to_owned(), ..Catalog::default() };
    let mut listing = store.list(&prefix::manifests(dataset));
    while let Some(object) = listing.try_next().await? {
        if let Ok(Key::Manifest(PartitionId { symbol, period: Period::Year(year), .. })) = object.key.parse() {
            catalog.symbols.entry(symbol).or_default().insert(year);
        }
    }
    store.put(&key, Bytes::from(pretty_json(&catalog)?), when).await.map(drop)
}

/// Gives a partition that was made again the revision that belongs to it when its manifest was lost: the one that the year's
/// index remembers for these very bytes, else the one after it. Revisions never go back.
///
/// # Errors
/// `Conflict` when somebody published meanwhile, those of the store.
pub async fn restore_revision(store: &Store, made: &Manifest, remembered: Option<&year_index::DayEntry>) -> Result<()> {
    let Some(entry) = remembered else { return Ok(()) };
    let mut manifest = made.clone();
    if entry.sha256 == made.sha256 {
        (manifest.revision, manifest.published_at) = (entry.revision.max(made.revision), entry.published_at);
        manifest.change.clone_from(&entry.change);
    } else if entry.revision >= made.revision && made.content.calculation.session_closed {
        manifest.revision = entry.revision + 1;
    }
    let id = made.content.id()?;
    let there = store.get(&id.manifest_key()).await?;
    if manifest == *made || Manifest::parse(&there.bytes, &id.manifest_key())? != *made {
        return Ok(());
    }
    let bytes = Bytes::from(manifest.to_json()?);
    store.put(&id.manifest_key(), bytes, PutWhen::Matches(there.etag)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;

    use super::*;
    use crate::lake::dataset::{Cut, Dataset};

    const DATA: &str = "greeks/symbol=SPY/date=2025-01-15/part-0.parquet";
    const MANIFEST: &str = "_manifest/greeks/symbol=SPY/2025-01-15.json";
    const CAPTURE: &str = "raw/greeks/symbol=SPY/date=2025-01-15/0a.jsonl.zst";
    const INDEX: &str = "_manifest/greeks/symbol=SPY/2025.json";

    const fn dataset(name: &'static str, cut: Cut) -> Dataset {
        let schema = || Arc::new(Schema::empty());
        Dataset { name, about: "", cut, schema, sorted_by: &[], packing: &[], row_group_rows: 1 }
    }

    static GREEKS: [&Dataset; 2] = [&dataset("greeks", Cut::Day), &dataset("greeks_by_day", Cut::Year)];
    static BARS: [&Dataset; 1] = [&dataset("bars", Cut::Day)];

    fn planned(findings: &[(Code, &str)]) -> Vec<Repair> {
        let claims = [
            Claim { datasets: &GREEKS, sources: &["chains", "greeks"] },
            Claim { datasets: &BARS, sources: &["bars"] },
        ];
        plan(&findings.iter().map(|(code, key)| Finding::new(*code, *key, "")).collect::<Vec<_>>(), &claims)
    }

    fn spy() -> (Symbol, TradingDate) {
        ("SPY".parse().unwrap(), "2025-01-15".parse().unwrap())
    }

    #[test]
    fn a_manifest_comes_from_the_footer_unless_the_day_is_made_again() {
        let (symbol, date) = spy();
        let year = Repair::Year(0, symbol.clone(), 2025);
        let manifest = Repair::Manifest(0, PartitionId::day("greeks", &symbol, date));
        assert_eq!(planned(&[(Code::NoManifest, MANIFEST)]), [manifest, year.clone()]);
        let both = [(Code::NoManifest, MANIFEST), (Code::Unreadable, DATA)];
        assert_eq!(planned(&both), [Repair::Day(0, symbol, date), year]);
    }

    #[test]
    fn without_its_captures_a_day_is_left_alone_and_its_year_too() {
        let left = planned(&[(Code::NoData, DATA), (Code::CaptureMissing, CAPTURE), (Code::IndexDiffers, INDEX)]);
        assert!(left.iter().all(|step| matches!(step, Repair::Impossible { .. })), "{left:?}");
        assert_eq!(left.len(), 2);
    }

    #[test]
    fn notes_need_no_repair_and_strangers_are_not_touched() {
        assert_eq!(planned(&[(Code::NotCompacted, CAPTURE), (Code::UnknownObject, "junk")]), []);
        let stray = "greeks/symbol=SPY/date=2025-01-15/part-1.parquet";
        assert!(
            matches!(planned(&[(Code::StrayObject, stray)]).as_slice(), [Repair::Impossible { key, .. }] if key == stray)
        );
        assert_eq!(planned(&[(Code::IndexMissingDay, INDEX)]), [Repair::Year(0, spy().0, 2025)]);
    }

    #[test]
    fn a_repair_is_its_rooms_and_touches_no_other() {
        let (symbol, date) = spy();
        let bars = "bars/symbol=SPY/date=2025-01-15/part-0.parquet";
        let remade = [Repair::Day(1, symbol.clone(), date), Repair::Year(1, symbol.clone(), 2025)];
        assert_eq!(planned(&[(Code::Sha256Differs, bars)]), remade);
        // A capture of exposures is no reason to leave the bars as they are, and the other way round.
        let both = planned(&[(Code::Sha256Differs, bars), (Code::NoData, DATA), (Code::CaptureMissing, CAPTURE)]);
        assert_eq!(both[..2], remade);
        assert!(both[2..].iter().all(|step| matches!(step, Repair::Impossible { .. })) && both.len() == 4, "{both:?}");
        let table = "greeks_by_day/symbol=SPY/year=2025/part-0.parquet";
        assert_eq!(planned(&[(Code::Unreadable, table)]), [Repair::Year(0, symbol, 2025)]);
        // Captures that no room makes days of.
        let only_kept = "raw/legacy_tpo/symbol=SPY/date=2025-01-15/0a.jsonl.zst";
        let left = planned(&[(Code::CaptureDamaged, only_kept), (Code::Unreadable, bars)]);
        assert_eq!(left[..2], remade);
        assert!(matches!(&left[2..], [Repair::Impossible { key, .. }] if key == only_kept));
    }
}
