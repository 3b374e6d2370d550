//! Records through their columns, and through a file, and back.

use super::*;
use crate::lake::manifest::tests::content;
use crate::lake::partition;
use crate::profile::sample::{computed, legacy};
use crate::profile::schema::{CURRENT, HISTORY};

#[test]
fn records_come_back_from_their_columns_and_from_their_file() {
    let mut overnight = computed("2025-01-16", 3);
    overnight.session = crate::market::SessionKind::Overnight;
    overnight.tail_low = Some([21_370.0, 21_370.5]);
    overnight.tpo_structure = Periods::default();
    let said = vec![computed("2025-01-15", 1), overnight, legacy("2025-01-17", 'b')];
    let symbol: Symbol = "NQ".parse().unwrap();
    let batch = batch(&said).unwrap();
    assert_eq!(records(&batch, &symbol).unwrap(), said);
    for dataset in [&CURRENT, &HISTORY] {
        let file = partition::encode(dataset, std::slice::from_ref(&batch), &content()).unwrap();
        let read = partition::read(file.into(), 100, "a test file").unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].schema().fields(), schema().fields(), "the file says its own schema");
        assert_eq!(records(&read[0], &symbol).unwrap(), said);
    }
}

#[test]
fn a_file_without_one_of_the_columns_is_damage() {
    let whole = batch(&[computed("2025-01-15", 1)]).unwrap();
    let columns: Vec<usize> = (0..whole.num_columns() - 1).collect();
    let without = whole.project(&columns).unwrap();
    let error = records(&without, &"NQ".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
    assert!(error.detail().contains("settings"), "{}", error.detail());
}

#[test]
fn what_is_no_number_is_never_stored() {
    let mut record = computed("2025-01-15", 1);
    record.tpo_structure.0[0].high = f64::NAN;
    assert_eq!(batch(&[record]).unwrap_err().kind(), crate::ErrorKind::Internal);
    let mut record = computed("2025-01-15", 1);
    record.at = Some("2025-01-15T15:00:00Z".parse().unwrap());
    assert!(batch(&[record]).is_err(), "a developing one");
    let mut record = computed("2025-01-15", 1);
    record.range_extension_down = Some(-0.0);
    let read = records(&batch(&[record]).unwrap(), &"NQ".parse().unwrap()).unwrap();
    assert_eq!(read[0].range_extension_down.map(f64::to_bits), Some(0));
}
