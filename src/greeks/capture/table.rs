//! CSV rows of the second shape's names to JSON documents, number for number as written.

use super::Refusal;

const NUMBERS: [&str; 5] = ["strike", "gamma_exposure", "vanna_exposure", "charm_exposure", "spot"];
/// Column names stand in every document that is made of a row.
const HEADER_BYTES: usize = 16 << 10;
const NEEDED: [&str; 4] = ["timestamp", "symbol", "expiration", "strike"];

/// The header of a CSV file, ready to turn its records into documents.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<String>,
}

impl Table {
    /// # Errors
    /// `Invalid` when a needed column is missing or one stands there twice: then no row can be read.
    pub fn new(header: &csv::StringRecord) -> crate::Result<Self> {
        let columns: Vec<String> =
            header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_ascii_lowercase()).collect();
        if columns.iter().map(String::len).sum::<usize>() > HEADER_BYTES {
            return Err(crate::Error::invalid(format!(
                "the CSV's column names are longer than {} KiB together; leave out the columns that are not needed",
                HEADER_BYTES >> 10
            )));
        }
        for needed in NEEDED {
            if !columns.iter().any(|column| column == needed) {
                return Err(crate::Error::invalid(format!(
                    "the input is neither JSON nor CSV with a '{needed}' column; CSV needs the columns timestamp, symbol, \
                     expiration, strike and at least one of gamma_exposure, vanna_exposure, charm_exposure"
                )));
            }
        }
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].contains(column) {
                return Err(crate::Error::invalid(format!("the CSV has two columns named '{column}'")));
            }
        }
        Ok(Self { columns })
    }

    /// Symbol and timestamp of a record that is refused, as JSON, as far as it has them.
    pub fn head(&self, record: &csv::StringRecord) -> Vec<u8> {
        let cells =
            self.columns.iter().zip(record).filter(|(column, _)| ["symbol", "timestamp"].contains(&column.as_str()));
        let head: serde_json::Map<String, serde_json::Value> =
            cells.map(|(column, cell)| (column.clone(), cell.trim().into())).collect();
        serde_json::Value::Object(head).to_string().into_bytes()
    }

    /// One record as a JSON document; empty cells are left out.
    ///
    /// # Errors
    /// `wrong_type` for a number that is none, `not_json` for a record of another length.
    pub fn document(&self, record: &csv::StringRecord) -> Result<Vec<u8>, Refusal> {
        if record.len() != self.columns.len() {
            let reason = format!("the row has {} cells, the header {}", record.len(), self.columns.len());
            return Err(Refusal::new("row_length", None, reason));
        }
        let mut document = serde_json::Map::new();
        for (column, cell) in self.columns.iter().zip(record) {
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            let value = if NUMBERS.contains(&column.as_str()) {
                number(column, cell)?
            } else {
                serde_json::Value::String(cell.to_owned())
            };
            document.insert(column.clone(), value);
        }
        serde_json::to_vec(&document)
            .map_err(|error| Refusal::new("not_json", None, format!("the row cannot be written as JSON: {error}")))
    }
}

fn number(column: &str, cell: &str) -> Result<serde_json::Value, Refusal> {
    if let Ok(value @ serde_json::Value::Number(_)) = serde_json::from_str(cell) {
        return Ok(value);
    }
    let number: f64 = cell
        .parse()
        .map_err(|_| Refusal::new("wrong_type", column.to_owned(), format!("'{column}' is '{cell}', not a number")))?;
    serde_json::Number::from_f64(number).map(serde_json::Value::Number).ok_or_else(|| {
        Refusal::new("number_out_of_range", column.to_owned(), format!("'{column}' is '{cell}', not a finite number"))
    })
}
