//! The record that the customer showed: read with its comment, and flagged for what it contradicts itself in.

use super::{audit, folder};

/// In the shape of the customer's sample, its values and its comment.
pub const SAMPLE: &str = r#"{
  "symbol": "NQ",
  "date": "2025-01-15",
  "session_type": "trend",
  "bias": "up",
  "value_area_high": 21485.50,
  "value_area_low": 21342.25,
  "poc": 21415.75,
  "initial_balance_high": 21398.00,
  "initial_balance_low": 21342.25,
  "session_high": 21523.75,
  "session_low": 21298.50,
  "single_prints": [
    [21478.00, 21485.50],
    [21298.50, 21315.25]
  ],
  "poor_high": false,
  "poor_low": true,
  "excess_high": true,
  "excess_low": false,
  "tpo_structure": {
    "A": [21375.00, 21342.25],
    "B": [21398.00, 21358.50],
    "C": [21425.25, 21385.75],
    // ... through M period
  },
  "volume": 892451,
  "cash_session_return": 0.0082
}
"#;

#[test]
fn the_sample_is_read_and_flagged() {
    let folder = folder(&[("NQ_2025-01-15.json", SAMPLE.as_bytes())]);
    let told = audit(folder.path());
    let codes = told.codes("NQ_2025-01-15.json", 0);
    for expected in ["comments", "trailing_comma", "periods_missing", "poor_with_single_prints"] {
        assert!(codes.contains(&expected.to_owned()), "{expected}: {codes:?}");
    }
    // A and B reach from 21342.25 to 21398, which is what it says; nothing that is read leniently is a fault.
    for unexpected in ["initial_balance_mismatch", "value_area_order", "off_tick_grid", "loose_json", "number_as_text"]
    {
        assert!(!codes.contains(&unexpected.to_owned()), "{unexpected}: {codes:?}");
    }
    let record = told.record("NQ_2025-01-15.json", 0);
    assert_eq!(record["verdict"], "recalculate");
    assert_eq!((&record["symbol"], &record["date"], &record["line"]), (&"NQ".into(), &"2025-01-15".into(), &1.into()));
    let evidence = |code: &str| {
        let findings = record["findings"].as_array().expect("a list");
        findings.iter().find(|finding| finding["code"] == code).expect("the finding")["evidence"].clone()
    };
    assert_eq!(evidence("periods_missing"), "10 of 13: D–M");
    assert_eq!(
        evidence("poor_with_single_prints"),
        "poor low, and single prints 21298.5 to 21315.25 at the low 21298.5"
    );
    assert_eq!(told.code, Some(1));
}
