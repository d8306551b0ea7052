//! What holds where `node.toml` says nothing.

use super::file::{ApiSection, LogSection, MempoolSection, NetworkSection, StorageSection};

/// Where a node listens for the other validators.
pub const LISTEN: &str = "/ip4/0.0.0.0/tcp/4001";

/// Where a node serves its API. Loopback, because the API has neither transport security nor accounts.
pub const API: &str = "127.0.0.1:7070";

impl Default for NetworkSection {
    fn default() -> Self {
        Self {
            listen: vec![LISTEN.to_owned()],
        }
    }
}

impl Default for ApiSection {
    fn default() -> Self {
        Self {
            listen: API.to_owned(),
            clients: None,
        }
    }
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: "text".to_owned(),
        }
    }
}

impl Default for MempoolSection {
    fn default() -> Self {
        Self {
            lane_transactions_max: 20_000,
            lane_bytes_max: 64 * 1024 * 1024,
        }
    }
}

impl Default for StorageSection {
    fn default() -> Self {
        Self {
            disk_reserve_mb: 64,
        }
    }
}
