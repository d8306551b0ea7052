//! `node.toml` as written. Unknown fields are refused, missing ones have defaults.

use super::ConfigError;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileConfig {
    pub(super) node: NodeSection,
    pub(super) network: NetworkSection,
    pub(super) peers: Vec<PeerEntry>,
    pub(super) api: ApiSection,
    pub(super) log: LogSection,
    pub(super) mempool: MempoolSection,
    pub(super) storage: StorageSection,
    pub(super) custody: CustodySection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NodeSection {
    pub(super) member: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NetworkSection {
    pub(super) listen: Vec<String>,
}

/// Where another member's node can be dialed. Who may connect is not said here: that is on the chain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerEntry {
    /// The member's name.
    pub entity: String,
    /// Its address, as in `/ip4/10.0.0.7/tcp/4001`.
    pub address: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ApiSection {
    pub(super) listen: String,
    pub(super) clients: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogSection {
    pub(super) level: String,
    pub(super) format: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MempoolSection {
    pub(super) lane_transactions_max: usize,
    pub(super) lane_bytes_max: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StorageSection {
    pub(super) disk_reserve_mb: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CustodySection {
    pub(super) key_file: Option<PathBuf>,
    pub(super) passphrase_file: Option<PathBuf>,
}

impl FileConfig {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = crate::bounded::read_text(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ConfigError::Missing { path: path.into() },
            _ => ConfigError::Read {
                path: path.into(),
                source,
            },
        })?;
        Self::parse(&text).map_err(|problem| ConfigError::Syntax {
            path: path.into(),
            problem,
        })
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}

/// What `salus init` writes: a file with what is particular to one node, and comments on everything else.
#[derive(Clone, Debug)]
pub struct NewConfig {
    /// The name of the member whose node it is.
    pub member: String,
    /// Where to listen for the other validators.
    pub listen: String,
    /// Where to serve the API.
    pub api: String,
    /// Where the others are.
    pub peers: Vec<PeerEntry>,
}

impl NewConfig {
    /// The text of `node.toml`.
    #[must_use]
    pub fn text(&self) -> String {
        let Self {
            member,
            listen,
            api,
            peers,
        } = self;
        let log = super::file::LogSection::default();
        let mempool = super::file::MempoolSection::default();
        let storage = super::file::StorageSection::default();
        let mut text = format!(
            "\
# How this node runs. What the chain is stands in genesis.toml.
# A line with one # before a field shows its default.

[node]
# The member whose node this is, by the name it is registered under.
member = {member}

[network]
# Where to listen for the other validators: /ip4/../tcp/.. or /ip4/../udp/../quic-v1
listen = [{listen}]

[api]
# Where to serve the API, health checks and metrics. There is neither transport security nor a login: keep it on
# loopback or behind a proxy that has both.
listen = {api}
# Where to serve clients what concerns them alone, without blocks, status and metrics. Nowhere if it is not set.
#clients = \"127.0.0.1:7071\"

[log]
# error, warn, info, debug, trace, or per module as in \"info,salus_network=debug\"
#level = {level}
# text or json
#format = {format}

[mempool]
# What each lane keeps waiting at most. Beyond, senders are told to come back later.
#lane_transactions_max = {transactions}
#lane_bytes_max = {bytes}

[storage]
# Room to be kept free on the disk of the data folder, in MiB. With less the node votes no more, until there is room.
#disk_reserve_mb = {reserve}

[custody]
# The key service of a custodian, which `salus custody init` makes, runs if one of these is set: the file that opens it, of mode 600.
#key_file = \"/etc/salus/custody-key\"
# or, where a passphrase opens it: passphrase_file = \"/run/credentials/salus/passphrase\"

# Where the other members' nodes are. One of each pair must know the other's address; let all know all.
",
            member = quoted(member),
            listen = quoted(listen),
            api = quoted(api),
            level = quoted(&log.level),
            format = quoted(&log.format),
            transactions = mempool.lane_transactions_max,
            bytes = mempool.lane_bytes_max,
            reserve = storage.disk_reserve_mb,
        );
        if peers.is_empty() {
            text.push_str(
                "#[[peers]]\n#entity = \"pharmacy\"\n#address = \"/ip4/10.0.0.7/tcp/4001\"\n",
            );
        }
        for PeerEntry { entity, address } in peers {
            text.push_str(&format!(
                "[[peers]]\nentity = {}\naddress = {}\n\n",
                quoted(entity),
                quoted(address)
            ));
        }
        text
    }
}

/// A TOML string, whatever is in it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
