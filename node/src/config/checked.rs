//! The configuration as the code uses it: parsed, in range, without contradictions.

use super::ConfigError;
use super::file::{
    ApiSection, CustodySection, FileConfig, NetworkSection, NewConfig, NodeSection, PeerEntry,
};
use crate::custody::home::UnlockFile;
use salus_contracts::genesis::GenesisMember;
use salus_contracts::native::identity::name_is_valid;
use salus_network::Multiaddr;
use salus_primitives::ids::EntityId;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

/// Everything `node.toml` says, checked.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The name of the member whose node it is. A founder's can be told from its keys.
    pub member: Option<String>,
    /// Where to listen for the other validators; at least one address.
    pub listen: Vec<Multiaddr>,
    /// Where the others are. Several entries for one entity are several addresses, in order of preference.
    pub peers: Vec<Peer>,
    /// The client API.
    pub api: ApiConfig,
    /// What is logged.
    pub log: LogConfig,
    /// What may wait.
    pub mempool: MempoolConfig,
    /// What is kept on disk.
    pub storage: StorageConfig,
    /// What opens the key service, if the node has one. A relative path is within the home.
    pub custody: Option<UnlockFile>,
}

/// An address of another member's node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The member's name.
    pub name: String,
    /// The id that derives from it.
    pub entity: EntityId,
    /// Where to dial it.
    pub address: Multiaddr,
}

/// The API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// Where it answers everything. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where it answers what is for clients, if anywhere. Not where it answers everything.
    pub clients: Option<SocketAddr>,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A filter that `tracing_subscriber::EnvFilter` takes.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// What each lane of the mempool holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolConfig {
    /// Transactions of one lane.
    pub lane_transactions_max: usize,
    /// Encoded bytes of one lane.
    pub lane_bytes_max: usize,
}

/// The disk of the data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// Bytes to be kept free: with less the node votes and commits no more, until there is room.
    pub disk_reserve_bytes: u64,
}

impl NewConfig {
    /// The configuration that its text will give.
    ///
    /// # Errors
    /// [`ConfigError`] for values that `node.toml` cannot have.
    pub fn check(&self) -> Result<NodeConfig, ConfigError> {
        NodeConfig::check(FileConfig {
            node: NodeSection {
                member: Some(self.member.clone()),
            },
            network: NetworkSection {
                listen: vec![self.listen.clone()],
            },
            api: ApiSection {
                listen: self.api.clone(),
                clients: None,
            },
            peers: self.peers.clone(),
            ..FileConfig::default()
        })
    }
}

