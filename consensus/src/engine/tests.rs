//! Whole clusters, and table-driven tests, one file a rule.

mod rule_05_nullify;
