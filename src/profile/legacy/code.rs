//! Everything an audit of the old archive can find, in one table: its name, how grave it is, what it means, what would mend it.
//! `docs/legacy-findings.md` is held against it by a test; checks, reports and the generator take names from here alone.

use std::fmt;

use serde::{Serialize, Serializer};

/// How grave a finding is. The gravest one of a record decides its [`Verdict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Read leniently, or worth knowing; nothing is wrong with the numbers.
    Note,
    /// Odd, but it may be so.
    Suspicious,
    /// Contradicts itself or the bars in what can be computed again from bars.
    Recalculate,
    /// Not a session that can be told or computed again: no symbol, no date, no JSON.
    Rejected,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Suspicious => "suspicious",
            Self::Recalculate => "recalculate",
            Self::Rejected => "rejected",
        }
    }
}

/// What to do with a record of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing above a note.
    Valid,
    Suspicious,
    Recalculate,
    Rejected,
}

impl Verdict {
    pub const ALL: [Self; 4] = [Self::Valid, Self::Suspicious, Self::Recalculate, Self::Rejected];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Suspicious => "suspicious",
            Self::Recalculate => "recalculate",
            Self::Rejected => "rejected",
        }
    }
}

impl From<Severity> for Verdict {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Note => Self::Valid,
            Severity::Suspicious => Self::Suspicious,
            Severity::Recalculate => Self::Recalculate,
            Severity::Rejected => Self::Rejected,
        }
    }
}

macro_rules! codes {
    ($($member:ident = $name:literal $severity:ident $about:literal $fix:literal)+) => {
        /// A kind of finding. Names are stable: scripts match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $about] $member),+
        }

        impl Code {
            /// In the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$member),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$member => $name),+ }
            }

            pub fn severity(self) -> Severity {
                match self { $(Self::$member => Severity::$severity),+ }
            }

            /// What it means, for people.
            pub fn about(self) -> &'static str {
                match self { $(Self::$member => $about),+ }
            }

            /// What would mend it, for people.
            pub fn fix(self) -> &'static str {
                match self { $(Self::$member => $fix),+ }
            }
        }
    };
}

