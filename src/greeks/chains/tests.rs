//! Each format in small, with invented numbers; then what is refused, and what a document must say.

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;
use crate::ErrorKind;

const DESK: &str = r#"{"symbol":"SPY","updated":"2026-07-01T10:00:00.5-04:00","underlyingPrice":500.25,"greeks":{"enabled":true},
"quotes":[
 {"symbol":"SPY260731C00510000","expiration":"2026-07-31","side":"call","strike":510.0,"openInterest":1000.0,"iv":0.2,"gamma":0.0133},
 {"symbol":"SPY260731P00510000","expiration":"2026-07-31","side":"put","strike":510.0,"bid":1.5,"openInterest":null,"iv":0.00001,"gamma":0.0}
]}"#;

const YAHOO: &str = "contractSymbol,expiry,type,strike,lastPrice,bid,ask,volume,openInterest,impliedVolatility,inTheMoney,lastTradeDate,spot,session
QQQ260813C00570000,2026-08-13,C,570.0,1.0,0.9,1.1,,12,0.25,True,2026-08-06 17:16:32+00:00,702.5,2026-08-12
QQQ260813P00570000,2026-08-13,P,570.0,1.0,0.9,1.1,3.0,,0.5,False,2026-08-06 17:16:32+00:00,702.5,2026-08-12
";

const CBOE: &str = r#"
SOME FUND,Last: 450.5,Change:  3.85
"Date: January 4, 2024 at 4:31 PM EST",Bid: 450.4,Ask: 450.6,Size: 9*11,"Volume: 71,039,449"
Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest
Fri Jan 19 2024,SPY240119C00450000,1,0,1,1,1,0.13,0.5,0.02,11,450.00,SPY240119P00450000,1,0,1,1,0,0.14,-0.5,0.021,"1,222"
"#;

const PLAIN: &str = "Expiration,Strike,Right,Open Interest,IV,Root,Spot,Timestamp
20260717,7500,call,10,15%,SPX,7400,2026-07-13T14:00:00Z
20260717,7500,call,20,0.15,SPXW,7400,2026-07-13T14:00:00Z
";

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn date(text: &str) -> TradingDate {
    text.parse().unwrap()
}

fn at_and_spot() -> ChainContext {
    ChainContext { symbol: None, at: Some(instant("2026-07-01T14:00:00Z")), spot: Some(500.0) }
}

fn read(text: &str, context: &ChainContext) -> Result<Chain> {
    parse(text, detect(text).unwrap(), context, &Instruments::builtin())
}

