//! What the measurements were made on. Absolute times mean little without it: on a machine that others use, a load
//! average above its cores explains a missed target better than the code does.

use std::fs;
use std::num::NonZero;
use std::thread;

use serde::Serialize;

/// Run-queue lengths over the last 1, 5 and 15 minutes.
type LoadAverage = [f64; 3];

#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub cores: usize,
    /// `None` where the system does not tell.
    pub load_before: Option<LoadAverage>,
    pub load_after: Option<LoadAverage>,
    pub processor: Option<String>,
    pub pitlake: &'static str,
    pub duckdb: String,
}

impl Machine {
    /// Looks at the machine before the work begins.
    pub fn look(duckdb: String) -> Self {
        Self {
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            load_before: load_average(),
            load_after: None,
            processor: fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| parse_processor(&text)),
            pitlake: env!("CARGO_PKG_VERSION"),
            duckdb,
        }
    }

    /// Looks again when it is done.
    pub fn look_again(&mut self) {
        self.load_after = load_average();
    }
}

fn load_average() -> Option<LoadAverage> {
    parse_load(&fs::read_to_string("/proc/loadavg").ok()?)
}

fn parse_load(text: &str) -> Option<LoadAverage> {
    let mut words = text.split_whitespace().map(|word| word.parse().ok());
    Some([words.next()??, words.next()??, words.next()??])
}

fn parse_processor(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        assert_eq!(parse_load("0.20 0.18 0.12 1/80 11206\n"), Some([0.20, 0.18, 0.12]));
        assert_eq!(parse_load("0.20 0.18"), None);
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nprocessor\t: 1\nmodel name\t: Other\n";
        assert_eq!(parse_processor(cpuinfo).as_deref(), Some("Some CPU @ 2.00GHz"));
    }
}
