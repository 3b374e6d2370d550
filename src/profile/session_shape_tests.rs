//! One day made by hand for each session type and its mirror image, and what each threshold changes.

use super::record::{Bias, SessionType};
use super::scene::{Asked, letters};

struct Day {
    open: i64,
    ranges: Vec<(i64, i64)>,
    close: i64,
}

fn day(open: i64, ranges: &[(i64, i64)], close: i64) -> Day {
    Day { open, ranges: ranges.to_vec(), close }
}

impl Day {
    /// The same upside down.
    fn mirrored(&self) -> Self {
        let ranges = self.ranges.iter().map(|(low, high)| (-high, -low)).collect();
        Self { open: -self.open, ranges, close: -self.close }
    }

    fn seen_by(&self, asked: &Asked) -> (SessionType, Bias) {
        let profile = asked.over(&letters(asked.session, self.open, &self.ranges, self.close));
        (profile.session_type, profile.bias)
    }

    #[track_caller]
    fn is(&self, kind: SessionType, bias: Bias) {
        let asked = Asked::day();
        assert_eq!(self.seen_by(&asked), (kind, bias));
        let other = match bias {
            Bias::Up => Bias::Down,
            Bias::Down => Bias::Up,
            Bias::Neutral => Bias::Neutral,
        };
        assert_eq!(self.mirrored().seen_by(&asked), (kind, other), "upside down");
    }
}

/// Ten points in all day.
fn non_trend() -> Day {
    day(103, &[(100, 106), (101, 107), (102, 108), (103, 109), (104, 110), (102, 107)], 105)
}

/// Both sides are set in the first hour.
fn normal() -> Day {
    day(110, &[(100, 140), (105, 138), (108, 135), (110, 130), (106, 128), (110, 132)], 120)
}

/// 22 points in the first hour, 40 in the day.
fn normal_variation() -> Day {
    day(101, &[(100, 120), (102, 122), (110, 128), (115, 135), (120, 138), (122, 140)], 136)
}

/// Thirteen half-hours, each eight points above the one before.
fn trend() -> Day {
    let ranges: Vec<_> = (0..13).map(|at| (100 + 8 * at, 112 + 8 * at)).collect();
    day(101, &ranges, 207)
}

/// A quiet morning at 100 to 112, one half-hour through to 140, an afternoon at 132 to 146.
fn double_distribution() -> Day {
    let mut ranges = vec![(100, 110), (101, 112), (100, 111), (102, 112), (104, 112), (110, 140)];
    ranges.extend([(132, 144), (133, 146), (132, 145), (134, 146), (133, 145), (134, 146), (135, 146)]);
    day(101, &ranges, 145)
}

/// Six points beyond the first hour on either side.
fn neutral(close: i64) -> Day {
    day(110, &[(100, 120), (102, 118), (104, 116), (105, 126), (94, 118), (100, 122), (105, 126)], close)
}

#[test]
fn one_day_of_each_type() {
    non_trend().is(SessionType::NonTrend, Bias::Neutral);
    normal().is(SessionType::Normal, Bias::Neutral);
    normal_variation().is(SessionType::NormalVariation, Bias::Up);
    trend().is(SessionType::Trend, Bias::Up);
    double_distribution().is(SessionType::DoubleDistributionTrend, Bias::Up);
    neutral(112).is(SessionType::Neutral, Bias::Neutral);
    neutral(125).is(SessionType::NeutralExtreme, Bias::Up);
}

#[test]
fn a_slight_extension_leaves_a_day_normal() {
    let mut day = normal();
    // 40 points of initial balance, 44 in the day: 91 %.
    day.ranges.push((120, 144));
    day.close = 130;
    day.is(SessionType::Normal, Bias::Neutral);
    // 48 in the day: 83 %.
    day.ranges.push((120, 148));
    day.is(SessionType::NormalVariation, Bias::Neutral);
}

