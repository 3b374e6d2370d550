//! The profile settings of one lake: the defaults with what `_config/profile.toml` changes. Called by whatever computes
//! profiles for a lake; the engine itself only sees [`Settings`].

use super::settings::Settings;
use crate::lake::layout::config_key;
use crate::lake::store::Store;
use crate::{Error, ErrorKind, Result};

/// The name of the file under `_config/`.
pub const FILE: &str = "profile.toml";

impl Settings {
    /// Reads the lake's own thresholds over the defaults.
    ///
    /// # Errors
    /// `Invalid` when the file is wrong, naming file and key; those of the store.
    pub async fn load(store: &Store) -> Result<Self> {
        let key = config_key(FILE);
        match store.get(&key).await {
            Ok(object) => {
                let text = std::str::from_utf8(&object.bytes)
                    .map_err(|_| Error::invalid(format!("{key} is not UTF-8 text")))?;
                Self::parse(text, &key)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }
}
