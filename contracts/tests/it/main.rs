//! Whole blocks through the executor, over a state in memory.

mod people;
mod world;

mod access;
mod agreements;
mod attendance;
mod codes;
mod codes_of_members;
mod codes_of_people;
mod determinism;
mod devices;
mod epochs;
mod executor;
mod governance;
mod identity;
mod lanes;
mod measured;
mod merges;
mod offences;
mod persons;
mod quota;
mod records;
mod solver;
mod staking;
