//! Whole clusters, and table-driven tests, one file a rule. The rest of rule 4 is with rule 3, rule 10 with rule 7.

mod agreement;
mod cluster;
mod epoch_end;
mod evidence;
mod memory;
mod rule_01_enter;
mod rule_02_propose;
mod rule_03_notarize;
mod rule_04_late;
mod rule_05_nullify;
mod rule_06_exclusion;
mod rule_07_finality;
mod rule_08_restart;
mod rule_09_resend;
mod rule_11_divergence;
mod standing;
mod traps;
