//! Entity tags: one per content, format, encoding and question, and 304 for who has it already.

use std::collections::BTreeMap;

use super::table::FORMATS;
use crate::lake::{DAY, World, over_every_lake};
use crate::pitlake_binary::nested;
use crate::server::Server;

over_every_lake!(
    who_has_the_answer_is_told_so,
    tags_differ_where_answers_do,
    servers_of_one_lake_agree_on_tags,
    a_correction_is_another_revision_with_another_tag,
);

fn who_has_the_answer_is_told_so(world: &World) {
    for path in ["?strike=585", "", "?format=parquet", "/aggregate?by=strike", "?format=csv&at=14:32"] {
        let path = format!("/api/v1/greeks/SPY/{DAY}{path}");
        let first = world.server.get(&path).ok();
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{path}: a strong tag, not {tag}");
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let reply = world.server.get_with(&path, &[("if-none-match", &known)]);
            assert_eq!((reply.status, reply.body.len()), (304, 0), "{path} {known}");
            assert_eq!(reply.header("etag"), tag, "{path}");
            assert_eq!(reply.header("vary"), first.header("vary"), "{path}");
        }
        let other = world.server.get_with(&path, &[("if-none-match", "\"other\"")]).ok();
        assert!(other.body == first.body, "{path}");
        for name in ["accept", "accept-encoding"] {
            let vary = first.header("vary").to_ascii_lowercase();
            assert!(vary.split(", ").any(|varies| varies == name), "{path}: {name} is not in {vary}");
        }
    }
}

fn tags_differ_where_answers_do(world: &World) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut take = |path: String, headers: &[(&str, &str)]| {
        let reply = world.server.get_with(&path, headers).ok();
        let asked = format!("{path} {headers:?}");
        if let Some(same) = seen.insert(reply.header("etag").to_owned(), asked.clone()) {
            panic!("{asked} and {same} have one tag");
        }
    };
    for (format, _) in FORMATS {
        take(format!("/api/v1/greeks/SPY/{DAY}?strike=585&format={format}"), &[]);
    }
    for encoding in ["gzip", "zstd"] {
        take(format!("/api/v1/greeks/SPY/{DAY}?strike=585&format=json"), &[("accept-encoding", encoding)]);
    }
    for query in [
        "",
        "?strike=586",
        "?strike_min=585",
        "?strike_max=585",
        "?at=14:32",
        "?start_time=14:32",
        "?end_time=14:32",
        "?expiration=2025-01-17",
        "?greeks=gamma",
        "?greeks=gamma,vanna",
    ] {
        take(format!("/api/v1/greeks/SPY/{DAY}{query}"), &[]);
        let and = if query.is_empty() { "?" } else { "&" };
        for by in ["minute", "expiration", "strike"] {
            take(format!("/api/v1/greeks/SPY/{DAY}/aggregate{query}{and}by={by}"), &[]);
        }
    }
    take("/api/v1/greeks/SPY/latest".to_owned(), &[]);
    take("/api/v1/greeks/SPY/2024-11-29".to_owned(), &[]);
    take(format!("/api/v1/greeks/QQQ/{DAY}"), &[]);
}

fn servers_of_one_lake_agree_on_tags(world: &World) {
    let another = Server::over(&world.lake);
    for path in [format!("/api/v1/greeks/SPY/{DAY}?strike=585"), format!("/api/v1/greeks/SPY/{DAY}/aggregate")] {
        let (one, two) = (world.server.get(&path).ok(), another.get(&path).ok());
        assert_eq!(one.header("etag"), two.header("etag"), "{path}");
        assert!(one.body == two.body, "{path}");
    }
}

fn a_correction_is_another_revision_with_another_tag(world: &World) {
    let path = "/api/v1/greeks/SPY/2025-01-16";
    let minute = |seconds: &str, gamma: i64| {
        nested(&format!("2025-01-16T14:32:{seconds}-05:00"), "2025-01-17", Some(590.0), &[(590.0, gamma, 2, 3)])
    };
    let publish = |line: String| {
        world.lake.ingest_lines(&[line]);
        world.lake.compact(&["--symbol", "SPY", "--date", "2025-01-16"]);
        Server::over(&world.lake)
    };
    let first = publish(minute("00", 100)).get(path).ok();
    assert_eq!((first.header("pitlake-revision"), first.json()["revision"].clone()), ("1", 1.into()));
    let server = publish(minute("30", 150));
    let second = server.get_with(path, &[("if-none-match", first.header("etag"))]).ok();
    assert_eq!((second.header("pitlake-revision"), second.json()["revision"].clone()), ("2", 2.into()));
    assert_ne!(first.header("etag"), second.header("etag"));
    let gamma = |reply: crate::server::Reply| reply.data()[0]["gamma_exposure"].clone();
    assert_eq!((gamma(first), gamma(second)), (100.into(), 150.into()), "the latest source time of a minute wins");
}
