//! The genesis file and block 0.

mod fixture;

mod golden;
mod refusals;
