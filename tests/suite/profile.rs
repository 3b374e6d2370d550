//! The market profile from outside: real bars against independent programs, and histograms on the command line.

mod reference;
mod tables;
