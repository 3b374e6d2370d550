//! `pitlake ddl`: the lake's datasets as tables of another engine, printed ready to run. A bucket is not
//! asked what it has; into a folder one look is free.

use std::io::Write;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::exit::{self, Outcome, wrong_usage};
use super::settings::LakeArgs;
use crate::lake::dataset::Dataset;
use crate::lake::ddl::{Engine, Root};
use crate::lake::layout::prefix;
use crate::lake::store::Store;
use crate::server::DATASETS;
use crate::{Error, Result};

#[derive(Debug, Args)]
pub struct DdlArgs {
    /// Who shall read the lake
    #[arg(long, value_parser = PossibleValuesParser::new(Engine::ALL.map(|(name, _)| name)))]
    engine: String,
    /// Only this dataset; may be given again for more
    #[arg(long, value_parser = PossibleValuesParser::new(DATASETS.iter().map(|dataset| dataset.name)))]
    dataset: Vec<String>,
}

/// Prints the statements.
///
/// # Errors
/// Wrong usage when no lake is named, or one that the engine cannot reach.
pub fn run(args: &DdlArgs, lake: &LakeArgs, out: &mut dyn Write) -> Result<Outcome> {
    let root = Store::root_of(&lake.must_be_named()?)?;
    let (_, engine) = Engine::ALL
        .into_iter()
        .find(|(name, _)| *name == args.engine)
        .ok_or_else(|| Error::internal("an engine without statements"))?;
    let wanted = |name: &str| args.dataset.is_empty() || args.dataset.iter().any(|dataset| dataset == name);
    let mut datasets: Vec<_> = DATASETS.iter().copied().filter(|dataset| wanted(dataset.name)).collect();
    // DuckDB makes no view over files that are not there yet, and with it fails whatever comes after.
    let mut left_out = Vec::new();
    if args.engine == "duckdb" && args.dataset.is_empty() && datasets.iter().any(|dataset| is_there(&root, dataset)) {
        (datasets, left_out) = datasets.into_iter().partition(|dataset| is_there(&root, dataset));
    }
    let text = engine.statements(Root(&root), &datasets).map_err(|error| match error.kind() {
        crate::ErrorKind::Invalid => wrong_usage(error.detail()),
        _ => error,
    })?;
    let left_out: String = left_out
        .iter()
        .map(|dataset| format!("\n-- {}: nothing is stored yet; run this again when there is\n", dataset.name))
        .collect();
    write!(out, "{text}{left_out}").and_then(|()| out.flush()).map_err(exit::output_failed)?;
    Ok(Outcome::Good)
}

/// Whether anything of the dataset is stored, as far as can be told without asking a bucket.
fn is_there(root: &str, dataset: &Dataset) -> bool {
    root.starts_with("s3://") || std::path::Path::new(root).join(prefix::partitions(dataset.name)).is_dir()
}
