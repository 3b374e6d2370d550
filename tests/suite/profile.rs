//! The market profile from outside: real bars against independent programs, and histograms on the command line.

mod histogram;
mod reference;
mod standing;
mod tables;
