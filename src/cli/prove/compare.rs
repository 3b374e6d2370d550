//! An answer against the rows of the SQL, one by one and in order: every column, every value, nothing rounded. Pure but for the
//! rows it is given.

use serde_json::{Value, json};

use super::cell::{Cell, Kind};
use crate::Result;

/// Differences that are shown; all are counted.
const SHOWN: usize = 5;

/// The next row of the SQL, or none.
pub type NextRow<'a> = Box<dyn FnMut() -> Result<Option<Vec<Cell>>> + 'a>;

/// A comparison under way.
pub struct Comparison<'a> {
    columns: Vec<String>,
    pub kinds: Vec<Kind>,
    next: NextRow<'a>,
    verdict: Verdict,
}

/// How it ended.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// Of the answer.
    pub rows: u64,
    pub columns: Vec<String>,
    /// Rows that are not the same, those that only one side has included.
    pub differing: u64,
    /// The first of them.
    pub shown: Vec<Difference>,
}

#[derive(Debug, PartialEq)]
pub struct Difference {
    /// From 0; `None` when the columns differ.
    pub row: Option<u64>,
    /// Names of the columns that differ.
    pub columns: Vec<String>,
    /// What each side has there, in words; `None` where it has no such row.
    pub answer: Option<String>,
    pub sql: Option<String>,
}

impl Verdict {
    pub fn equal(&self) -> bool {
        self.differing == 0 && self.shown.is_empty()
    }
}

impl Difference {
    pub fn json(&self) -> Value {
        json!({"row": self.row, "columns": self.columns, "answer": self.answer, "sql": self.sql})
    }
}

impl<'a> Comparison<'a> {
    /// `columns` with their `kinds` are those of the SQL, `next` gives its rows.
    pub fn new(columns: Vec<String>, kinds: Vec<Kind>, next: NextRow<'a>) -> Self {
        Self { columns, kinds, next, verdict: Verdict::default() }
    }

    /// The answer's columns; asked before its rows, and again wherever a row names its own. False when they differ from the
    /// SQL's: then no row can be compared.
    pub fn columns<'n>(&mut self, names: impl ExactSizeIterator<Item = &'n str> + Clone) -> bool {
        if names.len() == self.columns.len() && names.clone().zip(&self.columns).all(|(name, column)| name == column) {
            return true;
        }
        if !self.verdict.shown.iter().any(|shown| shown.row.is_none()) {
            let names: Vec<&str> = names.collect();
            let strange = |name: &&str| !self.columns.iter().any(|column| column == name);
            let lacking = self.columns.iter().filter(|column| !names.contains(&column.as_str())).map(String::as_str);
            let columns = names.iter().copied().filter(strange).chain(lacking).map(str::to_owned).collect();
            let (answer, sql) = (Some(names.join(", ")), Some(self.columns.join(", ")));
            self.verdict.shown.insert(0, Difference { row: None, columns, answer, sql });
        }
        false
    }

    /// The answer's next row, in the order of the columns.
    ///
    /// # Errors
    /// Those of the SQL.
    pub fn row(&mut self, answer: Vec<Cell>) -> Result<()> {
        let sql = (self.next)()?;
        if sql.as_ref() != Some(&answer) {
            self.differs(Some(answer), sql);
        }
        self.verdict.rows += 1;
        Ok(())
    }

    /// A row that cannot be compared, for its columns are other ones.
    ///
    /// # Errors
    /// Those of the SQL.
    pub fn strange_row(&mut self) -> Result<()> {
        (self.next)()?;
        self.verdict.differing += 1;
        self.verdict.rows += 1;
        Ok(())
    }

    /// The answer is at its end.
    ///
    /// # Errors
    /// Those of the SQL.
    pub fn end(mut self) -> Result<Verdict> {
        let rows = self.verdict.rows;
        while let Some(row) = (self.next)()? {
            self.differs(None, Some(row));
            self.verdict.rows += 1;
        }
        Ok(Verdict { rows, columns: self.columns, ..self.verdict })
    }

    fn differs(&mut self, answer: Option<Vec<Cell>>, sql: Option<Vec<Cell>>) {
        self.verdict.differing += 1;
        if self.verdict.shown.len() >= SHOWN {
            return;
        }
        let columns = match (&answer, &sql) {
            (Some(answer), Some(sql)) => {
                let pairs = self.columns.iter().zip(answer.iter().zip(sql));
                pairs.filter(|(_, (a, b))| a != b).map(|(name, _)| name.clone()).collect()
            }
            _ => Vec::new(),
        };
        let words = |cells: Vec<Cell>| {
            let pairs = self.columns.iter().zip(cells).map(|(name, cell)| format!("{name}={cell}"));
            pairs.collect::<Vec<_>>().join("  ")
        };
        let (answer, sql) = (answer.map(words), sql.map(words));
        self.verdict.shown.push(Difference { row: Some(self.verdict.rows), columns, answer, sql });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(answer: &[i64], sql: &[i64]) -> Verdict {
        let mut rows = sql.iter().map(|value| vec![Cell::Int(*value)]);
        let next = Box::new(|| Ok(rows.next()));
        let mut comparison = Comparison::new(vec!["x".into()], vec![Kind::Int], next);
        assert!(comparison.columns(["x"].into_iter()));
        for value in answer {
            comparison.row(vec![Cell::Int(*value)]).unwrap();
        }
        comparison.end().unwrap()
    }

    #[test]
    fn values_order_and_length_count() {
        assert!(compare(&[1, 2], &[1, 2]).equal());
        assert!(compare(&[], &[]).equal());
        let swapped = compare(&[1, 2], &[2, 1]);
        assert_eq!((swapped.differing, swapped.shown[0].columns.as_slice()), (2, &["x".to_owned()][..]));
        let shorter = compare(&[1], &[1, 2]);
        assert_eq!((shorter.rows, shorter.differing, shorter.shown[0].answer.as_ref()), (1, 1, None));
        let longer = compare(&[1, 2], &[1]);
        assert_eq!((longer.rows, longer.shown[0].row, longer.shown[0].sql.as_ref()), (2, Some(1), None));
        assert_eq!(compare(&[0; 50], &[1; 50]).shown.len(), SHOWN);
    }

    #[test]
    fn names_and_their_order_count() {
        for names in [&["a"][..], &["b", "a"], &["a", "b", "c"], &["a", "c"]] {
            let columns = vec!["a".into(), "b".into()];
            let mut comparison = Comparison::new(columns, vec![Kind::Int, Kind::Int], Box::new(|| Ok(None)));
            assert!(!comparison.columns(names.iter().copied()));
            assert!(!comparison.end().unwrap().equal(), "{names:?}");
        }
    }
}
