//! What a query string may say and how its faults are named.

use super::*;

const ALLOWED: [&str; 6] = ["strike", "strike_min", "start_time", "greeks", "first", "since"];

fn parse(query: &str) -> Result<Params, Problem> {
    Params::parse(Some(query), &ALLOWED)
}

#[test]
fn reads_names_and_values() {
    let params = parse("strike=580&&start_time=14%3A32&greeks=gamma,charm&").unwrap();
    assert_eq!(params.get("strike"), Some("580"));
    assert_eq!(params.f64("strike").unwrap(), Some(580.0));
    assert_eq!(params.time("start_time").unwrap(), NaiveTime::from_hms_opt(14, 32, 0));
    assert_eq!(params.list("greeks").unwrap(), Some(vec!["gamma", "charm"]));
    assert_eq!(params.get("since"), None);
    assert!(!params.flag("first").unwrap());
    assert_eq!(Params::parse(None, &ALLOWED).unwrap().get("strike"), None);
}

#[test]
fn unknown_parameters_are_all_named_with_a_hint() {
    let problem = parse("strik=580&colour=red&strike=1&colour=blue").unwrap_err();
    assert_eq!(problem.kind(), ProblemType::UnknownParameter);
    assert_eq!(problem.blamed_parameter(), Some("strik"));
    assert_eq!(problem.member("unknown"), Some(&serde_json::json!(["strik", "colour"])));
    assert_eq!(problem.member("allowed"), Some(&serde_json::json!(ALLOWED)));
    assert!(problem.detail().contains("did you mean 'strike' for 'strik'?"), "{}", problem.detail());
    assert!(!problem.detail().contains("for 'colour'"), "{}", problem.detail());
    let hyphen = parse("start-time=09:30").unwrap_err();
    assert!(hyphen.detail().contains("did you mean 'start_time'"), "{}", hyphen.detail());
}

#[test]
fn a_repeated_parameter_is_refused_even_with_one_value() {
    let problem = parse("strike=580&strike=580").unwrap_err();
    assert_eq!(problem.kind(), ProblemType::RepeatedParameter);
    assert_eq!(problem.blamed_parameter(), Some("strike"));
    // Two spellings of one name are one parameter.
    assert_eq!(parse("strike=1&str%69ke=2").unwrap_err().kind(), ProblemType::RepeatedParameter);
}

#[test]
fn bad_encodings_are_named() {
    for (query, blamed) in [
        ("strike=%zz", "strike"),
        ("strike=5%", "strike"),
        ("strike=5%2", "strike"),
        ("strike=%ff", "strike"),
        ("str%ffke=1", "str%ffke"),
    ] {
        let problem = parse(query).unwrap_err();
        assert_eq!(problem.kind(), ProblemType::InvalidParameter, "{query}");
        assert_eq!(problem.blamed_parameter(), Some(blamed), "{query}");
    }
    assert_eq!(parse("strike=%35+%2B").unwrap().get("strike"), Some("5 +"));
    assert_eq!(parse("strike=%C3%A9+1").unwrap().get("strike"), Some("é 1"));
}

#[test]
fn numbers_are_finite() {
    for value in ["abc", "", "NaN", "inf", "-inf", "infinity", "1e999", "0x10", "5,5", "1 "] {
        let problem = parse(&format!("strike={value}")).unwrap().f64("strike").unwrap_err();
        assert_eq!(problem.blamed_parameter(), Some("strike"), "{value}");
        assert!(problem.detail().contains("580"), "{}", problem.detail());
    }
    assert_eq!(parse("strike=-587.5").unwrap().f64("strike").unwrap(), Some(-587.5));
    assert!(parse("strike=abc").unwrap().f64("strike").unwrap_err().detail().contains("strike=abc"));
}

#[test]
fn long_values_are_quoted_shortly() {
    let problem = parse(&format!("strike={}", "9x".repeat(5000))).unwrap().f64("strike").unwrap_err();
    assert!(problem.detail().len() < 200, "{}", problem.detail());
}

