//! Every date from 2010 to 2030 of the two calendars that matter most, against tables kept elsewhere, and single facts
//! of the others. The tables were drawn from two independently kept open-source calendars (exchange_calendars 4.13 and
//! pandas_market_calendars 5.5), as `year what=mmdd,mmdd`; what is not listed is a weekend or a regular day.

use super::*;

/// Both sources agree on every date.
const NYSE: &str = "\
2010 closed=0101,0118,0215,0402,0531,0705,0906,1125,1224 13:00=1126
2011 closed=0117,0221,0422,0530,0704,0905,1124,1226 13:00=1125
2012 closed=0102,0116,0220,0406,0528,0704,0903,1029,1030,1122,1225 13:00=0703,1123,1224
2013 closed=0101,0121,0218,0329,0527,0704,0902,1128,1225 13:00=0703,1129,1224
2014 closed=0101,0120,0217,0418,0526,0704,0901,1127,1225 13:00=0703,1128,1224
2015 closed=0101,0119,0216,0403,0525,0703,0907,1126,1225 13:00=1127,1224
2016 closed=0101,0118,0215,0325,0530,0704,0905,1124,1226 13:00=1125
2017 closed=0102,0116,0220,0414,0529,0704,0904,1123,1225 13:00=0703,1124
2018 closed=0101,0115,0219,0330,0528,0704,0903,1122,1205,1225 13:00=0703,1123,1224
2019 closed=0101,0121,0218,0419,0527,0704,0902,1128,1225 13:00=0703,1129,1224
2020 closed=0101,0120,0217,0410,0525,0703,0907,1126,1225 13:00=1127,1224
2021 closed=0101,0118,0215,0402,0531,0705,0906,1125,1224 13:00=1126
2022 closed=0117,0221,0415,0530,0620,0704,0905,1124,1226 13:00=1125
2023 closed=0102,0116,0220,0407,0529,0619,0704,0904,1123,1225 13:00=0703,1124
2024 closed=0101,0115,0219,0329,0527,0619,0704,0902,1128,1225 13:00=0703,1129,1224
2025 closed=0101,0109,0120,0217,0418,0526,0619,0704,0901,1127,1225 13:00=0703,1128,1224
2026 closed=0101,0119,0216,0403,0525,0619,0703,0907,1126,1225 13:00=1127,1224
2027 closed=0101,0118,0215,0326,0531,0618,0705,0906,1125,1224 13:00=1126
2028 closed=0117,0221,0414,0529,0619,0704,0904,1123,1225 13:00=0703,1124
2029 closed=0101,0115,0219,0330,0528,0619,0704,0903,1122,1225 13:00=0703,1123,1224
2030 closed=0101,0121,0218,0419,0527,0619,0704,0902,1128,1225 13:00=0703,1129,1224";

