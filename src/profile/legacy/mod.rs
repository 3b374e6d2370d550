//! The old JSON archive of sessions: read as it is, each record judged, for `audit legacy-tpo` and `migrate legacy-tpo`.
//!
//! [`archive`] lists the files and [`text`] reads one; [`pieces`] finds the records in a text and [`read`] makes each a
//! [`LegacyRecord`], noting what had to be read leniently. [`identity`] says whose session it is, [`survey`] what the archive
//! as a whole says (medians, copies, neighbours), [`checks`] what is wrong with one record. [`audit`] is the way through all of
//! it. Nothing here writes, and no file of the archive, whatever is in it, stops an audit.

pub mod archive;
pub mod audit;
pub mod checks;
pub mod code;
pub mod date_spelling;
pub mod eras;
pub mod field;
pub mod generate;
pub mod identity;
pub mod lake_bars;
pub mod migrate;
pub mod outline;
pub mod path_names;
pub mod pieces;
pub mod read;
pub mod record;
pub mod report;
pub mod row_height;
pub mod shapes;
pub mod summary;
pub mod survey;
pub mod text;
pub mod value;

pub use archive::Archive;
pub use audit::{Audit, Judged, Original};
pub use checks::{Measure, Recompute, Recomputed};
pub use code::{Code, Finding, Severity, Verdict};
pub use lake_bars::LakeBars;
pub use record::LegacyRecord;
pub use row_height::RowHeight;
pub use summary::Summary;
