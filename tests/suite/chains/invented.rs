//! One invented chain in each of the four formats: the same options, so the same exposures, worked by hand.

use serde_json::{Value, json};

use super::Served;
use crate::pitlake_binary::{Lake, on_every_store};

on_every_store!(
    one_chain_in_every_format_gives_the_same_exposures,
    gamma_as_sent_by_hand,
    a_chain_that_says_too_little_is_told_what_is_missing,
    rows_that_cannot_be_used_are_refused_and_kept,
    dead_open_interest_is_told,
    the_formula_is_in_the_manifest_and_in_the_answer,
);

// SPY at 500 on Wednesday 2025-01-15, 10:00 in New York; options of the Friday after: two days and six hours.
const DESK: &str = r#"{"symbol":"SPY","updated":"2025-01-15T10:00:00-05:00","underlyingPrice":500,"quotes":[
 {"symbol":"SPY250117C00500000","expiration":"2025-01-17","side":"call","strike":500.0,"openInterest":1000,"iv":0.2,"gamma":0},
 {"symbol":"SPY250117P00500000","expiration":"2025-01-17","side":"put","strike":500.0,"openInterest":400,"iv":0.25,"gamma":0},
 {"symbol":"SPY250117C00510000","expiration":"2025-01-17","side":"call","strike":510.0,"openInterest":0,"iv":0.2,"gamma":0}
]}"#;
const YAHOO: &str = "\
contractSymbol,expiry,type,strike,lastPrice,bid,ask,volume,openInterest,impliedVolatility,inTheMoney,lastTradeDate,spot,session
SPY250117P00500000,2025-01-17,P,500.0,1,1,1,1,400,0.25,False,2025-01-14 20:00:00+00:00,499.0,2025-01-15
SPY250117C00510000,2025-01-17,C,510.0,1,1,1,1,0,0.2,False,2025-01-14 20:00:00+00:00,499.0,2025-01-15
SPY250117C00500000,2025-01-17,C,500.0,1,1,1,1,1000,0.2,True,2025-01-14 20:00:00+00:00,499.0,2025-01-15
";
const CBOE: &str = "
SPDR S&P 500 ETF Trust,Last: 500.00,Change:  1.00
\"Date: January 15, 2025 at 10:00 AM EST\",Bid: 499.99,Ask: 500.01,Size: 9*11,\"Volume: 71,039,449\"
Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest
Fri Jan 17 2025,SPY250117C00500000,1,0,1,1,1,0.2,0.5,0,\"1,000\",500.00,SPY250117P00500000,1,0,1,1,0,0.25,-0.5,0,400
Fri Jan 17 2025,SPY250117C00510000,1,0,1,1,1,0.2,0.5,0,0,510.00,SPY250117P00510000,1,0,1,1,0,0.25,-0.5,0,0
";
const PLAIN: &str = "\
strike,side,expiration,iv,open_interest
500,call,2025-01-17,0.2,1000
510,call,2025-01-17,0.2,0
500,put,2025-01-17,0.25,400
";

