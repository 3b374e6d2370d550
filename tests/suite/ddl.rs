//! `pitlake ddl`: DuckDB's statements are run over a real lake; of the other engines' the parts that decide whether a number is read
//! right are held against text written by hand (`scripts/check-ddl` runs them where it can).

use crate::lake::{filled, objects_in_folder, said};
use crate::pitlake_binary::{Lake, Ran, pitlake};

const ENGINES: [&str; 5] = ["duckdb", "athena", "spark", "trino", "clickhouse"];
const DATASETS: [&str; 6] = ["greeks", "greeks_by_minute", "greeks_by_day", "bars", "profiles", "profiles_history"];

/// The statements for a lake that nobody could reach from here.
fn of_bucket(engine: &str, more: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = pitlake();
    command.args(["--lake", "s3://prices/some/lake/", "ddl", "--engine", engine]).args(more).current_dir(folder.path());
    Ran::of(command.spawn().expect("the program starts"))
}

#[track_caller]
fn has(text: &str, part: &str) {
    assert!(text.contains(part), "{part}\nis not in\n{text}");
}

#[test]
fn duckdb_reads_the_lake_by_its_statements() {
    let lake = filled(Lake::in_folder(), objects_in_folder());
    let duckdb = duckdb::Connection::open_in_memory().expect("DuckDB");
    // Of a dataset that the lake has nothing of DuckDB makes no view.
    for dataset in &DATASETS[..3] {
        let statements = lake.run(&["ddl", "--engine", "duckdb", "--dataset", dataset]).ends(0).stdout;
        duckdb.execute_batch(&statements).expect("statements that run");
    }
    let one = |sql: &str| -> i64 { duckdb.query_row(sql, [], |row| row.get(0)).expect(sql) };
    let day = "symbol = 'SPY' AND date = DATE '2025-01-15'";
    let gamma = || said("SPY", "2025-01-15").into_iter().filter_map(|row| row.greeks[0]);
    assert_eq!(one(&format!("SELECT count(*) FROM greeks WHERE {day}")), gamma().count() as i64);
    let total = gamma().sum::<i64>();
    for dataset in ["greeks", "greeks_by_minute"] {
        assert_eq!(one(&format!("SELECT sum(gamma_exposure)::BIGINT FROM {dataset} WHERE {day}")), total, "{dataset}");
    }
    assert_eq!(one("SELECT count(*) FROM greeks_by_day"), 8 + 3, "eight days of SPY, one each of QQQ, SPX and IWM");
    assert_eq!(one("SELECT count(*) FROM greeks_by_day WHERE symbol = 'SPY' AND year = 2024"), 6);
    assert_eq!(one("SELECT count(DISTINCT symbol) FROM greeks"), 4);
    let kinds: String = duckdb
        .query_row("SELECT string_agg(DISTINCT typeof(symbol) || ' ' || typeof(date) || ' ' || typeof(timestamp), ',') FROM greeks", [], |row| row.get(0))
        .expect("types");
    assert_eq!(kinds, "VARCHAR DATE TIMESTAMP WITH TIME ZONE");
}

#[test]
fn every_engine_gets_every_dataset_and_column() {
    for engine in ENGINES {
        let text = of_bucket(engine, &[]).ends(0).stdout;
        assert_eq!(
            text.matches("CREATE ").count()
                - text.matches("CREATE PERSISTENT SECRET").count()
                - text.matches("CREATE SCHEMA").count(),
            DATASETS.len(),
            "{engine}"
        );
        for dataset in DATASETS {
            has(&text, dataset);
            let only = of_bucket(engine, &["--dataset", dataset]).ends(0).stdout;
            let others = DATASETS.iter().filter(|other| **other != dataset);
            assert!(others.map(|other| format!("/{other}/")).all(|other| !only.contains(&other)), "{engine}: {only}");
        }
        if engine != "duckdb" {
            for dataset in pitlake::server::DATASETS.iter() {
                for field in (dataset.schema)().fields() {
                    has(&text, field.name());
                }
            }
        }
        assert!(!text.contains("lake//"), "{engine}: {text}");
    }
}

#[test]
fn athena_projects_partitions_and_leaves_no_symbol_out() {
    let text = of_bucket("athena", &["--dataset", "greeks"]).ends(0).stdout;
    let statement = text.split_once("CREATE").expect("a table").1;
    let expected = " EXTERNAL TABLE IF NOT EXISTS `greeks` (
  `timestamp` timestamp,
  `expiration` date,
  `strike` double,
  `gamma_exposure` bigint,
  `vanna_exposure` bigint,
  `charm_exposure` bigint
)
PARTITIONED BY (`symbol` string, `date` date)
STORED AS PARQUET
LOCATION 's3://prices/some/lake/greeks/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.symbol.type' = 'injected',
  'projection.date.type' = 'date',
  'projection.date.format' = 'yyyy-MM-dd',
  'projection.date.range' = '2000-01-01,NOW+7DAYS',
  'projection.date.interval' = '1',
  'projection.date.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://prices/some/lake/greeks/symbol=${symbol}/date=${date}'
);
";
    assert_eq!(statement, expected);
    let years = of_bucket("athena", &["--dataset", "greeks_by_day"]).ends(0).stdout;
    for part in [
        "  `date` date,\n  `minutes_expected` int,",
        "  `gamma_min_at` timestamp,",
        "PARTITIONED BY (`symbol` string, `year` int)",
        "'projection.year.type' = 'integer'",
        "symbol=${symbol}/year=${year}'",
    ] {
        has(&years, part);
    }
}