codes! {
    FileUnreadable = "file_unreadable" Rejected
        "the file cannot be read: rights, damaged compression, a link to nothing"
        "restore the file from a backup"
    FileTooLarge = "file_too_large" Rejected
        "the file is larger than what is read at once"
        "split the file; real months of sessions are a thousand times smaller"
    EmptyFile = "empty_file" Rejected
        "the file has nothing in it"
        "restore the file, or delete it and recalculate the date"
    NotText = "not_text" Rejected
        "the file is named like JSON and is not text"
        "restore the file, or delete it and recalculate the date"
    NotJson = "not_json" Rejected
        "not JSON, even with comments, trailing commas and loose quotes allowed"
        "mend the text at the line that is named"
    Truncated = "truncated" Rejected
        "the text ends in the middle of a record"
        "restore the file, or recalculate the date from bars"
    NoRecord = "no_record" Rejected
        "JSON without a session in it"
        "delete the file if it is none of the archive"
    NotARecord = "not_a_record" Rejected
        "stands where a session should and is no object with a session's fields"
        "delete the entry, or write the session's object"
    NoSymbol = "no_symbol" Rejected
        "neither the record nor what is around it names a symbol"
        "write the symbol into the record"
    UnknownSymbol = "unknown_symbol" Rejected
        "the symbol is no instrument of this lake"
        "add it to _config/instruments.toml, as an instrument or as an alias of one"
    NoDate = "no_date" Rejected
        "neither the record nor what is around it names a date"
        "write the date into the record"
    BadDate = "bad_date" Rejected
        "the date cannot be read, or is no day of the calendar"
        "write the date as YYYY-MM-DD"
    ClosedDay = "closed_day" Rejected
        "the exchange had no such session that day: weekend or holiday"
        "find the session that the numbers are of and mend the date, or delete the record"
    FutureDate = "future_date" Rejected
        "the session has not begun yet"
        "mend the date, or delete the record"

    MissingLevel = "missing_level" Recalculate
        "a level that every session has is missing or null"
        "recalculate the session from bars"
    UnreadableField = "unreadable_field" Recalculate
        "a field is there and its value cannot be read"
        "recalculate the session from bars"
    RepeatedField = "repeated_field" Recalculate
        "the same field stands there twice with different values"
        "recalculate the session from bars"
    SwappedHighLow = "swapped_high_low" Recalculate
        "a high is below its low"
        "swap the two if the bars agree, or recalculate"
    ValueAreaOrder = "value_area_order" Recalculate
        "the point of control is not inside the value area"
        "recalculate the session from bars"
    OutsideSessionRange = "outside_session_range" Recalculate
        "a level lies outside of the session's range"
        "recalculate the session from bars"
    OffTickGrid = "off_tick_grid" Recalculate
        "a price is no multiple of the instrument's tick"
        "recalculate the session from bars; if every record has it, mend the instrument's tick_size"
    ImpossiblePrice = "impossible_price" Recalculate
        "a price is zero, negative or not finite"
        "recalculate the session from bars"
    InitialBalanceMismatch = "initial_balance_mismatch" Recalculate
        "the initial balance is not the union of the periods of the first hour"
        "recalculate the session from bars"
    SessionRangeMismatch = "session_range_mismatch" Recalculate
        "the session's range is not the union of its periods"
        "recalculate the session from bars"
    PeriodsMissing = "periods_missing" Recalculate
        "periods that the session had by the calendar are not there"
        "recalculate the session from bars"
    PeriodsUnexpected = "periods_unexpected" Recalculate
        "periods are there that the session did not have by the calendar"
        "recalculate the session from bars"
    SinglePrintsOutsideRange = "single_prints_outside_range" Recalculate
        "single prints lie outside of the session's range"
        "recalculate the session from bars"
    SinglePrintsNotSingle = "single_prints_not_single" Recalculate
        "prices called single prints were traded in several periods, or in none"
        "recalculate the session from bars"
    PoorWithSinglePrints = "poor_with_single_prints" Recalculate
        "a poor high or low has single prints at it: the two exclude each other"
        "recalculate the session from bars"
    PoorAndExcess = "poor_and_excess" Recalculate
        "the same extreme is called poor and excess: the two exclude each other"
        "recalculate the session from bars"
    ExcessWithoutTail = "excess_without_tail" Recalculate
        "an excess without single prints at that extreme"
        "recalculate the session from bars"
    ImpossibleReturn = "impossible_return" Recalculate
        "the return is larger than the session's range allows; often a percentage written for a fraction"
        "recalculate the session from bars"
    ImpossibleVolume = "impossible_volume" Recalculate
        "the volume is negative, zero, a fraction of a contract, or more than 100 times the symbol's median"
        "recalculate the session from bars"
    DuplicateConflict = "duplicate_conflict" Recalculate
        "the archive holds the same session again with other values"
        "recalculate the session from bars; the copy that agrees with them was right"
    DiffersFromBars = "differs_from_bars" Recalculate
        "computed again from bars, the field has another value"
        "recalculate the session from bars"

    DiffersFromPeriods = "differs_from_periods" Suspicious
        "computed again from the record's own periods, the field has another value"
        "recalculate the session from bars; if every record has it, the archive's rows were not of --row-ticks"
    DiffersFromDegradedBars = "differs_from_degraded_bars" Suspicious
        "computed again from bars the field has another value, but the bars of the day are degraded"
        "bring in better bars and audit again"
    NotComparable = "not_comparable" Suspicious
        "what the levels should be could not be computed, so they were compared with nothing"
        "see the reason: give the height of the archive's rows with --row-ticks, or bring in bars that allow a profile"
    MissingDetail = "missing_detail" Suspicious
        "a field that is no level is missing or null"
        "recalculate the session from bars"
    UnknownSessionType = "unknown_session_type" Suspicious
        "the session type is none that is known"
        "recalculate the session from bars"
    UnknownBias = "unknown_bias" Suspicious
        "the bias is neither up nor down nor neutral"
        "recalculate the session from bars"
    TailWithoutExcess = "tail_without_excess" Suspicious
        "single prints reach an extreme that is not called an excess"
        "recalculate the session from bars"
    ReturnAgainstBias = "return_against_bias" Suspicious
        "the bias points one way, and the return goes the other over half of the session's range"
        "recalculate the session from bars"
    OddVolume = "odd_volume" Suspicious
        "the volume is less than a hundredth of the symbol's median"
        "recalculate the session from bars"
    ImplausiblePrice = "implausible_price" Suspicious
        "prices are more than twice, or less than half, those of the sessions before and after"
        "see whether the record is of another symbol or scale, then recalculate"
    FileDateDiffers = "file_date_differs" Suspicious
        "the file's name, or the record's key, says another date than the record"
        "find out which is right, then mend the other"
    FileSymbolDiffers = "file_symbol_differs" Suspicious
        "the file's name, or the record's key, says another symbol than the record"
        "find out which is right, then mend the other"

    DuplicateIdentical = "duplicate_identical" Note
        "the archive holds the same session before, with the same values"
        "nothing: of all copies the one with the best verdict counts"
    OtherRows = "other_rows" Note
        "in rows of one tick the session has more than can be computed: it was compared in the instrument's own rows"
        "nothing; if the archive had other rows, say so with --row-ticks"
    ReturnBesideBias = "return_beside_bias" Note
        "the bias points one way, the return the other; of a full session, a neutral extreme or a small move both may be right"
        "nothing, or recalculate to have today's definition of bias"
    ClassificationDiffers = "classification_differs" Note
        "computed again from bars, session type or bias is another; the old system's definitions are not known"
        "nothing, or recalculate to have today's definitions"
    Comments = "comments" Note
        "comments stand in the JSON"
        "nothing: they are read over"
    TrailingComma = "trailing_comma" Note
        "a comma stands before a closing bracket"
        "nothing: it is read over"
    LooseJson = "loose_json" Note
        "single quotes, names without quotes, missing commas or numbers that JSON does not know"
        "nothing: they are read as meant"
    NumberAsText = "number_as_text" Note
        "a number is written as text"
        "nothing: it is read as the number"
    FieldSpelling = "field_spelling" Note
        "a field has another name than the old API gives it"
        "nothing: it is read under the known name"
    DateSpelling = "date_spelling" Note
        "the date is not written YYYY-MM-DD"
        "nothing: it is read as meant"
    SymbolSpelling = "symbol_spelling" Note
        "the symbol is written in another way than the instrument's"
        "nothing: it is read as the instrument"
    WordSpelling = "word_spelling" Note
        "session type, bias or a yes/no is written in another way"
        "nothing: it is read as meant"
    ShapeSpelling = "shape_spelling" Note
        "single prints or periods have another shape: objects, lists, letters in lower case, low before high"
        "nothing: they are read as meant"
    TakenFromAround = "taken_from_around" Note
        "symbol or date is not in the record but in its key, its file's name or its folder"
        "nothing: it is taken from there"
    UnknownField = "unknown_field" Note
        "a field that is not known"
        "nothing: it stays in the capture of the original"
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One thing found in one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub code: Code,
    /// The field it is about, under its known name; empty when it is about the whole record.
    pub field: &'static str,
    /// The values that show it.
    pub evidence: String,
}

impl Finding {
    pub fn new(code: Code, field: &'static str, evidence: impl Into<String>) -> Self {
        Self { code, field, evidence: evidence.into() }
    }

    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// The verdict that findings add up to.
pub fn verdict(findings: &[Finding]) -> Verdict {
    findings.iter().map(Finding::severity).max().map_or(Verdict::Valid, Verdict::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_their_own_and_told() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
            assert!(!code.about().contains('|') && !code.fix().contains('|'), "{code} stands in a table");
        }
    }

    #[test]
    fn the_gravest_finding_decides() {
        let found = |codes: &[Code]| verdict(&codes.iter().map(|code| Finding::new(*code, "", "")).collect::<Vec<_>>());
        assert_eq!(found(&[]), Verdict::Valid);
        assert_eq!(found(&[Code::Comments, Code::NumberAsText]), Verdict::Valid);
        assert_eq!(found(&[Code::Comments, Code::OddVolume]), Verdict::Suspicious);
        assert_eq!(found(&[Code::PeriodsMissing, Code::OddVolume]), Verdict::Recalculate);
        assert_eq!(found(&[Code::PeriodsMissing, Code::NoDate]), Verdict::Rejected);
    }
}