impl NodeConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`], naming the field and the fix.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        FileConfig::read(path).and_then(Self::check)
    }

    /// The names of peers that genesis does not know, each once: they were admitted since, or are misspelt.
    #[must_use]
    pub fn unknown_to(&self, founders: &[GenesisMember]) -> BTreeSet<&str> {
        self.peers
            .iter()
            .filter(|peer| founders.iter().all(|founder| founder.entity != peer.entity))
            .map(|peer| peer.name.as_str())
            .collect()
    }

    fn check(file: FileConfig) -> Result<Self, ConfigError> {
        if let Some(name) = file
            .node
            .member
            .as_deref()
            .filter(|name| !name_is_valid(name))
        {
            return Err(refuse(
                "node.member",
                format!("{name:?} is no name"),
                "write the name the member is registered under: lower-case letters and digits, with . _ - inside",
            ));
        }
        let listen = file
            .network
            .listen
            .iter()
            .enumerate()
            .map(|(index, text)| address(&format!("network.listen[{index}]"), text))
            .collect::<Result<Vec<_>, _>>()?;
        if listen.is_empty() {
            return Err(refuse(
                "network.listen",
                "there is no address",
                format!("name one, as in [\"{}\"]", super::LISTEN),
            ));
        }
        Ok(Self {
            member: file.node.member,
            listen,
            peers: peers(&file.peers)?,
            api: api(&file.api)?,
            log: LogConfig {
                format: format(&file.log.format)?,
                filter: filter(file.log.level)?,
            },
            mempool: MempoolConfig {
                lane_transactions_max: within(
                    "mempool.lane_transactions_max",
                    file.mempool.lane_transactions_max,
                    1..=1_000_000,
                )?,
                lane_bytes_max: within(
                    "mempool.lane_bytes_max",
                    file.mempool.lane_bytes_max,
                    salus_primitives::transaction::TRANSACTION_MAX..=4 * 1024 * 1024 * 1024,
                )?,
            },
            custody: custody(file.custody)?,
            storage: StorageConfig {
                disk_reserve_bytes: within(
                    "storage.disk_reserve_mb",
                    file.storage.disk_reserve_mb,
                    0..=1_048_576,
                )? as u64
                    * MEBIBYTE,
            },
        })
    }
}

fn custody(section: CustodySection) -> Result<Option<UnlockFile>, ConfigError> {
    match (section.key_file, section.passphrase_file) {
        (None, None) => Ok(None),
        (Some(path), None) => Ok(Some(UnlockFile::Key(path))),
        (None, Some(path)) => Ok(Some(UnlockFile::Passphrase(path))),
        (Some(_), Some(_)) => Err(refuse(
            "custody.passphrase_file",
            "custody.key_file is set too",
            "set the one that the key service was locked with",
        )),
    }
}

fn api(section: &ApiSection) -> Result<ApiConfig, ConfigError> {
    let address = |field: &'static str, text: &str| {
        text.parse().map_err(|_| {
            refuse(
                field,
                format!("{text:?} is not an IP address with a port"),
                format!("write it as in \"{}\"", super::API),
            )
        })
    };
    let listen: SocketAddr = address("api.listen", &section.listen)?;
    let clients = match &section.clients {
        Some(text) => Some(address("api.clients", text)?),
        None => None,
    };
    if clients == Some(listen) && listen.port() != 0 {
        return Err(refuse(
            "api.clients",
            format!("{listen} is where the API answers everything"),
            "name another port".to_owned(),
        ));
    }
    Ok(ApiConfig { listen, clients })
}

fn peers(entries: &[PeerEntry]) -> Result<Vec<Peer>, ConfigError> {
    let mut seen = BTreeSet::new();
    entries
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            let field = |name: &str| format!("peers[{index}].{name}");
            if entry.entity.is_empty() {
                return Err(refuse(
                    field("entity"),
                    "it is empty",
                    "write the name the member is registered under",
                ));
            }
            if !seen.insert((&entry.entity, &entry.address)) {
                return Err(refuse(
                    format!("peers[{index}]"),
                    format!("{} has this address twice", entry.entity),
                    "remove one of the two entries",
                ));
            }
            Ok(Peer {
                name: entry.entity.clone(),
                entity: EntityId::of_name(&entry.entity),
                address: address(&field("address"), &entry.address)?,
            })
        })
        .collect()
}

fn address(field: &str, text: &str) -> Result<Multiaddr, ConfigError> {
    let refused = || {
        refuse(
            field,
            format!("{text:?} is not an address of a validator"),
            "write it as /ip4/10.0.0.7/tcp/4001 or /ip4/10.0.0.7/udp/4001/quic-v1",
        )
    };
    let address: Multiaddr = text.parse().map_err(|_| refused())?;
    match address.protocol_stack().collect::<Vec<_>>()[..] {
        ["ip4" | "ip6", "tcp"] | ["ip4" | "ip6", "udp", "quic-v1"] => Ok(address),
        _ => Err(refused()),
    }
}

fn filter(level: String) -> Result<String, ConfigError> {
    match tracing_subscriber::EnvFilter::builder().parse(&level) {
        Ok(_) if !level.is_empty() => Ok(level),
        _ => Err(refuse(
            "log.level",
            format!("{level:?} is not a log filter"),
            "write error, warn, info, debug or trace, or per module as in \"info,salus_network=debug\"",
        )),
    }
}

fn format(text: &str) -> Result<LogFormat, ConfigError> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(refuse(
            "log.format",
            format!("there is no form {text:?}"),
            "write \"text\" or \"json\"",
        )),
    }
}

fn within(
    field: &str,
    value: usize,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, ConfigError> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(refuse(
        field,
        format!("{value} is out of range"),
        format!("write a number from {} to {}", range.start(), range.end()),
    ))
}

fn refuse(
    field: impl Into<String>,
    problem: impl Into<String>,
    fix: impl Into<String>,
) -> ConfigError {
    ConfigError::Field {
        field: field.into(),
        problem: problem.into(),
        fix: fix.into(),
    }
}

const MEBIBYTE: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<NodeConfig, String> {
        FileConfig::parse(text)
            .and_then(|file| NodeConfig::check(file).map_err(|error| error.to_string()))
    }

    #[test]
    fn an_empty_file_is_a_whole_configuration() {
        let config = parse("").expect("defaults");

        assert_eq!(config.listen.len(), 1);
        assert!(config.api.listen.ip().is_loopback());
        assert_eq!(config.log.format, LogFormat::Text);
    }

    /// What `init` writes says what it was told, quotes included.
    #[test]
    fn a_new_file_reads_back_as_what_was_asked_for() {
        let new = NewConfig {
            member: "st-mary".into(),
            listen: "/ip4/127.0.0.1/udp/4100/quic-v1".into(),
            api: "127.0.0.1:7171".into(),
            peers: vec![PeerEntry {
                entity: "St. \"Mary's\" \\ hospital".into(),
                address: "/ip4/127.0.0.1/tcp/4101".into(),
            }],
        };

        let config = parse(&new.text()).expect("its own text");

        assert_eq!(config.member.as_deref(), Some("st-mary"));
        assert_eq!(config.listen[0].to_string(), new.listen);
        assert_eq!(config.api.listen.to_string(), new.api);
        assert_eq!(config.peers[0].name, new.peers[0].entity);
        assert_eq!(config.peers[0].address.to_string(), new.peers[0].address);
    }

    /// The commented-out fields of a new file are fields, with their defaults.
    #[test]
    fn the_defaults_shown_in_a_new_file_are_the_defaults() {
        let new = NewConfig {
            member: "st-mary".into(),
            listen: super::super::LISTEN.into(),
            api: super::super::API.into(),
            peers: Vec::new(),
        };
        let shown: String = new
            .text()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(field) if !field.starts_with(' ') => format!("{field}\n"),
                _ => format!("{line}\n"),
            })
            .collect();

        let config = parse(&shown).expect("all fields are known");

        let default = parse("").expect("defaults");
        assert_eq!(config.listen, default.listen);
        assert_eq!(config.log, default.log);
        assert_eq!(config.mempool, default.mempool);
        assert_eq!(config.storage, default.storage);
        assert_eq!(config.peers.len(), 1);
    }

    /// Every refusal names the field and says what would be right.
    #[test]
    fn each_bad_field_is_named_with_its_fix() {
        let cases = [
            ("nonsense = 1", "nonsense", "expected one of"),
            ("[api]\nport = 1", "port", "expected"),
            ("[node]\nmember = \"St Mary\"", "node.member", "lower-case"),
            ("[network]\nlisten = []", "network.listen", "name one"),
            (
                "[network]\nlisten = [\"10.0.0.1:1\"]",
                "network.listen[0]",
                "/ip4/",
            ),
            (
                "[network]\nlisten = [\"/ip4/1.2.3.4/udp/1\"]",
                "network.listen[0]",
                "quic-v1",
            ),
            ("[api]\nlisten = \"here\"", "api.listen", "127.0.0.1"),
            ("[api]\nclients = \"there\"", "api.clients", "127.0.0.1"),
            (
                "[api]\nlisten = \"127.0.0.1:7070\"\nclients = \"127.0.0.1:7070\"",
                "api.clients",
                "another port",
            ),
            ("[log]\nlevel = \"a=b=c\"", "log.level", "debug"),
            ("[log]\nformat = \"xml\"", "log.format", "json"),
            (
                "[mempool]\nlane_transactions_max = 0",
                "mempool.lane_transactions_max",
                "from 1",
            ),
            (
                "[mempool]\nlane_bytes_max = 1",
                "mempool.lane_bytes_max",
                "from",
            ),
            (
                "[storage]\ndisk_reserve_mb = 9999999",
                "storage.disk_reserve_mb",
                "from 0",
            ),
            (
                "[[peers]]\nentity = \"\"\naddress = \"/ip4/1.2.3.4/tcp/1\"",
                "peers[0].entity",
                "registered",
            ),
            (
                "[[peers]]\nentity = \"a\"\naddress = \"x\"",
                "peers[0].address",
                "/ip4/",
            ),
            ("[[peers]]\nentity = \"a\"", "address", "missing"),
            (
                "[[peers]]\nentity = \"a\"\naddress = \"/ip4/1.2.3.4/tcp/1\"\n[[peers]]\nentity = \"a\"\naddress = \"/ip4/1.2.3.4/tcp/1\"",
                "peers[1]",
                "remove",
            ),
        ];
        for (text, field, fix) in cases {
            let error = parse(text).expect_err(text);
            assert!(error.contains(field), "{text}: {error}");
            assert!(error.contains(fix), "{text}: {error}");
        }
    }
}
