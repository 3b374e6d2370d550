//! How a generated day goes: one of the shapes that the books on market profile tell apart, as a course that its price is
//! drawn along. Called by [`super::day`].

use super::random::Draws;

/// The intended course of the regular hours. What a day is called in the end its bars decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DayShape {
    /// Hardly moves.
    NonTrend,
    /// A wide first hour that holds.
    Normal,
    /// Leaves the first hour to one side, by less than its width.
    NormalVariation,
    /// Opens at one end and closes at the other.
    Trend,
    /// Two quiet places with a fast move in between.
    DoubleDistribution,
    /// Leaves the first hour to both sides and comes back.
    Neutral,
    /// Leaves it to both sides and closes at an extreme.
    NeutralExtreme,
}

/// A course: (share of the hours, distance from the open in the day's own ranges), straight in between.
type Course = &'static [(f64, f64)];

impl DayShape {
    pub const ALL: [Self; 7] = [
        Self::NonTrend,
        Self::Normal,
        Self::NormalVariation,
        Self::Trend,
        Self::DoubleDistribution,
        Self::Neutral,
        Self::NeutralExtreme,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NonTrend => "non_trend",
            Self::Normal => "normal",
            Self::NormalVariation => "normal_variation",
            Self::Trend => "trend",
            Self::DoubleDistribution => "double_distribution_trend",
            Self::Neutral => "neutral",
            Self::NeutralExtreme => "neutral_extreme",
        }
    }

    /// Quiet days are the most frequent and the two extremes the rarest.
    pub(super) fn draw(draws: &mut Draws) -> Self {
        match draws.below(100) {
            0..8 => Self::NonTrend,
            8..28 => Self::Normal,
            28..56 => Self::NormalVariation,
            56..70 => Self::Trend,
            70..80 => Self::DoubleDistribution,
            80..93 => Self::Neutral,
            _ => Self::NeutralExtreme,
        }
    }

    fn course(self) -> Course {
        match self {
            Self::NonTrend => &[(0.0, 0.0), (0.3, 0.08), (0.6, -0.05), (1.0, 0.02)],
            Self::Normal => {
                &[(0.0, 0.0), (0.06, 0.75), (0.13, -0.1), (0.3, 0.5), (0.5, 0.2), (0.7, 0.55), (0.85, 0.25), (1.0, 0.4)]
            }
            Self::NormalVariation => {
                &[(0.0, 0.0), (0.07, 0.45), (0.15, 0.05), (0.35, 0.55), (0.5, 0.75), (0.75, 0.5), (1.0, 0.62)]
            }
            Self::Trend => {
                &[(0.0, 0.0), (0.1, 0.3), (0.15, 0.25), (0.35, 0.75), (0.5, 0.95), (0.7, 1.35), (0.9, 1.6), (1.0, 1.75)]
            }
            Self::DoubleDistribution => {
                &[(0.0, 0.0), (0.15, 0.15), (0.42, 0.05), (0.52, 1.0), (0.7, 1.15), (0.85, 1.0), (1.0, 1.1)]
            }
            Self::Neutral => {
                &[(0.0, 0.0), (0.07, 0.3), (0.15, 0.0), (0.35, 0.6), (0.6, -0.3), (0.75, -0.25), (1.0, 0.15)]
            }
            Self::NeutralExtreme => {
                &[(0.0, 0.0), (0.07, 0.25), (0.15, 0.0), (0.35, -0.4), (0.55, 0.1), (0.8, 0.7), (1.0, 0.85)]
            }
        }
    }

    /// Where the course stands at `share` of the hours, in ranges from the open.
    pub(super) fn at(self, share: f64) -> f64 {
        let course = self.course();
        let next = course.iter().position(|(at, _)| *at > share).unwrap_or(course.len() - 1).max(1);
        let ((from, low), (to, high)) = (course[next - 1], course[next]);
        low + (high - low) * ((share - from) / (to - from)).clamp(0.0, 1.0)
    }

    /// How much the price wanders around its course, in ranges.
    pub(super) fn unrest(self) -> f64 {
        match self {
            Self::NonTrend => 0.05,
            Self::Trend | Self::DoubleDistribution => 0.07,
            _ => 0.06,
        }
    }
}