/// From pandas_market_calendars' "CME Globex Equity" (hours moved from Chicago to New York), corrected by CME's own
/// notices where it has none: 2012-10-29 and 30 (notices of those days), 2018-12-05 (2018-12-02), 2025-01-09 (2024-12-30);
/// and on Good Fridays without a payrolls report from 2024 on, which it assumes open until 09:15 and CME keeps closed.
const CME: &str = "\
2010 closed=0101,1224 09:15=0402 11:30=0118,0215,0531,0705,0906,1125 13:15=1126
2011 closed=0422,1226 11:30=0117,0221,0530,0704,0905,1124 13:15=1125
2012 closed=0102,1225 09:15=0406,1029,1030 11:30=0116,0220,0528,0704,0903,1122 13:15=0703,1123,1224
2013 closed=0101,0329,1225 11:30=0121,0218,0527,0704,0902,1128 13:15=0703,1129,1224
2014 closed=0101,0418,1225 11:30=0120,0217 13:00=0526,0704,0901,1127 13:15=0703,1128,1224
2015 closed=0101,1225 09:15=0403 13:00=0119,0216,0525,0703,0907,1126 13:15=1127,1224
2016 closed=0101,0325,1226 13:00=0118,0215,0530,0704,0905,1124 13:15=1125
2017 closed=0102,0414,1225 13:00=0116,0220,0529,0704,0904,1123 13:15=0703,1124
2018 closed=0101,0330,1225 09:30=1205 13:00=0115,0219,0528,0704,0903,1122 13:15=0703,1123,1224
2019 closed=0101,0419,1225 13:00=0121,0218,0527,0704,0902,1128 13:15=0703,1129,1224
2020 closed=0101,0410,1225 13:00=0120,0217,0525,0703,0907,1126 13:15=1127,1224
2021 closed=0101,1224 09:15=0402 13:00=0118,0215,0531,0705,0906,1125 13:15=1126
2022 closed=0415,1226 13:00=0117,0221,0530,0620,0704,0905,1124 13:15=1125
2023 closed=0102,1225 09:15=0407 13:00=0116,0220,0529,0619,0704,0904,1123 13:15=0703,1124
2024 closed=0101,0329,1225 13:00=0115,0219,0527,0619,0704,0902,1128 13:15=0703,1129,1224
2025 closed=0101,0418,1225 09:30=0109 13:00=0120,0217,0526,0619,0704,0901,1127 13:15=0703,1128,1224
2026 closed=0101,1225 09:15=0403 13:00=0119,0216,0525,0619,0703,0907,1126 13:15=1127,1224
2027 closed=0101,0326,1224 13:00=0118,0215,0531,0618,0705,0906,1125 13:15=1126
2028 closed=0414,1225 13:00=0117,0221,0529,0619,0704,0904,1123 13:15=0703,1124
2029 closed=0101,0330,1225 13:00=0115,0219,0528,0619,0704,0903,1122 13:15=0703,1123,1224
2030 closed=0101,0419,1225 13:00=0121,0218,0527,0619,0704,0902,1128 13:15=0703,1129,1224";

/// 1970-01-01 was a Thursday.
fn is_weekend(date: TradingDate) -> bool {
    matches!((date.days_since_epoch() + 3).rem_euclid(7), 5 | 6)
}

fn check_against(calendar: CalendarId, table: &str) {
    let mut expected = std::collections::BTreeMap::new();
    for line in table.lines() {
        let (year, rest) = line.split_once(' ').unwrap();
        for (what, days) in rest.split(' ').map(|group| group.split_once('=').unwrap()) {
            for day in days.split(',') {
                expected.insert(format!("{year}-{}-{}", &day[..2], &day[2..]), what.to_owned());
            }
        }
    }
    let mut date = TradingDate::from_ymd(2010, 1, 1).unwrap();
    while date.year() <= 2030 {
        let said = match calendar.day(date) {
            TradingDay::Closed("weekend") => {
                assert!(is_weekend(date), "{date} is a weekday");
                None
            }
            TradingDay::Closed(_) => Some("closed".to_owned()),
            TradingDay::Short { close_minute, .. } => {
                Some(format!("{:02}:{:02}", close_minute / 60, close_minute % 60))
            }
            TradingDay::Regular => {
                assert!(!is_weekend(date), "{date} is a weekend");
                None
            }
        };
        assert_eq!(said, expected.remove(&date.to_string()), "{calendar} {date}");
        date = date.next_day();
    }
    assert!(expected.is_empty(), "{expected:?}");
}

#[test]
fn nyse_is_right_on_every_day_from_2010_to_2030() {
    check_against(CalendarId::Nyse, NYSE);
}

#[test]
fn cme_equity_is_right_on_every_day_from_2010_to_2030() {
    check_against(CalendarId::CmeEquity, CME);
}

fn on(calendar: CalendarId, date: &str) -> TradingDay {
    calendar.day(date.parse().unwrap())
}

fn ends(calendar: CalendarId, date: &str) -> Option<i16> {
    match on(calendar, date) {
        TradingDay::Short { close_minute, .. } => Some(close_minute),
        TradingDay::Regular => None,
        TradingDay::Closed(reason) => panic!("{calendar} {date} is closed: {reason}"),
    }
}

