//! How much memory another process held at the most. Linux keeps the high-water mark itself, so looking now and then misses
//! nothing but the last moments; elsewhere the figure is left out rather than guessed.

use std::fs;

const MIB: f64 = 1_048_576.0;

/// The most resident memory that the process has held so far, in MiB. `None` when it has ended or the system does not tell.
pub fn peak_mib(process: u32) -> Option<f64> {
    parse(&fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

fn parse(status: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1_024.0 / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_high_water_mark_and_no_other_line() {
        let status = "Name:\tpitlake\nVmPeak:\t  999999 kB\nVmHWM:\t  524288 kB\nVmRSS:\t  131072 kB\n";
        assert_eq!(parse(status), Some(512.0));
        // A process that has ended and was not waited for yet has no such line.
        assert_eq!(parse("Name:\tpitlake\nState:\tZ (zombie)\n"), None);
    }
}
