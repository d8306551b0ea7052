//! Table-driven tests, one group a rule.
