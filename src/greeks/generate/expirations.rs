//! Which expirations are listed on a date: dailies this week, Fridays, third Fridays, the January far out. Called by
//! [`super::day`]; every one of them is a session date on or after the trading date.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate, Weekday};

use super::interest::Kind;
use crate::{Error, Result};

/// The listing of one date.
struct Listing<'a> {
    from: NaiveDate,
    is_session: &'a dyn Fn(NaiveDate) -> bool,
    chosen: BTreeMap<NaiveDate, Kind>,
    count: usize,
}

/// `count` expirations, ascending: of ten, four dailies (where the underlying has them), one January at least ten months
/// out, two third Fridays, and Fridays for the rest. More than the Fridays of ten weeks go to later third Fridays.
///
/// # Errors
/// Invalid when the calendar does not hold so many.
pub fn listed(
    from: NaiveDate,
    count: usize,
    daily: bool,
    is_session: &dyn Fn(NaiveDate) -> bool,
) -> Result<Vec<(NaiveDate, Kind)>> {
    let mut listing = Listing { from, is_session, chosen: BTreeMap::new(), count };
    let share = |tenths: usize| (count * tenths / 10).max(1);
    if daily {
        listing.take(listing.dates(14), Kind::Daily, share(4));
    }
    if count >= 5 {
        let january = |date: &NaiveDate| date.month() == 1 && (*date - from).num_days() > 300;
        listing.take(listing.third_fridays(60).into_iter().filter(january).collect(), Kind::Leap, share(1));
        listing.take(listing.third_fridays(12), Kind::Monthly, share(2));
    }
    listing.take(listing.fridays(10), Kind::Weekly, count);
    listing.take(listing.third_fridays(24), Kind::Monthly, count);
    listing.take(listing.fridays(520), Kind::Weekly, count);
    if listing.chosen.len() < count {
        return Err(Error::invalid(format!(
            "the calendar holds only {} expirations after {from}: ask for fewer with --expirations",
            listing.chosen.len()
        )));
    }
    Ok(listing.chosen.into_iter().collect())
}

impl Listing<'_> {
    /// Takes the first `most` of `dates` that are not taken yet, until the listing is full.
    fn take(&mut self, dates: Vec<NaiveDate>, kind: Kind, most: usize) {
        let mut left = most.min(self.count - self.chosen.len());
        for date in dates {
            if left == 0 {
                return;
            }
            if date < self.from || self.chosen.contains_key(&date) {
                continue;
            }
            let third_friday = date.weekday() == Weekday::Fri && (15..=21).contains(&date.day());
            let kind = if kind == Kind::Daily && third_friday { Kind::Monthly } else { kind };
            self.chosen.insert(date, kind);
            left -= 1;
        }
    }

    /// Session dates within `days` calendar days.
    fn dates(&self, days: u64) -> Vec<NaiveDate> {
        (0..days)
            .filter_map(|ahead| self.from.checked_add_days(Days::new(ahead)))
            .filter(|date| self.trades(*date))
            .collect()
    }

    fn fridays(&self, weeks: u64) -> Vec<NaiveDate> {
        let ahead =
            u64::from((Weekday::Fri.num_days_from_monday() + 7 - self.from.weekday().num_days_from_monday()) % 7);
        (0..weeks)
            .filter_map(|week| self.from.checked_add_days(Days::new(ahead + 7 * week)))
            .filter_map(|friday| self.session_at_or_before(friday))
            .collect()
    }

    fn third_fridays(&self, months: u32) -> Vec<NaiveDate> {
        let first = self.from.year() * 12 + self.from.month0().cast_signed();
        (0..=months.cast_signed())
            .filter_map(|ahead| {
                let month = first + ahead;
                let month0 = month.rem_euclid(12).unsigned_abs();
                NaiveDate::from_weekday_of_month_opt(month.div_euclid(12), month0 + 1, Weekday::Fri, 3)
            })
            .filter_map(|friday| self.session_at_or_before(friday))
            .collect()
    }

    /// A Friday that is a holiday expires on the session before it.
    fn session_at_or_before(&self, date: NaiveDate) -> Option<NaiveDate> {
        (0..4).filter_map(|back| date.checked_sub_days(Days::new(back))).find(|date| self.trades(*date))
    }

    fn trades(&self, date: NaiveDate) -> bool {
        (self.is_session)(date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// New York's closed weekdays in the windows below.
    fn is_session(date: NaiveDate) -> bool {
        let closed = ["2025-01-20", "2025-02-17", "2025-04-18"];
        date.weekday().number_from_monday() <= 5 && !closed.contains(&date.to_string().as_str())
    }

    #[test]
    fn ten_expirations_of_an_index_fund() {
        let listed = listed(day("2025-01-15"), 10, true, &is_session).unwrap();
        let expected = [
            ("2025-01-15", Kind::Daily),
            ("2025-01-16", Kind::Daily),
            ("2025-01-17", Kind::Monthly),
            ("2025-01-21", Kind::Daily),
            ("2025-01-24", Kind::Weekly),
            ("2025-01-31", Kind::Weekly),
            ("2025-02-07", Kind::Weekly),
            ("2025-02-21", Kind::Monthly),
            ("2025-03-21", Kind::Monthly),
            ("2026-01-16", Kind::Leap),
        ];
        assert_eq!(listed, expected.map(|(date, kind)| (day(date), kind)));
    }

    #[test]
    fn a_friday_that_is_a_holiday_expires_the_day_before() {
        let listed = listed(day("2025-04-14"), 3, false, &is_session).unwrap();
        assert_eq!(listed[0].0, day("2025-04-17"));
    }

    #[test]
    fn sixty_expirations_are_distinct_sessions() {
        let listed = listed(day("2025-01-15"), 60, true, &is_session).unwrap();
        assert_eq!(listed.len(), 60);
        assert!(
            listed.windows(2).all(|pair| pair[0].0 < pair[1].0) && listed.iter().all(|(date, _)| is_session(*date))
        );
    }
}