/// Γ of one share's option by Black, Scholes and Merton: e^(-qT) φ(d1) / (S σ √T).
fn gamma(spot: f64, strike: f64, volatility: f64, years: f64) -> f64 {
    let (rate, dividend) = (0.04, 0.012);
    let width = volatility * years.sqrt();
    let d1 = ((spot / strike).ln() + (rate - dividend + volatility * volatility / 2.0) * years) / width;
    (-dividend * years).exp() * (-d1 * d1 / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() / (spot * width)
}

fn one_chain_in_every_format_gives_the_same_exposures(lake: &Lake) {
    let said: [(&str, &str, &[&str]); 4] = [
        ("desk.json", DESK, &[]),
        ("yahoo.csv", YAHOO, &["--at", "2025-01-15T10:00:00-05:00", "--spot", "500"]),
        ("cboe.csv", CBOE, &[]),
        ("plain.csv", PLAIN, &["--at", "2025-01-15T15:00:00Z", "--spot", "500", "--symbol", "SPY"]),
    ];
    let years = (2.0 * 24.0 + 6.0) / 24.0 / 365.0;
    // Dealers are long the calls and short the puts: contracts × 100 shares × spot² × 1 %.
    let dollars =
        |contracts: f64, volatility| contracts * 100.0 * 500.0 * 500.0 * 0.01 * gamma(500.0, 500.0, volatility, years);
    let expected = dollars(1000.0, 0.2) - dollars(400.0, 0.25);
    let mut all = Vec::new();
    for (name, text, more) in said {
        let lake = lake.another();
        let file = lake.file(name, text);
        let counts = lake.run(&[&["ingest", "chains", "--json", &file], more].concat()).ends(0).json();
        assert_eq!(
            (&counts["captures"], &counts["rows"], &counts["refused"]),
            (&json!(1), &json!(2), &json!(0)),
            "{name}"
        );
        let again = lake.run(&[&["ingest", "chains", "--json", &file], more].concat()).ends(0).json();
        assert_eq!((&again["captures"], &again["duplicates"]), (&json!(0), &json!(2)), "{name}");
        lake.compact(&[]);
        lake.is_sound();
        let rows = lake.strikes("SPY", "2025-01-15");
        let found = rows[0].greeks[0].expect("gamma");
        assert!((found as f64 - expected).abs() <= 0.5 + 1e-6, "{name}: {found} for {expected}");
        assert_eq!((rows[1].strike, rows[1].greeks), (510.0, [Some(0), Some(0), Some(0)]), "{name}: nothing is open");
        let minutes = lake.minutes("SPY", "2025-01-15");
        assert_eq!((minutes.len(), minutes[0].spot, minutes[0].strikes), (1, Some(500.0), 2), "{name}");
        all.push(rows);
    }
    assert!(all.iter().all(|rows| *rows == all[0]), "{all:?}");
}

fn gamma_as_sent_by_hand(lake: &Lake) {
    let text = DESK
        .replace(r#""iv":0.2,"gamma":0"#, r#""iv":null,"gamma":0.01"#)
        .replace(r#""iv":0.25,"gamma":0"#, r#""iv":0,"gamma":0.02"#);
    let file = lake.file("desk.json", text);
    lake.run(&["ingest", "chains", &file]).ends(0);
    lake.compact(&[]);
    let rows: Vec<_> = lake.strikes("SPY", "2025-01-15").iter().map(|row| row.greeks).collect();
    // (1000 × 0.01 − 400 × 0.02) × 100 × 500² × 0.01 = 500,000. Without a volatility vanna and charm are unknown, not 0.
    assert_eq!(rows, [[Some(500_000), None, None], [Some(0), Some(0), Some(0)]]);

    let both = lake.another();
    both.run(&["ingest", "chains", "--dealers", "short-both", &file]).ends(0);
    both.compact(&[]);
    // −(1000 × 0.01 + 400 × 0.02) × 100 × 500² × 0.01 = −4,500,000.
    assert_eq!(both.strikes("SPY", "2025-01-15")[0].greeks[0], Some(-4_500_000));
}

fn a_chain_that_says_too_little_is_told_what_is_missing(lake: &Lake) {
    let all = ["--at", "2025-01-15T15:00:00Z", "--spot", "500", "--symbol", "SPY"];
    let file = lake.file("plain.csv", PLAIN);
    for (missing, name) in [(0, "--at"), (2, "--spot"), (4, "--symbol")] {
        let mut said = all.to_vec();
        said.drain(missing..missing + 2);
        let ran = lake.run(&[&["ingest", "chains", "--json", &file], said.as_slice()].concat()).ends(1);
        assert!(ran.stderr.contains(name) && ran.stderr.contains("plain.csv"), "{name}: {}", ran.stderr);
    }
    let greeks = lake.file("greeks.json", r#"{"timestamp":"2025-01-15T14:32:00Z","strikes":[]}"#);
    let ran = lake.run(&["ingest", "chains", &greeks]).ends(1);
    assert!(ran.stderr.contains("options-desk") && ran.stderr.contains("--format"), "{}", ran.stderr);
    assert!(lake.objects().is_empty());
}

fn rows_that_cannot_be_used_are_refused_and_kept(lake: &Lake) {
    let bad = r#",
 {"symbol":"SPY250117C00520000","expiration":"2025-01-17","side":"call","openInterest":10,"iv":0.2},
 {"symbol":"SPY250117C00530000","expiration":"2025-01-17","side":"call","strike":530,"openInterest":-1,"iv":0.2},
 {"symbol":"SPY250114C00500000","expiration":"2025-01-14","side":"call","strike":500,"openInterest":10,"iv":0.2}
]}"#;
    let text = DESK.replace("\n]}", bad);
    let counts = lake.run(&["ingest", "chains", "--json", &lake.file("desk.json", text)]).ends(0).json();
    assert!(counts["refused"].as_u64() >= Some(2), "{counts}");
    lake.compact(&[]);
    lake.is_sound();
    let manifest = lake.manifest("SPY", "2025-01-15");
    assert_eq!(manifest["counts"]["refused"], counts["refused"], "counted once");
    let kept = lake.objects_under("raw/_rejected/chains/");
    let lines = zstd::decode_all(kept.values().next().expect("kept").as_ref()).expect("zstd");
    let lines = String::from_utf8(lines).expect("UTF-8");
    assert_eq!(Some(lines.lines().count() as u64), counts["refused"].as_u64());
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let place = line["place"].as_str().expect("a place");
        assert!(
            place.starts_with("record ") && line["reason"].as_str().is_some_and(|reason| reason.len() > 5),
            "{line}"
        );
    }
}

fn dead_open_interest_is_told(lake: &Lake) {
    let dead = DESK
        .replace(r#""openInterest":1000"#, r#""openInterest":0"#)
        .replace(r#""openInterest":400"#, r#""openInterest":0"#);
    lake.run(&["ingest", "chains", &lake.file("dead.json", dead)]).ends(0);
    lake.run(&["ingest", "chains", &lake.file("alive.json", DESK.replace("2025-01-15T", "2025-01-16T"))]).ends(0);
    lake.compact(&[]);
    let codes = |date: &str| -> Vec<String> {
        let manifest = lake.manifest("SPY", date);
        let reasons = manifest["reasons"].as_array().expect("a list");
        reasons.iter().map(|reason| reason["code"].as_str().expect("a code").to_owned()).collect()
    };
    let near_zero = "open_interest_near_zero".to_owned();
    assert!(codes("2025-01-15").contains(&near_zero));
    assert!(!codes("2025-01-16").contains(&near_zero));
}

fn the_formula_is_in_the_manifest_and_in_the_answer(lake: &Lake) {
    lake.run(&["ingest", "chains", &lake.file("desk.json", DESK)]).ends(0);
    let later = DESK.replace("T10:00", "T10:30").replace(r#""iv":0.2,"gamma":0"#, r#""iv":0.2,"gamma":0.05"#);
    lake.run(&["ingest", "chains", &lake.file("later.json", later)]).ends(0);
    lake.compact(&[]);
    let formula = lake.manifest("SPY", "2025-01-15")["details"]["formula"].clone();
    let expected = json!({
        "name": "pitlake-bsm", "version": 1, "dealers": "long-calls-short-puts", "greeks": "as-sent",
        "rate": 0.04, "dividend_yield": 0.012, "option_multiplier": 100.0,
        "chains": 2, "outside_session": 0, "quotes": 6, "quotes_used": 6, "zero_open_interest": 2,
        "gamma_as_sent": 1, "gamma_from_model": 3, "vanna_charm_unknown": 0, "refused": 0,
        "strikes": 4, "strikes_unknown": 0, "open_interest_total": 2800.0, "contracts_with_open_interest": 4,
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(formula[0][name], *value, "{name} in {formula}");
    }
    // The one gamma that was sent and used: 0.05 at 10:30, two days and five and a half hours before the expiry.
    let ratio = gamma(500.0, 500.0, 0.2, (2.0 * 24.0 + 5.5) / 24.0 / 365.0) / 0.05;
    let told = formula[0]["median_model_to_source_gamma"].as_f64().expect("a ratio");
    assert!((told - ratio).abs() < 1e-9, "{told} for {ratio}");

    let served = Served::start(lake);
    for path in
        ["/api/v1/greeks/SPY/2025-01-15", "/api/v1/greeks/SPY/2025-01-15/aggregate", "/api/v1/greeks/SPY/latest"]
    {
        assert_eq!(served.json(path)["formula"], formula, "{path}");
    }
}
