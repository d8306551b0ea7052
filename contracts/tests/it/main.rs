//! Whole blocks through the executor, over a state in memory.

mod world;

mod codes;
mod determinism;
mod executor;
mod identity;
mod records;