#[test]
fn the_other_globex_markets_follow_cme_notices() {
    use CalendarId::{CmeFx, CmeRates, NymexComex};
    // Notice of 2024-12-30: rates until 12:15 Central, currencies, energy and metals as usual.
    assert_eq!(ends(CmeRates, "2025-01-09"), Some(13 * 60 + 15));
    assert_eq!(ends(CmeFx, "2025-01-09"), None);
    assert_eq!(ends(NymexComex, "2025-01-09"), None);
    // Notice of 2018-12-02: rates do not open.
    assert!(matches!(on(CmeRates, "2018-12-05"), TradingDay::Closed(_)));
    // Sandy: rates stopped at noon New York time on the first day only.
    assert_eq!(ends(CmeRates, "2012-10-29"), Some(12 * 60));
    assert_eq!(ends(CmeRates, "2012-10-30"), None);
    // Independence Day 2017: all of them 13:00; the day before only equities are cut short.
    for calendar in [CmeRates, CmeFx, NymexComex] {
        assert_eq!(ends(calendar, "2017-07-04"), Some(13 * 60), "{calendar}");
        assert_eq!(ends(calendar, "2017-07-03"), None, "{calendar}");
    }
    // Martin Luther King Jr. Day 2025: rates 12:00 Central, currencies all day, energy and metals 13:30 Central.
    assert_eq!(ends(CmeRates, "2025-01-20"), Some(13 * 60));
    assert_eq!(ends(CmeFx, "2025-01-20"), None);
    assert_eq!(ends(NymexComex, "2025-01-20"), Some(14 * 60 + 30));
    assert_eq!(ends(NymexComex, "2024-11-29"), Some(13 * 60 + 45));
    assert_eq!(ends(NymexComex, "2026-11-27"), Some(14 * 60 + 45));
    // Good Friday with a payrolls report.
    assert_eq!(ends(CmeRates, "2023-04-07"), Some(11 * 60 + 15));
    assert_eq!(on(NymexComex, "2023-04-07"), TradingDay::Closed("Good Friday"));
}

#[test]
fn cfe_and_ice_keep_their_own_early_hours() {
    assert_eq!(ends(CalendarId::Cfe, "2024-07-03"), Some(13 * 60 + 15));
    assert_eq!(on(CalendarId::Cfe, "2025-01-09"), TradingDay::Closed("National Day of Mourning for Jimmy Carter"));
    assert_eq!(ends(CalendarId::IceUs, "2013-07-04"), Some(13 * 60));
    assert_eq!(on(CalendarId::IceUs, "2024-03-29"), TradingDay::Closed("Good Friday"));
}

#[test]
fn nse_knows_the_moving_feasts_of_its_table_and_its_working_weekends() {
    // Holi 2025, Diwali 2024, Holi 2021, the general election's Mumbai day 2024.
    for date in ["2025-03-14", "2024-11-01", "2021-03-29", "2024-05-20"] {
        assert_eq!(on(CalendarId::Nse, date), TradingDay::Closed("NSE holiday"), "{date}");
    }
    assert_eq!(on(CalendarId::Nse, "2024-01-26"), TradingDay::Closed("Republic Day"));
    assert_eq!(on(CalendarId::Nse, "2024-11-04"), TradingDay::Regular);
    // NSE's circular of November 2013: the 14th is a trading day, the 15th (Muharram) is not.
    assert_eq!(on(CalendarId::Nse, "2013-11-14"), TradingDay::Regular);
    assert_eq!(on(CalendarId::Nse, "2013-11-15"), TradingDay::Closed("NSE holiday"));
    // The budget of 2025 was on a Saturday.
    assert_eq!(on(CalendarId::Nse, "2025-02-01"), TradingDay::Regular);
    assert_eq!(on(CalendarId::Nse, "2025-02-08"), TradingDay::Closed("weekend"));
}

#[test]
fn every_calendar_is_found_by_the_name_it_prints() {
    for id in CalendarId::ALL {
        assert_eq!(id.to_string().parse::<CalendarId>().unwrap(), id);
    }
    assert!("NYSE".parse::<CalendarId>().is_err());
}
