//! How long work shows itself: a bar on a terminal, plain lines elsewhere. Always on standard error.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `length` steps; hidden when standard error is not a terminal.
pub fn bar(length: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), target());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.with_message(what.to_owned())
}

/// A counter of bytes without a known end.
pub fn bytes(what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target());
    if let Ok(style) = ProgressStyle::with_template("{msg} {spinner} {binary_bytes} {binary_bytes_per_sec}") {
        bar.set_style(style);
    }
    bar.with_message(what.to_owned())
}

/// A bar over bytes whose sum grows as it becomes known; hidden when standard error is not a terminal.
pub fn transfer(what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), target());
    let template = "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(what.to_owned())
}

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}
