//! Levels computed again from the record's own periods: which prices each period traded at is all that a TPO profile needs, so
//! this finds wrong logic even where there are no bars.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::super::row_height::RowHeight;
use super::Subject;
use crate::market::Ticks;
use crate::profile::extremes::single_prints;
use crate::profile::rows::{RowGrid, TpoRows};
use crate::profile::settings::Settings;
use crate::profile::value_area::{point_of_control, value_area};

pub(super) fn check(subject: &Subject<'_>, rows: RowHeight, findings: &mut Vec<Finding>) {
    // What is wrong with the periods themselves has been told.
    let told = |finding: &Finding| {
        finding.field == Field::TpoStructure.name()
            || matches!(finding.code, Code::OffTickGrid | Code::ImpossiblePrice | Code::SessionRangeMismatch)
    };
    if findings.iter().any(told) {
        return;
    }
    let Some(periods) = subject.all_periods() else { return };
    let (Some(high), Some(low)) =
        (periods.iter().map(|period| period.high).max(), periods.iter().map(|period| period.low).min())
    else {
        return;
    };
    let refused = |error: &crate::Error| {
        Finding::new(Code::NotComparable, Field::TpoStructure.name(), format!("with its periods: {}", error.detail()))
    };
    let grid = rows
        .over(subject.instrument, low, high)
        .and_then(|row_ticks| Ok((row_ticks, RowGrid::over(low, high, row_ticks)?)));
    let (row_ticks, grid) = match grid {
        Ok(grid) => grid,
        Err(error) => return findings.push(refused(&error)),
    };
    if rows.is_other(row_ticks) {
        findings.push(Finding::new(Code::OtherRows, "", format!("rows of {row_ticks} ticks")));
    }
    let rows = TpoRows::of(&periods, grid);
    let Some(poc) = point_of_control(&rows.counts) else { return };
    let settings = Settings::default();
    let area = value_area(&rows.counts, poc, settings.value_area_share, settings.value_area_method);
    let price = |row: usize| subject.grid.price(grid.price(row));
    let record = subject.record;
    let mut differ = |field: Field, said: Option<f64>, row: usize, more: &str| {
        if let Some(said) = said.filter(|said| *said != price(row)) {
            let evidence = format!("{said}; its periods make {}{more}", price(row));
            findings.push(Finding::new(Code::DiffersFromPeriods, field.name(), evidence));
        }
    };
    let tied = |said: f64| {
        let row = subject.ticks(said).filter(|at| (low..=high).contains(at)).map(|at| grid.row_of(at));
        row.is_some_and(|row| rows.counts[row] == rows.counts[poc])
    };
    let tie =
        if record.poc.is_some_and(tied) { ", of rows with as many periods the nearest to the middle" } else { "" };
    differ(Field::Poc, record.poc, poc, tie);
    differ(Field::ValueAreaHigh, record.value_area_high, area.high, "");
    differ(Field::ValueAreaLow, record.value_area_low, area.low, "");
    if let Some(said) = &record.single_prints {
        let mut made: Vec<[Ticks; 2]> =
            single_prints(&rows, &settings).iter().map(|run| [grid.price(run.low), grid.price(run.high)]).collect();
        made.reverse();
        let mut told: Vec<[Option<Ticks>; 2]> =
            said.iter().map(|pair| pair.map(|price| subject.ticks(price))).collect();
        told.sort();
        if told.len() != made.len() || told.iter().zip(&made).any(|(told, made)| *told != made.map(Some)) {
            let shown: Vec<[f64; 2]> = made.iter().map(|pair| pair.map(|at| subject.grid.price(at))).collect();
            let evidence = format!("{said:?}; its periods make {shown:?}");
            findings.push(Finding::new(Code::DiffersFromPeriods, Field::SinglePrints.name(), evidence));
        }
    }
}
