//! Both tables in a lake in a folder: what is published when, and what a crash or damage leaves.

use super::*;
use crate::lake::publish::manifest;
use crate::lake::store::{PutWhen, StoreOptions};
use crate::profile::sample::{computed, legacy};

const YEAR: i32 = 2025;

async fn lake() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap(), &StoreOptions::default()).await.unwrap();
    (folder, store)
}

fn nq() -> Symbol {
    "NQ".parse().unwrap()
}

fn at(hour: u32) -> DateTime<Utc> {
    format!("2025-02-01T{hour:02}:00:00Z").parse().unwrap()
}

async fn take(store: &Store, rows: &[SessionRecord], hour: u32) -> Vec<Fate> {
    put(store, &nq(), YEAR, rows.to_vec(), at(hour)).await.unwrap()
}

fn id(dataset: &Dataset) -> PartitionId {
    PartitionId::year(dataset.name, &nq(), YEAR)
}

#[tokio::test]
async fn a_correction_makes_a_revision_and_keeps_what_it_replaced() {
    let (_folder, store) = lake().await;
    let (first, other) = (computed("2025-01-15", 1), computed("2025-01-16", 1));
    assert_eq!(take(&store, &[first.clone(), other.clone()], 1).await, [Fate::Current; 2]);
    assert!(manifest(&store, &id(&HISTORY)).await.is_err(), "no history before there is something in it");
    assert_eq!(take(&store, std::slice::from_ref(&first), 2).await, [Fate::AlreadyThere]);
    let published = manifest(&store, &id(&CURRENT)).await.unwrap();
    assert_eq!((published.revision, published.published_at), (1, at(1)), "the same again changes nothing");

    let second = computed("2025-01-15", 2);
    assert_eq!(take(&store, &[second.clone(), first.clone()], 3).await, [Fate::Current, Fate::AlreadyThere]);
    let tables = read(&store, &nq(), YEAR).await.unwrap();
    assert_eq!((tables.current, tables.history), (vec![second, other], vec![first]));
    let published = manifest(&store, &id(&CURRENT)).await.unwrap();
    let change = published.change.unwrap();
    assert_eq!((published.revision, change.rows_changed, change.rows_added), (2, Some(1), Some(0)));
    let day = &published.content.details["days"][0];
    assert_eq!(day[0], "2025-01-15");
    assert_eq!((&day[1], &day[4], &day[5]), (&json!(2), &json!("rth"), &json!("tpo-1")));
    assert_eq!(day[2], format!("{:064x}", 2));
    let catalog =
        catalog::Catalog::parse(&store.get(&catalog::Catalog::key("profiles_history")).await.unwrap().bytes, "");
    assert_eq!(catalog.unwrap().years(&nq()).collect::<Vec<_>>(), [YEAR]);
}

#[tokio::test]
async fn who_dies_between_the_tables_loses_nothing() {
    let (_folder, store) = lake().await;
    let (first, second) = (computed("2025-01-15", 1), computed("2025-01-15", 2));
    take(&store, std::slice::from_ref(&first), 1).await;
    // What the dead one left: the history's file, and not even its manifest.
    let content = content(&HISTORY, (&nq(), YEAR), std::slice::from_ref(&first), &[]);
    let file = partition::encode(&HISTORY, &[columns::batch(std::slice::from_ref(&first)).unwrap()], &content).unwrap();
    store.put(&id(&HISTORY).data_key(), file.into(), PutWhen::Absent).await.unwrap();

    assert_eq!(
        take(&store, &[second.clone(), legacy("2025-01-15", 'a')], 2).await,
        [Fate::Current, Fate::KeptInHistory]
    );
    let tables = read(&store, &nq(), YEAR).await.unwrap();
    assert_eq!((tables.current, tables.history), (vec![second], vec![legacy("2025-01-15", 'a'), first]));
    assert_eq!(manifest(&store, &id(&HISTORY)).await.unwrap().content.rows, 2);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_written_over() {
    let (folder, store) = lake().await;
    take(&store, &[computed("2025-01-15", 1), legacy("2025-01-15", 'a')], 1).await;
    let path = folder.path().join(id(&HISTORY).data_key());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    for _ in 0..2 {
        let refused = put(&store, &nq(), YEAR, vec![computed("2025-01-15", 2)], at(2)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
        std::fs::remove_file(&path).ok();
    }
    std::fs::write(&path, whole).unwrap();
    assert_eq!(read(&store, &nq(), YEAR).await.unwrap().current, [computed("2025-01-15", 1)]);
}

#[tokio::test]
async fn several_at_once_all_find_their_place() {
    let (_folder, store) = lake().await;
    let dates: Vec<String> = (10..18).map(|day| format!("2025-01-{day}")).collect();
    let symbol = nq();
    let puts = dates.iter().map(|date| put(&store, &symbol, YEAR, vec![legacy(date, 'a'), computed(date, 1)], at(1)));
    for fates in futures::future::join_all(puts).await {
        assert_eq!(fates.unwrap(), [Fate::Current; 2]);
    }
    let tables = read(&store, &nq(), YEAR).await.unwrap();
    assert_eq!((tables.current.len(), tables.history.len()), (8, 8));
    assert!(tables.current.iter().all(|row| row.calculation_version == "tpo-1"));
}

#[tokio::test]
async fn profiles_of_another_year_are_no_business_of_this_one() {
    let (_folder, store) = lake().await;
    assert!(put(&store, &nq(), 2024, vec![computed("2025-01-15", 1)], at(1)).await.is_err());
    assert!(read(&store, &nq(), 2024).await.unwrap().current.is_empty());
}
