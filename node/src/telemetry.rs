//! What an operator sees: log lines and metrics.
//!
//! Neither ever carries a patient, a device, a plaintext value or a transaction's id as a metric label: labels are
//! fixed sets of names, so the number of series does not grow with use.

pub mod log;
pub mod metrics;

mod network;
mod process;
