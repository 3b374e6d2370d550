//! The command as it is typed, against a lake in memory.

use std::sync::Arc;

use clap::Parser;
use object_store::memory::InMemory;

use super::*;
use crate::market::FixedClock;

#[derive(Debug, Parser)]
struct Typed {
    #[command(flatten)]
    keys: KeysArgs,
}

fn lake() -> Store {
    Store::from_object_store(Arc::new(InMemory::new()), "memory")
}

fn clock() -> FixedClock {
    FixedClock::new("2025-01-15T14:32:00Z".parse().unwrap())
}

async fn typed(store: &Store, words: &str) -> Result<String> {
    let args = Typed::try_parse_from(format!("keys {words}").split(' ')).expect("the words are right");
    let mut out = Vec::new();
    run(args.keys, store, &clock(), &mut out).await?;
    Ok(String::from_utf8(out).expect("text"))
}

#[tokio::test]
async fn a_key_is_made_shown_once_listed_and_revoked() {
    let lake = lake();
    assert!(typed(&lake, "list").await.unwrap().contains("never had a key"));
    let made = typed(&lake, "create --name desk --scope read,capture --symbol SPY --symbol QQQ").await.unwrap();
    let key: Uuid = made.lines().next().unwrap().parse().unwrap();
    assert_eq!(key.get_version_num(), 4);
    assert!(made.contains("read, capture on all datasets, QQQ, SPY"), "{made}");
    assert!(made.contains("first key"), "{made}");

    let (list, _) = key_store::read(&lake).await.unwrap().unwrap();
    let id = list.find(key).unwrap().id.clone();
    let listed = typed(&lake, "list").await.unwrap();
    assert!(listed.starts_with(&format!("{id}  desk  made 2025-01-15 14:32 UTC, valid")), "{listed}");
    assert!(!listed.contains(&key.to_string()));

    assert!(typed(&lake, &format!("revoke {id}")).await.unwrap().contains("is revoked"));
    assert!(typed(&lake, "list").await.unwrap().contains("revoked 2025-01-15 14:32 UTC"));
    assert_eq!(typed(&lake, "revoke knone").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!typed(&lake, "create --name two --scope read").await.unwrap().contains("first key"));
}

#[tokio::test]
async fn json_is_one_object_a_line() {
    let lake = lake();
    let made: Value =
        serde_json::from_str(&typed(&lake, "create --name desk --scope read --dataset greeks --json").await.unwrap())
            .unwrap();
    assert!(made["key"].as_str().unwrap().parse::<Uuid>().is_ok());
    assert_eq!(made["datasets"], json!(["greeks"]));
    typed(&lake, "create --name two --scope admin").await.unwrap();
    let listed = typed(&lake, "list --json").await.unwrap();
    let records: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["id"], made["id"]);
    assert_eq!(records[0].get("key"), None);
    assert_eq!(records[0]["created_at"], "2025-01-15T14:32:00Z");
    assert_eq!(records[1]["symbols"], Value::Null);
}

#[test]
fn wrong_words_are_refused_by_the_parser() {
    for words in [
        "",
        "create --name desk",
        "create --scope read",
        "create --name desk --scope root",
        "create --name desk --scope read --symbol spy",
        "revoke",
    ] {
        assert!(Typed::try_parse_from(format!("keys {words}").split_whitespace()).is_err(), "{words}");
    }
}