#[test]
fn a_wide_day_that_gives_it_back_is_no_trend() {
    let mut day = trend();
    day.ranges[12] = (150, 208);
    day.close = 152;
    let (kind, _) = day.seen_by(&Asked::day());
    assert_eq!(kind, SessionType::NormalVariation);
}

#[test]
fn a_wide_day_that_went_nowhere_for_hours_is_no_trend() {
    // After the first hour everything is at 130 to 150: one distribution, eleven letters wide.
    let mut ranges = vec![(100, 112), (104, 116)];
    ranges.extend(vec![(114, 150); 11]);
    assert_eq!(day(101, &ranges, 149).seen_by(&Asked::day()).0, SessionType::NormalVariation);
}

#[test]
fn two_balances_need_the_close_in_the_second() {
    let mut day = double_distribution();
    day.ranges[12] = (104, 146);
    day.close = 106;
    assert_eq!(day.seen_by(&Asked::day()).0, SessionType::NormalVariation);
}

#[test]
fn thresholds_are_those_of_the_settings() {
    let changed = |day: Day, change: fn(&mut Asked)| {
        let mut asked = Asked::day();
        change(&mut asked);
        day.seen_by(&asked).0
    };
    use SessionType::*;
    assert_eq!(changed(non_trend(), |asked| asked.settings.session_type.non_trend_rows = 9), NormalVariation);
    assert_eq!(changed(normal(), |asked| asked.settings.session_type.non_trend_rows = 40), NonTrend);
    assert_eq!(
        changed(normal_variation(), |asked| asked.settings.session_type.normal_share = "0.55".parse().unwrap()),
        Normal
    );
    assert_eq!(changed(normal_variation(), |asked| asked.settings.session_type.trend_range_percent = 180), Trend);
    assert_eq!(
        changed(trend(), |asked| asked.settings.session_type.trend_width = "0.1".parse().unwrap()),
        NormalVariation
    );
    assert_eq!(changed(trend(), |asked| asked.settings.session_type.trend_range_percent = 600), NormalVariation);
    assert_eq!(
        changed(double_distribution(), |asked| asked.settings.session_type.separation_rows = 20),
        NormalVariation
    );
    assert_eq!(
        changed(double_distribution(), |asked| asked.settings.session_type.distribution_width = "0.5".parse().unwrap()),
        NormalVariation
    );
    assert_eq!(
        changed(double_distribution(), |asked| asked.settings.session_type.distribution_share = "0.5".parse().unwrap()),
        NormalVariation
    );
    assert_eq!(changed(neutral(112), |asked| asked.settings.session_type.extension_rows = 7), Normal);
    assert_eq!(
        changed(neutral(112), |asked| asked.settings.session_type.extreme_close = "0.5".parse().unwrap()),
        NeutralExtreme
    );
}

#[test]
fn the_type_is_read_off_the_instruments_own_rows_where_it_speaks_of_rows() {
    let mut asked = Asked::day();
    asked.shape.row_ticks = 5;
    assert_eq!(non_trend().seen_by(&asked).0, SessionType::NonTrend);
    assert_eq!(normal().seen_by(&asked).0, SessionType::Normal);
}

#[test]
fn four_votes_make_a_bias() {
    // A day that opened low, closed a little higher in the middle of its range, with an extension upwards only: two votes.
    let up = day(110, &[(100, 130), (104, 128), (106, 126), (108, 128), (104, 140), (102, 128)], 122);
    assert_eq!(up.seen_by(&Asked::day()), (SessionType::NormalVariation, Bias::Up));
    let mut asked = Asked::day();
    asked.settings.bias.lead = 3;
    assert_eq!(up.seen_by(&asked).1, Bias::Neutral);
    asked.settings.bias.lead = 2;
    asked.settings.bias.move_share = "0.4".parse().unwrap();
    assert_eq!(up.seen_by(&asked).1, Bias::Neutral);
    // The same day but for a close in the lower third, where it opened: one vote each way.
    let given_back = Day { close: 108, ..up };
    assert_eq!(given_back.seen_by(&Asked::day()).1, Bias::Neutral);
}