#[test]
fn spark_is_told_the_types_and_the_time_zone() {
    let text = of_bucket("spark", &["--dataset", "greeks_by_minute"]).ends(0).stdout;
    let expected = "SET spark.sql.session.timeZone = UTC;

-- dealer exposures summed over strikes, one row per minute and expiration
CREATE OR REPLACE TEMPORARY VIEW greeks_by_minute (
  `timestamp` TIMESTAMP,
  `expiration` DATE,
  `spot` DOUBLE,
  `gamma_exposure` BIGINT,
  `vanna_exposure` BIGINT,
  `charm_exposure` BIGINT,
  `strikes` BIGINT,
  `symbol` STRING,
  `date` DATE
)
USING parquet
OPTIONS (path 's3a://prices/some/lake/greeks_by_minute');
";
    has(&text, expected);
}

#[test]
fn trino_registers_what_it_was_told_of() {
    let text = of_bucket("trino", &["--dataset", "greeks_by_day"]).ends(0).stdout;
    for part in [
        "CREATE SCHEMA IF NOT EXISTS hive.pitlake;",
        "  \"date\" date,\n  \"minutes_expected\" integer,",
        "  \"gamma_mean\" double,\n  \"gamma_min_at\" timestamp(3),",
        "  \"symbol\" varchar,\n  \"year\" integer\n)",
        "  external_location = 's3://prices/some/lake/greeks_by_day',\n  format = 'PARQUET',\n  partitioned_by = ARRAY['symbol', 'year']",
        "CALL hive.system.sync_partition_metadata('pitlake', 'greeks_by_day', 'FULL');",
    ] {
        has(&text, part);
    }
}

#[test]
fn clickhouse_is_told_what_may_be_null() {
    let text = of_bucket("clickhouse", &["--dataset", "greeks"]).ends(0).stdout;
    let expected = "CREATE OR REPLACE VIEW greeks AS
SELECT timestamp, expiration, strike, gamma_exposure, vanna_exposure, charm_exposure, symbol, date
FROM s3(
  's3://prices/some/lake/greeks/symbol=*/date=*/part-0.parquet',
  'Parquet',
  'timestamp DateTime64(6, ''UTC''), expiration Date32, strike Float64, gamma_exposure Nullable(Int64), \
vanna_exposure Nullable(Int64), charm_exposure Nullable(Int64), symbol String, date Date32'
)
SETTINGS use_hive_partitioning = 1;
";
    has(&text, expected);
}

#[test]
fn lists_of_structures_are_spelled_as_each_engine_wants_them() {
    for (engine, prints, periods, reasons) in [
        (
            "athena",
            "`single_prints` array<struct<low:double,high:double>>",
            "`tpo_structure` array<struct<period:string,high:double,low:double>>",
            "`reasons` array<string>",
        ),
        (
            "spark",
            "`single_prints` ARRAY<STRUCT<low: DOUBLE, high: DOUBLE>>",
            "`tpo_structure` ARRAY<STRUCT<period: STRING, high: DOUBLE, low: DOUBLE>>",
            "`reasons` ARRAY<STRING>",
        ),
        (
            "trino",
            "\"single_prints\" array(row(\"low\" double, \"high\" double))",
            "\"tpo_structure\" array(row(\"period\" varchar, \"high\" double, \"low\" double))",
            "\"reasons\" array(varchar)",
        ),
        (
            "clickhouse",
            "single_prints Array(Tuple(low Float64, high Float64))",
            "tpo_structure Array(Tuple(period String, high Float64, low Float64))",
            "reasons Array(String)",
        ),
    ] {
        let text = of_bucket(engine, &["--dataset", "profiles"]).ends(0).stdout;
        for part in [prints, periods, reasons] {
            has(&text, part);
        }
    }
}

#[test]
fn a_folder_is_named_by_its_whole_path() {
    let lake = Lake::in_folder();
    let folder = lake.root().replace("file://", "");
    for (engine, part) in [
        ("duckdb", format!("'{folder}/greeks/symbol=*/date=*/part-0.parquet'")),
        ("clickhouse", format!("FROM file(\n  '{folder}/greeks/symbol=*/date=*/part-0.parquet'")),
        ("spark", format!("OPTIONS (path '{folder}/greeks')")),
        ("trino", format!("external_location = 'file://{folder}/greeks'")),
    ] {
        has(&lake.run(&["ddl", "--engine", engine]).ends(0).stdout, &part);
    }
    let ran = lake.run(&["ddl", "--engine", "athena"]).ends(2);
    has(&ran.stderr, "Athena reads S3 only");
    assert_eq!(ran.stdout, "");
    lake.run(&["ddl", "--engine", "excel"]).ends(2);
    lake.run(&["ddl", "--engine", "duckdb", "--dataset", "tea"]).ends(2);
    lake.run(&["ddl"]).ends(2);
}