fn told(text: &str, context: &ChainContext) -> String {
    let error = read(text, context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.detail().to_owned()
}

/// A plain chain of SPY with these lines under `expiration,strike,side,open_interest,iv,gamma,contract`.
fn plain(lines: &str) -> Chain {
    let text = format!("expiration,strike,side,open_interest,iv,gamma,contract,symbol\n{lines}");
    parse(&text, ChainFormat::PlainCsv, &at_and_spot(), &Instruments::builtin()).unwrap()
}

#[test]
fn tells_the_formats_apart() {
    let formats = [DESK, YAHOO, CBOE, PLAIN].map(detect);
    assert_eq!(
        formats,
        [ChainFormat::OptionsDesk, ChainFormat::YahooCsv, ChainFormat::CboeQuoteTable, ChainFormat::PlainCsv].map(Some)
    );
    assert_eq!(detect(&format!("\u{feff}{DESK}")), Some(ChainFormat::OptionsDesk));
    for other in [
        "",
        "hello",
        "{\"timestamp\":\"2025-01-15T14:32:00Z\",\"strikes\":[]}",
        "timestamp,open,high,low,close\n1,2,3,4,5",
        "\0\0",
    ] {
        assert_eq!(detect(other), None, "{other}");
    }
    for format in ChainFormat::ALL {
        assert_eq!(format.to_string().parse::<ChainFormat>().unwrap(), format);
    }
    assert!("xml".parse::<ChainFormat>().unwrap_err().detail().contains("cboe-quote-table"));
}

#[test]
fn options_desk() {
    let chain = read(DESK, &ChainContext::default()).unwrap();
    assert_eq!((chain.symbol.as_str(), chain.at, chain.spot), ("SPY", instant("2026-07-01T14:00:00.5Z"), 500.25));
    let call = Quote {
        place: 1,
        root: Some("SPY".into()),
        expiration: date("2026-07-31"),
        side: Side::Call,
        strike: 510.0,
        open_interest: Some(1000.0),
        implied_volatility: Some(0.2),
        gamma: Some(0.0133),
    };
    let put = Quote {
        place: 2,
        side: Side::Put,
        open_interest: None,
        implied_volatility: Some(1e-5),
        gamma: Some(0.0),
        ..call.clone()
    };
    assert_eq!(chain.quotes, [call, put]);
    assert!(chain.refused.is_empty());
}

#[test]
fn yahoo_csv() {
    let missing = told(YAHOO, &ChainContext::default());
    assert!(missing.contains("--at"), "{missing}");
    let at = Some(instant("2026-08-12T13:00:00Z"));
    let chain = read(YAHOO, &ChainContext { at, ..ChainContext::default() }).unwrap();
    assert_eq!((chain.symbol.as_str(), chain.spot, chain.quotes.len()), ("QQQ", 702.5, 2));
    let quote = &chain.quotes[1];
    assert_eq!((quote.place, quote.side, quote.open_interest), (3, Side::Put, None));
    assert_eq!((quote.implied_volatility, quote.gamma), (Some(0.5), None));
    assert_eq!(chain.quotes[0].open_interest, Some(12.0));
}

#[test]
fn cboe_quote_table() {
    let chain = read(CBOE, &ChainContext::default()).unwrap();
    // 4:31 PM EST is 21:31 UTC.
    assert_eq!((chain.symbol.as_str(), chain.at, chain.spot), ("SPY", instant("2024-01-04T21:31:00Z"), 450.5));
    let [call, put] = chain.quotes.as_slice() else { panic!("{:?}", chain.quotes) };
    assert_eq!(
        (call.side, call.open_interest, call.implied_volatility, call.gamma),
        (Side::Call, Some(11.0), Some(0.13), Some(0.02))
    );
    assert_eq!(
        (put.side, put.open_interest, put.implied_volatility, put.gamma),
        (Side::Put, Some(1222.0), Some(0.14), Some(0.021))
    );
    assert_eq!((call.expiration, call.strike, call.place), (date("2024-01-19"), 450.0, 5));

    // In July the same words with EDT are four hours west, and ET says the same.
    for zone in ["EDT", "ET"] {
        let july = CBOE.replace("January 4, 2024 at 4:31 PM EST", &format!("July 5, 2023 at 4:31 PM {zone}"));
        assert_eq!(read(&july, &ChainContext::default()).unwrap().at, instant("2023-07-05T20:31:00Z"));
    }
    let strange = CBOE.replace("EST", "XYZ");
    assert!(told(&strange, &ChainContext::default()).contains("--at"));
    assert_eq!(read(&strange, &at_and_spot()).unwrap().spot, 500.0);
}

#[test]
fn plain_csv_with_roots() {
    let chain = read(PLAIN, &ChainContext::default()).unwrap();
    assert_eq!((chain.symbol.as_str(), chain.at, chain.spot), ("SPX", instant("2026-07-13T14:00:00Z"), 7400.0));
    let roots: Vec<_> = chain.quotes.iter().map(|quote| quote.root.as_deref().unwrap()).collect();
    assert_eq!(roots, ["SPX", "SPXW"]);
    assert!(
        chain
            .quotes
            .iter()
            .all(|quote| quote.implied_volatility == Some(0.15) && quote.expiration == date("2026-07-17"))
    );
}

#[test]
fn plain_csv_needs_only_the_contract_name() {
    let text = "option_symbol,oi,gamma\nSPY260731P00505500,7,0.01\n";
    let chain = read(text, &at_and_spot()).unwrap();
    let [quote] = chain.quotes.as_slice() else { panic!() };
    assert_eq!((quote.expiration, quote.side, quote.strike), (date("2026-07-31"), Side::Put, 505.5));
}

#[test]
fn the_command_line_overrides_the_document() {
    let symbol = Some("QQQ".parse().unwrap());
    let context = ChainContext { symbol, ..at_and_spot() };
    let chain = read(PLAIN, &context).unwrap();
    assert_eq!((chain.symbol.as_str(), chain.at, chain.spot), ("QQQ", instant("2026-07-01T14:00:00Z"), 500.0));
    // What the rows say stays: they are options on something else.
    assert!(chain.quotes.is_empty());
    assert!(chain.refused.iter().all(|refused| refused.code == "foreign_root"));
}

#[test]
fn bad_rows_are_refused_with_place_field_and_code() {
    let chain = plain(
        "2026-07-31,510,call,5,0.2,,,SPY
,510,call,5,0.2,,,SPY
07/31/2026,510,call,5,0.2,,,SPY
2026-02-30,510,call,5,0.2,,,SPY
2026-07-31,,call,5,0.2,,,SPY
2026-07-31,-510,call,5,0.2,,,SPY
2026-07-31,inf,call,5,0.2,,,SPY
2026-07-31,511,,5,0.2,,,SPY
2026-07-31,512,straddle,5,0.2,,,SPY
2026-07-31,513,put,-5,0.2,,,SPY
2026-07-31,514,put,many,0.2,,,SPY
2026-07-31,515,put,0,high,,,SPY
2026-07-31,516,put,5,0.2,-0.01,,SPY
2026-07-31,517,put,5,0.2,,SPY26XX31P00517000,SPY
2026-07-31,518,put,5,0.2,,SPY260731C00518000,SPY
2026-07-31,519,put,5,0.2,,SPY260731P00519500,SPY
2026-07-31,520,put,5,0.2,,SPY1260731P00520000,SPY
2026-07-31,521,put,5,0.2,SPY
2026-07-31,510,call,5,0.2,,,SPY
2026-07-31,510,call,6,0.2,,,SPY
",
    );
    let codes: Vec<_> = chain.refused.iter().map(|refused| (refused.place, refused.field, refused.code)).collect();
    assert_eq!(
        codes,
        [
            (3, "expiration", "missing_expiration"),
            (4, "expiration", "bad_expiration"),
            (5, "expiration", "bad_expiration"),
            (6, "strike", "missing_strike"),
            (7, "strike", "bad_strike"),
            (8, "strike", "bad_strike"),
            (9, "side", "missing_side"),
            (10, "side", "bad_side"),
            (11, "open_interest", "bad_open_interest"),
            (12, "open_interest", "bad_open_interest"),
            (13, "iv", "bad_iv"),
            (14, "gamma", "bad_gamma"),
            (15, "contract", "bad_contract"),
            (16, "side", "contradiction"),
            (17, "strike", "contradiction"),
            (18, "contract", "foreign_root"),
            (19, "line", "wrong_width"),
            (20, "contract", "repeated"),
            (21, "contract", "repeated_differently"),
        ]
    );
    assert_eq!(chain.quotes.len(), 1);
    let at = |place: u64| chain.refused.iter().find(|refused| refused.place == place).unwrap();
    assert_eq!(at(12).text, "2026-07-31,514,put,many,0.2,,,SPY");
    assert!(at(12).reason.contains("many"));
    // A row whose strike is known and which holds, or may hold, positions leaves that strike unknown.
    assert_eq!(at(12).leaves_unknown, Some((date("2026-07-31"), 514.0)));
    assert_eq!(at(21).leaves_unknown, Some((date("2026-07-31"), 510.0)));
    for place in [3, 6, 13, 18, 20] {
        assert_eq!(at(place).leaves_unknown, None, "{place}");
    }
}

#[test]
fn bad_json_rows_do_not_spoil_the_others() {
    let text = DESK.replace(
        "\"quotes\":[",
        "\"quotes\":[17, {\"strike\":{}}, {\"symbol\":\"SPY260731C00509000\",\"openInterest\":true},",
    );
    let chain = read(&text, &ChainContext::default()).unwrap();
    assert_eq!(chain.quotes.len(), 2);
    let codes: Vec<_> = chain.refused.iter().map(|refused| (refused.place, refused.code)).collect();
    assert_eq!(codes, [(1, "not_a_quote"), (2, "missing_expiration"), (3, "bad_open_interest")]);
}

#[test]
fn what_a_document_must_say() {
    let nothing = ChainContext::default();
    for (wrong, right, wanted) in [
        ("\"updated\":\"2026-07-01T10:00:00.5-04:00\",", "", "--at"),
        ("10:00:00.5-04:00", "10:00:00.5", "--at"),
        ("\"underlyingPrice\":500.25,", "", "--spot"),
        ("500.25", "0", "--spot"),
        ("\"symbol\":\"SPY\",", "\"symbol\":\"NOSUCH\",", "_config/instruments.toml"),
        ("\"iv\":0.2", "\"iv\":20.0", "percent"),
    ] {
        let text = DESK.replacen(wrong, right, 1);
        assert_ne!(text, DESK);
        let detail = told(&text, &nothing);
        assert!(detail.contains(wanted), "{detail}");
    }
    assert!(told(&DESK[..DESK.len() - 3], &nothing).contains("JSON"));
    assert!(told("{\"symbol\":\"SPY\",\"quotes\":[]}", &nothing).contains("no options"));
    // What cannot be read does not matter when the command line says it.
    let unreadable = DESK.replace("10:00:00.5-04:00", "10:00").replace("500.25", "0");
    assert_eq!(read(&unreadable, &at_and_spot()).unwrap().spot, 500.0);
    assert!(told(DESK, &ChainContext { spot: Some(f64::NAN), ..nothing.clone() }).contains("--spot"));

    let two_instants = PLAIN.replacen("14:00:00Z", "14:01:00Z", 1);
    assert!(told(&two_instants, &nothing).contains("split it by time"));
    let two_spots = PLAIN.replacen("7400", "7401", 1);
    assert!(told(&two_spots, &nothing).contains("--spot"));
    let two_symbols = "contract,oi,iv,symbol\nSPY260731P00505500,7,0.2,SPY\nQQQ260731P00505500,7,0.2,QQQ\n";
    assert!(told(two_symbols, &at_and_spot()).contains("split it by symbol"));
    let nameless = "expiration,strike,side,oi,iv\n2026-07-31,510,call,5,0.2\n";
    assert!(told(nameless, &at_and_spot()).contains("--symbol"));
    let twice = "expiration,expiry,strike,side,oi,iv\n2026-07-31,2026-07-31,510,call,5,0.2\n";
    assert!(told(twice, &at_and_spot()).contains("mean the same"));
    for (format, text) in [
        (ChainFormat::PlainCsv, "expiration,strike,oi,iv\n2026-07-31,510,5,0.2\n"),
        (ChainFormat::PlainCsv, "expiration,strike,side,oi\n2026-07-31,510,call,5\n"),
        (ChainFormat::CboeQuoteTable, YAHOO),
        (ChainFormat::OptionsDesk, YAHOO),
        (ChainFormat::YahooCsv, ""),
    ] {
        let error = parse(text, format, &at_and_spot(), &Instruments::builtin()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
    }
}

#[test]
fn aliases_are_the_same_underlying() {
    let chain = read(&PLAIN.replace("Root", "Symbol"), &ChainContext::default());
    // The two rows are now indistinguishable (an underlying's name is not a root), so the second contradicts the first.
    let chain = chain.unwrap();
    assert_eq!((chain.symbol.as_str(), chain.quotes.len(), chain.refused[0].code), ("SPX", 1, "repeated_differently"));
}

proptest! {
    /// No input makes a reader panic, and every row of a table is a quote or a refusal.
    #[test]
    fn nothing_panics(noise in "[ -~\n]{0,200}", cut in 0_usize..900, which in 0_usize..4) {
        let text = [DESK, YAHOO, CBOE, PLAIN][which];
        let cut = cut.min(text.len());
        let mixed = format!("{}{noise}{}", &text[..cut], &text[cut..]);
        for format in ChainFormat::ALL {
            let _ = parse(&mixed, format, &at_and_spot(), &Instruments::builtin());
        }
        let lines: String = (500..540).map(|strike| format!("2026-07-31,{strike},call,{noise:?},0.2,,,\n")).collect();
        let lines = lines.replace(['"', '\\'], "").replace('\n', "\r\n");
        if !noise.contains([',', '\n', '\r', '\\', '"']) {
            let text = format!("expiration,strike,side,open_interest,iv,gamma,contract,symbol\n{lines}");
            let symbol = Some("SPY".parse().unwrap());
            let chain = parse(&text, ChainFormat::PlainCsv, &ChainContext { symbol, ..at_and_spot() }, &Instruments::builtin()).unwrap();
            prop_assert_eq!(chain.quotes.len() + chain.refused.len(), 40);
        }
    }
}