#[test]
fn times_have_two_digits() {
    let time = |text: &str| parse(&format!("start_time={text}")).unwrap().time("start_time");
    assert_eq!(time("09:30").unwrap(), NaiveTime::from_hms_opt(9, 30, 0));
    assert_eq!(time("23:59:59").unwrap(), NaiveTime::from_hms_opt(23, 59, 59));
    for text in ["9:30", "24:00", "12:60", "0930", "09:30:", "09:30:5", "09.30", "+9:30", "", "09:30Z", "é9:3"] {
        assert!(time(text).is_err(), "{text}");
    }
}

#[test]
fn instants_have_a_zone() {
    let instant = |text: &str| parse(&format!("since={text}")).unwrap().instant("since");
    let expected = DateTime::from_timestamp(1_736_951_520, 0);
    assert_eq!(instant("2025-01-15T14:32:00Z").unwrap(), expected);
    assert_eq!(instant("2025-01-15T09:32:00-05:00").unwrap(), expected);
    assert_eq!(instant("2025-01-15T15:32:00%2B01:00").unwrap(), expected);
    assert!(instant("2025-01-15T15:32:00+01:00").unwrap_err().detail().contains("%2B"));
    assert!(instant("2025-01-15T14:32:00").is_err());
}

#[test]
fn choices_are_exact_and_listed() {
    let greeks = [("gamma", 'g'), ("vanna", 'v'), ("charm", 'c')];
    assert_eq!(parse("greeks=vanna").unwrap().one_of("greeks", &greeks).unwrap(), Some('v'));
    assert_eq!(parse("greeks=charm,gamma").unwrap().list_of("greeks", &greeks).unwrap(), Some(vec!['c', 'g']));
    let problem = parse("greeks=gama").unwrap().one_of("greeks", &greeks).unwrap_err();
    assert_eq!(problem.member("allowed"), Some(&serde_json::json!(["gamma", "vanna", "charm"])));
    assert!(problem.detail().contains("did you mean gamma?"), "{}", problem.detail());
    for bad in ["", "gamma,", ",", "gamma,gamma", "Gamma", "gamma,delta"] {
        assert!(parse(&format!("greeks={bad}")).unwrap().list_of("greeks", &greeks).is_err(), "{bad}");
    }
}

#[test]
fn flags_and_dates() {
    assert!(parse("first=true").unwrap().flag("first").unwrap());
    for bad in ["first", "first=1", "first=TRUE"] {
        assert!(parse(bad).unwrap().flag("first").is_err(), "{bad}");
    }
    let date = parse("since=2025-01-15").unwrap().date("since").unwrap().unwrap();
    assert_eq!(date.to_string(), "2025-01-15");
    assert!(parse("since=2025-02-30").unwrap().date("since").is_err());
    let missing = parse("").unwrap().required("since", "an instant").unwrap_err();
    assert_eq!((missing.kind(), missing.blamed_parameter()), (ProblemType::MissingParameter, Some("since")));
}

#[test]
fn the_canonical_form_tells_questions_apart() {
    let canonical = |query: &str| parse(query).unwrap().canonical();
    assert_eq!(canonical("strike=580&greeks=gamma"), canonical("greeks=gamma&str%69ke=580"));
    assert_ne!(canonical("strike=580"), canonical("strike=58"));
    // A value cannot pretend to be another parameter.
    assert_ne!(canonical("greeks=a;strike%3D1:b"), canonical("greeks=a&strike=b"));
}

/// Distances worked by hand.
#[test]
fn edit_distance() {
    assert_eq!(edits("", "abc"), 3);
    assert_eq!(edits("kitten", "sitting"), 3);
    assert_eq!(edits("strike", "strike"), 0);
    assert_eq!(edits("strik", "strike"), 1);
}
