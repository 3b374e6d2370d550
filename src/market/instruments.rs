//! The registry of instruments: a built-in table (`instruments.toml`, in the source) and whatever a lake's
//! `_config/instruments.toml` changes or adds. Both have the same shape. The registry never changes once made.

use std::collections::HashMap;
use std::sync::Arc;

use toml::{Table, Value};

use crate::market::{Instrument, Symbol, entry};
use crate::{Error, Result};

const BUILTIN: &str = include_str!("instruments.toml");
const BUILTIN_NAME: &str = "built-in instruments.toml";

/// All instruments that a process knows, found by symbol or by alias.
#[derive(Debug)]
pub struct Instruments {
    /// Sorted by symbol.
    list: Vec<Arc<Instrument>>,
    /// Canonical symbols and aliases, to places in `list`.
    by_name: HashMap<String, usize>,
}

impl Instruments {
    /// The instruments that pitlake comes with.
    pub fn builtin() -> Arc<Self> {
        match parse_table(BUILTIN, BUILTIN_NAME).and_then(|table| Self::from_table(&table, BUILTIN_NAME)) {
            Ok(instruments) => instruments,
            // The table is part of the binary and a test reads it, so no input can reach this.
            Err(error) => unreachable!("{error}"),
        }
    }

    /// The built-in instruments with `toml_text` laid over them: a field given for a known symbol replaces that field
    /// (`sessions` and `aliases` as a whole), a symbol not known yet needs all fields but `tick_value_usd`, `week_open` and
    /// `aliases`.
    ///
    /// Fails with `Invalid`, naming `file_name`, symbol and field, when anything is wrong; nothing is taken by halves.
    pub fn with_overrides(toml_text: &str, file_name: &str) -> Result<Arc<Self>> {
        let mut merged = parse_table(BUILTIN, BUILTIN_NAME)?;
        for (symbol, change) in parse_table(toml_text, file_name)? {
            let Value::Table(change) = change else {
                return Err(Error::invalid(format!("{file_name}: {symbol}: must be a table, as in [{symbol}]")));
            };
            match merged.get_mut(&symbol) {
                Some(Value::Table(known)) => known.extend(change),
                _ => {
                    merged.insert(symbol, Value::Table(change));
                }
            }
        }
        Self::from_table(&merged, file_name)
    }

    pub fn get(&self, symbol: &Symbol) -> Option<&Arc<Instrument>> {
        self.resolve(symbol.as_str()).filter(|instrument| instrument.symbol == *symbol)
    }

    /// By canonical symbol or alias, in exactly that case.
    pub fn resolve(&self, name: &str) -> Option<&Arc<Instrument>> {
        self.by_name.get(name).map(|&at| &self.list[at])
    }

    /// All instruments, sorted by symbol.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Instrument>> {
        self.list.iter()
    }

    fn from_table(table: &Table, file_name: &str) -> Result<Arc<Self>> {
        let mut list = Vec::with_capacity(table.len());
        for (name, value) in table {
            let in_entry = |error: Error| error.while_doing(format_args!("{file_name}: {name}"));
            let symbol: Symbol = name.parse().map_err(in_entry)?;
            let fields = value.as_table().ok_or_else(|| in_entry(Error::invalid("must be a table")))?;
            list.push(Arc::new(entry::instrument(symbol, fields).map_err(in_entry)?));
        }
        list.sort_by(|a: &Arc<Instrument>, b| a.symbol.cmp(&b.symbol));

        let mut by_name: HashMap<String, usize> =
            list.iter().enumerate().map(|(at, instrument)| (instrument.symbol.to_string(), at)).collect();
        for (at, instrument) in list.iter().enumerate() {
            for alias in &instrument.aliases {
                if let Some(other) = by_name.insert(alias.clone(), at)
                    && (other != at || *alias == instrument.symbol.as_str())
                {
                    return Err(Error::invalid(format!(
                        "{file_name}: {}: aliases: {alias:?} already names {}",
                        instrument.symbol, list[other].symbol
                    )));
                }
            }
        }
        Ok(Arc::new(Self { list, by_name }))
    }
}

