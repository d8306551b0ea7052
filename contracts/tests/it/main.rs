//! Whole blocks through the executor, over a state in memory.

mod world;

mod access;
mod attendance;
mod codes;
mod codes_of_members;
mod determinism;
mod epochs;
mod executor;
mod governance;
mod identity;
mod lanes;
mod measured;
mod offences;
mod quota;
mod records;
mod solver;
mod staking;
