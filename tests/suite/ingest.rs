//! `pitlake ingest greeks` from the outside: what goes in whole ([`shapes`]), what is refused and how it is told
//! ([`refusals`]), what happens the second time ([`again`]), and input that nobody should send ([`hostile`]).

mod again;
mod hostile;
mod numbers;
mod refusals;
mod shapes;
