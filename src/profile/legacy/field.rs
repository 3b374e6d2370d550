//! The fields of a session and the many names under which old writers put them.

/// A field of a record, by the old API's names; the three groups stand for two fields each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Symbol,
    Date,
    Session,
    SessionType,
    Bias,
    ValueAreaHigh,
    ValueAreaLow,
    Poc,
    InitialBalanceHigh,
    InitialBalanceLow,
    SessionHigh,
    SessionLow,
    SinglePrints,
    PoorHigh,
    PoorLow,
    ExcessHigh,
    ExcessLow,
    TpoStructure,
    Volume,
    CashSessionReturn,
    /// `{"high":…,"low":…}` or a pair in place of two fields.
    ValueArea,
    InitialBalance,
    SessionRange,
}

impl Field {
    /// Those that a record has in the old API, in its order, and the session's kind.
    pub const ALL: [Self; 20] = [
        Self::Symbol,
        Self::Date,
        Self::Session,
        Self::SessionType,
        Self::Bias,
        Self::ValueAreaHigh,
        Self::ValueAreaLow,
        Self::Poc,
        Self::InitialBalanceHigh,
        Self::InitialBalanceLow,
        Self::SessionHigh,
        Self::SessionLow,
        Self::SinglePrints,
        Self::PoorHigh,
        Self::PoorLow,
        Self::ExcessHigh,
        Self::ExcessLow,
        Self::TpoStructure,
        Self::Volume,
        Self::CashSessionReturn,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Symbol => "symbol",
            Self::Date => "date",
            Self::Session => "session",
            Self::SessionType => "session_type",
            Self::Bias => "bias",
            Self::ValueAreaHigh => "value_area_high",
            Self::ValueAreaLow => "value_area_low",
            Self::Poc => "poc",
            Self::InitialBalanceHigh => "initial_balance_high",
            Self::InitialBalanceLow => "initial_balance_low",
            Self::SessionHigh => "session_high",
            Self::SessionLow => "session_low",
            Self::SinglePrints => "single_prints",
            Self::PoorHigh => "poor_high",
            Self::PoorLow => "poor_low",
            Self::ExcessHigh => "excess_high",
            Self::ExcessLow => "excess_low",
            Self::TpoStructure => "tpo_structure",
            Self::Volume => "volume",
            Self::CashSessionReturn => "cash_session_return",
            Self::ValueArea => "value_area",
            Self::InitialBalance => "initial_balance",
            Self::SessionRange => "session_range",
        }
    }

    /// The two fields that a group stands for: high and low.
    pub fn of_group(self) -> Option<[Self; 2]> {
        match self {
            Self::ValueArea => Some([Self::ValueAreaHigh, Self::ValueAreaLow]),
            Self::InitialBalance => Some([Self::InitialBalanceHigh, Self::InitialBalanceLow]),
            Self::SessionRange => Some([Self::SessionHigh, Self::SessionLow]),
            _ => None,
        }
    }

    /// Whether it says something about the session, and not which one it is.
    pub fn is_content(self) -> bool {
        !matches!(self, Self::Symbol | Self::Date | Self::Session)
    }

    /// The field of a name in any spelling: case and everything that is no letter or digit are of no account.
    pub fn named(name: &str) -> Option<Self> {
        if name.len() > 64 {
            return None;
        }
        let plain: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
        Some(match plain.as_str() {
            "symbol" | "sym" | "ticker" | "instrument" | "contract" | "product" => Self::Symbol,
            "date" | "tradingdate" | "tradedate" | "sessiondate" | "day" | "dt" | "tradingday" => Self::Date,
            "session" | "sessionkind" | "sessionname" | "hours" => Self::Session,
            "sessiontype" | "daytype" | "type" | "profiletype" => Self::SessionType,
            "bias" | "direction" | "sessionbias" | "daybias" => Self::Bias,
            "valueareahigh" | "valueareahi" | "vah" | "vahigh" | "vahi" | "valuehigh" => Self::ValueAreaHigh,
            "valuearealow" | "valuearealo" | "val" | "valow" | "valo" | "valuelow" => Self::ValueAreaLow,
            "poc" | "pointofcontrol" | "tpopoc" | "pocprice" => Self::Poc,
            "initialbalancehigh" | "initialbalancehi" | "ibhigh" | "ibh" | "ibhi" => Self::InitialBalanceHigh,
            "initialbalancelow" | "initialbalancelo" | "iblow" | "ibl" | "iblo" => Self::InitialBalanceLow,
            "sessionhigh" | "sessionhi" | "dayhigh" | "high" | "rthhigh" => Self::SessionHigh,
            "sessionlow" | "sessionlo" | "daylow" | "low" | "rthlow" => Self::SessionLow,
            "singleprints" | "singles" | "singleprint" => Self::SinglePrints,
            "poorhigh" | "poorhi" | "ispoorhigh" => Self::PoorHigh,
            "poorlow" | "poorlo" | "ispoorlow" => Self::PoorLow,
            "excesshigh" | "excesshi" | "hasexcesshigh" => Self::ExcessHigh,
            "excesslow" | "excesslo" | "hasexcesslow" => Self::ExcessLow,
            "tpostructure" | "tpos" | "tpo" | "periods" | "tpoperiods" | "letters" | "structure" => Self::TpoStructure,
            "volume" | "vol" | "totalvolume" | "sessionvolume" => Self::Volume,
            "cashsessionreturn" | "cashreturn" | "sessionreturn" | "return" | "ret" => Self::CashSessionReturn,
            "valuearea" | "va" => Self::ValueArea,
            "initialbalance" | "ib" => Self::InitialBalance,
            "sessionrange" | "dayrange" | "range" => Self::SessionRange,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_finds_its_field() {
        for field in Field::ALL {
            assert_eq!(Field::named(field.name()), Some(field));
            assert_eq!(Field::named(&field.name().to_uppercase()), Some(field));
        }
        for (name, field) in [
            ("valueAreaHigh", Field::ValueAreaHigh),
            ("value_area_hi", Field::ValueAreaHigh),
            ("VAL", Field::ValueAreaLow),
            ("point_of_control", Field::Poc),
            ("ibHigh", Field::InitialBalanceHigh),
            ("sessionType", Field::SessionType),
            ("initial-balance", Field::InitialBalance),
        ] {
            assert_eq!(Field::named(name), Some(field), "{name}");
        }
        assert_eq!(Field::named("version"), None);
        assert_eq!(Field::named(&"poc ".repeat(1000)), None);
    }
}
