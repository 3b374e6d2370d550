//! `pitlake verify`.
