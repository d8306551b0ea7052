//! Whole clusters, and table-driven tests, one file a rule.

mod memory;
mod rule_02_propose;
mod rule_05_nullify;
mod rule_07_finality;
mod rule_08_restart;
mod rule_09_resend;
mod rule_11_divergence;
