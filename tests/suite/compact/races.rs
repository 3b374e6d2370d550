//! Several compactors on one lake at once: one clean result, whoever wins.

use pitlake::greeks::generate::Settings;

use crate::pitlake_binary::{Lake, Ran, generated, on_every_store};

on_every_store!(four_compactors_at_once_give_one_clean_result, ingest_and_compaction_at_once_lose_nothing);

fn settings(seed: u64) -> Settings {
    let date = "2025-01-13".parse().expect("a date");
    Settings { days: 4, seed, expirations: 2, strikes: 30, ..Settings::full_day("SPY", date) }
}

fn four_compactors_at_once_give_one_clean_result(lake: &Lake) {
    let alone = lake.another();
    for seed in 0..2 {
        lake.ingest(&lake.file("days.jsonl", generated(&settings(seed)).0));
    }
    lake.objects_under("raw/").into_iter().for_each(|(key, bytes)| alone.plant(&key, bytes));
    let together: Vec<_> =
        (0..4).map(|_| lake.command(&["compact", "--json"]).spawn().expect("the program starts")).collect();
    for child in together {
        Ran::of(child).ends(0);
    }
    lake.is_sound();
    assert!(lake.compact(&[]).iter().all(|outcome| outcome["action"] == "unchanged"));
    alone.compact(&[]);
    for dataset in ["greeks/", "greeks_by_minute/"] {
        assert!(lake.objects_under(dataset) == alone.objects_under(dataset), "{dataset}");
    }
    assert_eq!(lake.manifest("SPY", "2025-01-14")["revision"], 1, "the same bytes four times are one revision");
}

fn ingest_and_compaction_at_once_lose_nothing(lake: &Lake) {
    let inputs: Vec<String> =
        (0..4).map(|seed| lake.file(&format!("{seed}.jsonl"), generated(&settings(seed)).0)).collect();
    let mut together = Vec::new();
    for input in &inputs {
        together.push(lake.command(&["ingest", "greeks", "--json", input]).spawn().expect("the program starts"));
        together.push(lake.command(&["compact", "--json"]).spawn().expect("the program starts"));
    }
    for child in together {
        Ran::of(child).ends(0);
    }
    lake.compact(&[]);
    for date in ["2025-01-13", "2025-01-14", "2025-01-15", "2025-01-16"] {
        let manifest = lake.manifest("SPY", date);
        assert_eq!(manifest["captures"].as_array().map(Vec::len), Some(4), "{date}");
        assert_eq!(manifest["counts"]["rows_in"], 4 * 390 * 2 * 30, "{date}");
    }
    lake.is_sound();
}