fn parse_table(text: &str, file_name: &str) -> Result<Table> {
    text.parse().map_err(|error: toml::de::Error| {
        Error::invalid(format!("{file_name} is not valid TOML: {}", error.to_string().trim_end()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::market::{AssetClass, SessionKind};

    fn overridden(text: &str) -> Result<Arc<Instruments>> {
        Instruments::with_overrides(text, "_config/instruments.toml")
    }

    #[test]
    fn ticks_are_those_of_the_contracts() {
        // The exchanges' contract specifications: tick, its value in US dollars, US dollars a point.
        for (symbol, tick, value, point) in [
            ("YM", "1", "5", 5.0),
            ("ES", "0.25", "12.5", 50.0),
            ("NQ", "0.25", "5", 20.0),
            ("RTY", "0.1", "5", 50.0),
            ("CL", "0.01", "10", 1000.0),
            ("SI", "0.005", "25", 5000.0),
            ("HG", "0.0005", "12.5", 25_000.0),
            ("GC", "0.1", "10", 100.0),
            ("VX", "0.05", "50", 1000.0),
            ("DX", "0.005", "5", 1000.0),
            ("ZB", "0.03125", "31.25", 1000.0),
            ("6E", "0.00005", "6.25", 125_000.0),
        ] {
            let instruments = Instruments::builtin();
            let future = instruments.resolve(symbol).unwrap();
            assert_eq!(future.tick_size.to_string(), tick, "{symbol}");
            assert_eq!(future.tick_value_usd.unwrap().to_string(), value, "{symbol}");
            assert_eq!(future.option_multiplier, point, "{symbol}");
            assert_eq!(future.asset_class, AssetClass::Future);
        }
    }

    #[test]
    fn finds_by_symbol_and_by_providers_spelling_in_exact_case() {
        let instruments = Instruments::builtin();
        for (name, symbol) in
            [("SPX", "SPX"), ("^SPX", "SPX"), ("SPXW", "SPX"), ("$SPX", "SPX"), ("BTC/USD", "BTC-USD"), ("ES=F", "ES")]
        {
            assert_eq!(instruments.resolve(name).unwrap().symbol.as_str(), symbol);
        }
        assert!(instruments.resolve("spx").is_none());
        assert!(instruments.resolve("").is_none());
        assert!(instruments.get(&"SPXW".parse().unwrap()).is_none());
        assert_eq!(instruments.get(&"BRK.B".parse().unwrap()).unwrap().asset_class, AssetClass::Stock);
        let symbols: Vec<_> = instruments.iter().map(|instrument| instrument.symbol.clone()).collect();
        assert!(symbols.is_sorted());
        assert_eq!(symbols.len(), 34);
    }

    #[test]
    fn an_override_changes_one_field_or_adds_a_symbol() {
        let instruments = overridden(
            r#"
            [ES]
            default_session = "full"
            row_ticks = 2
            [GLD]
            name = "SPDR Gold Shares"
            asset_class = "etf"
            tick_size = "0.01"
            row_ticks = 10
            tpo_period_minutes = 30
            option_multiplier = 100.0
            time_zone = "America/New_York"
            calendar = "nyse"
            sessions = { rth = "09:30-16:00" }
            default_session = "rth"
            "#,
        )
        .unwrap();
        let es = instruments.resolve("ES").unwrap();
        assert_eq!((es.row_ticks, es.default_session), (2, SessionKind::Full));
        assert_eq!(es.tick_size.to_string(), "0.25");
        assert_eq!(instruments.resolve("GLD").unwrap().tick_value_usd, None);
        assert_eq!(instruments.iter().count(), Instruments::builtin().iter().count() + 1);
        assert_eq!(overridden("").unwrap().iter().count(), Instruments::builtin().iter().count());
    }

    #[test]
    fn a_wrong_entry_is_refused_with_file_symbol_and_field() {
        for (text, symbol, field) in [
            ("[SPY]\ntick_size = 0.01", "SPY", "tick_size"),
            ("[SPY]\ntick_size = \"0\"", "SPY", "tick_size"),
            ("[SPY]\ntick_value_usd = \"-1\"", "SPY", "tick_value_usd"),
            ("[SPY]\nrow_ticks = 0", "SPY", "row_ticks"),
            ("[SPY]\ntpo_period_minutes = 1441", "SPY", "tpo_period_minutes"),
            ("[SPY]\noption_multiplier = nan", "SPY", "option_multiplier"),
            ("[SPY]\ntime_zone = \"New York\"", "SPY", "time_zone"),
            ("[SPY]\ntime_zone = \"UTC\"", "SPY", "calendar"),
            ("[SPY]\ncalendar = \"nasdaq\"", "SPY", "calendar"),
            ("[SPY]\nasset_class = \"fund\"", "SPY", "asset_class"),
            ("[SPY]\nsessions = { rth = \"9:30-16:00\" }", "SPY", "sessions"),
            ("[SPY]\nsessions = { day = \"09:30-16:00\" }", "SPY", "sessions"),
            ("[SPY]\ndefault_session = \"full\"", "SPY", "default_session"),
            ("[DX]\nweek_open = \"06:00\"", "DX", "week_open"),
            ("[SPY]\nweek_open = \"18:00\"", "SPY", "week_open"),
            ("[ES]\nsessions = { rth = \"09:30-18:30\", full = \"18:00-17:00\" }", "ES", "sessions"),
            ("[SPY]\naliases = [1]", "SPY", "aliases"),
            ("[SPY]\naliases = [\"QQQ\"]", "SPY", "aliases"),
            ("[SPY]\naliases = [\"^SPX\"]", "SPX", "aliases"),
            ("[SPY]\ntick = \"0.01\"", "SPY", "tick"),
            ("[SPY]\nname = \"\"", "SPY", "name"),
            ("[NEW]\nname = \"New\"", "NEW", "sessions"),
            ("[spy]\nname = \"New\"", "spy", "capitals"),
            ("SPY = 1", "SPY", "table"),
            ("[SPY", "SPY", "TOML"),
        ] {
            let error = overridden(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            for part in ["_config/instruments.toml", symbol, field] {
                assert!(error.detail().contains(part), "{text:?} should name {part}: {}", error.detail());
            }
        }
    }

    #[test]
    fn the_fingerprint_changes_with_whatever_changes_results_and_nothing_else() {
        let of = |text: &str| overridden(text).unwrap().resolve("DX").unwrap().settings_fingerprint();
        let builtin = of("");
        assert_eq!(builtin.len(), 16);
        for text in [
            "tick_size = \"0.01\"",
            "tick_value_usd = \"6\"",
            "row_ticks = 7",
            "tpo_period_minutes = 15",
            "option_multiplier = 100",
            "asset_class = \"index\"",
            "calendar = \"nyse\"",
            "sessions = { rth = \"08:00-15:00\", full = \"20:00-17:00\" }",
            "sessions = { rth = \"08:00-15:00\", overnight = \"20:00-08:00\", full = \"20:00-17:01\" }",
            "default_session = \"full\"",
            "week_open = \"18:30\"",
        ] {
            assert_ne!(of(&format!("[DX]\n{text}")), builtin, "{text}");
        }
        for text in ["name = \"Dollar\"", "aliases = [\"USDX\"]", "tick_size = \"0.0050\""] {
            assert_eq!(of(&format!("[DX]\n{text}")), builtin, "{text}");
        }
    }
}
