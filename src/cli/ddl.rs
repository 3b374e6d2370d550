//! `pitlake ddl`: the lake's datasets as tables of another engine, printed ready to run. The lake itself is
//! not asked.

use std::io::Write;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::exit::{self, Outcome, wrong_usage};
use super::settings::LakeArgs;
use crate::lake::ddl::{Engine, Root};
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
    let datasets: Vec<_> = DATASETS.iter().copied().filter(|dataset| wanted(dataset.name)).collect();
    let text = engine.statements(Root(&root), &datasets).map_err(|error| match error.kind() {
        crate::ErrorKind::Invalid => wrong_usage(error.detail()),
        _ => error,
    })?;
    write!(out, "{text}").and_then(|()| out.flush()).map_err(exit::output_failed)?;
    Ok(Outcome::Good)
}
