//! Libraries that must agree with each other: the arrow that partitions are written with is the one that DuckDB hands out.

use arrow::array::RecordBatch;

/// Compiles only while both are one type.
#[test]
fn arrow_is_the_one_that_duckdb_hands_out() {
    let ours: fn(duckdb::arrow::array::RecordBatch) -> RecordBatch = |batch| batch;
    let empty = RecordBatch::new_empty(arrow::datatypes::Schema::empty().into());
    assert_eq!(ours(empty).num_rows(), 0);
}

#[test]
fn each_is_there_in_one_version() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).expect("Cargo.lock");
    for name in ["arrow", "arrow-array", "arrow-schema", "parquet", "object_store", "duckdb", "libduckdb-sys", "axum"] {
        let versions: Vec<&str> = lock
            .split("[[package]]")
            .filter(|package| package.contains(&format!("\nname = \"{name}\"\n")))
            .filter_map(|package| package.lines().find_map(|line| line.strip_prefix("version = ")))
            .collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}
