//! Real processes on loopback: validators, devices, strangers. Few and slow; one network at a time.

mod crashes;
mod faults;
mod localnet;
mod membership;
mod operations;
mod refusals;
