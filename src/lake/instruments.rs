//! The instruments of one lake: the built-in table with what `_config/instruments.toml` adds or changes.

use std::sync::Arc;

use super::layout::config_key;
use super::store::Store;
use crate::market::Instruments;
use crate::{Error, ErrorKind, Result};

/// The name of the override file under `_config/`.
pub const FILE: &str = "instruments.toml";

/// Reads the lake's own entries over the built-in ones.
///
/// # Errors
/// `Invalid` when the file is wrong, naming file, symbol and field; those of the store.
pub async fn load(store: &Store) -> Result<Arc<Instruments>> {
    let key = config_key(FILE);
    match store.get(&key).await {
        Ok(object) => {
            let text =
                std::str::from_utf8(&object.bytes).map_err(|_| Error::invalid(format!("{key} is not UTF-8 text")))?;
            Instruments::with_overrides(text, &key)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Instruments::builtin()),
        Err(error) => Err(error),
    }
}
