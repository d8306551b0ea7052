//! The genesis file and block 0.

mod golden;
