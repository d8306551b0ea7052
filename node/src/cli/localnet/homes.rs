//! The files of a local network: what its founders would have made, each on a machine of its own.

use super::LocalnetError;
use crate::cli::init::{self, NodePlace};
use crate::cli::{Failure, genesis};
use crate::client::ApiClient;
use crate::config::PeerEntry;
use crate::home::{Home, read_genesis};
use crate::keys::NodeKeys;
use salus_genesis::block::GenesisBlock;
use salus_genesis::spec::MemberSpec;
use salus_primitives::calls::Role;
use salus_primitives::codec;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// One validator's files.
#[derive(Debug)]
pub(super) struct LocalHome {
    pub(super) name: String,
    pub(super) home: Home,
    pub(super) api: SocketAddr,
}

/// The files of all validators, and of what they share.
#[derive(Debug)]
pub(super) struct Homes {
    root: PathBuf,
    genesis: GenesisBlock,
    validators: Vec<LocalHome>,
    /// The hospital's keys: it owns the devices.
    hospital: NodeKeys,
    /// Removes everything at the end, unless it is to be kept.
    _temporary: Option<tempfile::TempDir>,
}

/// What a local network is like, where the preset leaves a choice.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Each member's weight.
    pub(super) weights: Vec<u64>,
    pub(super) seats: Option<u16>,
    pub(super) epoch_blocks: Option<u64>,
}

impl Homes {
    /// Makes keys, genesis, configurations and empty journals in `keep`, or in a temporary folder.
    pub(super) fn make(shape: &Shape, keep: Option<&Path>) -> Result<Self, Failure> {
        let (root, temporary) = folder(keep)?;
        let members: Vec<(String, Role)> = (0..shape.weights.len()).map(member).collect();
        let keys = members
            .iter()
            .map(|(name, _)| new_keys(&Home::new(root.join(name))))
            .collect::<Result<Vec<_>, Failure>>()?;
        let mut spec = genesis::new_spec(
            "local",
            genesis::now()?,
            shape.epoch_blocks,
            members
                .iter()
                .zip(keys.iter().zip(&shape.weights))
                .map(|((name, role), (keys, weight))| member_spec(name, *role, *weight, keys))
                .collect(),
        );
        if let Some(seats) = shape.seats {
            spec.consensus.seats = seats;
        }
        spec.check().map_err(Failure::usage)?;
        let genesis_file = root.join("genesis.toml");
        write(&genesis_file, spec.to_toml().as_bytes())?;
        let genesis = read_genesis(&genesis_file)?;
        write(&root.join(ANCHOR), &codec::encode(&genesis.anchor))?;

        let ports = free_ports(members.len() * 2)?;
        let (listen, api) = ports.split_at(members.len());
        let address = |port: &u16| format!("/ip4/127.0.0.1/tcp/{port}");
        let mut validators = Vec::new();
        for (index, (name, _)) in members.iter().enumerate() {
            let home = Home::new(root.join(name));
            let api = SocketAddr::from((Ipv4Addr::LOCALHOST, api[index]));
            let peers = members
                .iter()
                .zip(listen)
                .filter(|((peer, _), _)| peer != name)
                .map(|((peer, _), port)| PeerEntry {
                    entity: peer.clone(),
                    address: address(port),
                })
                .collect();
            let place = NodePlace {
                listen: address(&listen[index]),
                api: api.to_string(),
                peers,
            };
            init::prepare(&home, &genesis_file, None, place)?;
            validators.push(LocalHome {
                name: name.clone(),
                home,
                api,
            });
        }
        let hospital = keys
            .into_iter()
            .next()
            .expect("clap asks for at least four validators");
        Ok(Self {
            root,
            genesis,
            validators,
            hospital,
            _temporary: temporary,
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn genesis(&self) -> &GenesisBlock {
        &self.genesis
    }

    pub(super) fn validators(&self) -> &[LocalHome] {
        &self.validators
    }

    pub(super) fn hospital(&self) -> &NodeKeys {
        &self.hospital
    }

    /// The name that the hospital registered under: the first validator's.
    pub(super) fn hospital_name(&self) -> &str {
        self.validators.first().map_or("", |first| &first.name)
    }

    pub(super) fn anchor_file(&self) -> PathBuf {
        self.root.join(ANCHOR)
    }

    /// Where the device's process keeps its outbox and keys.
    pub(super) fn edge_folder(&self) -> PathBuf {
        self.root.join("edge")
    }

    pub(super) fn proofs_folder(&self) -> PathBuf {
        self.root.join("proofs")
    }

    /// How to start kept homes by hand.
    pub(super) fn instructions(&self) -> String {
        let root = self.root.display();
        let mut text = format!(
            "kept in {root}; check a proof with\n  salus-edge verify --anchor {root}/{ANCHOR} --epochs {root}/proofs/epochs \
             --genesis-hash {} --proof {root}/proofs/<id>.proof\nstart the network again with",
            self.genesis.hash
        );
        for validator in &self.validators {
            text.push_str(&format!(
                "\n  salus start --home {}",
                validator.home.root().display()
            ));
        }
        text
    }
}

impl LocalHome {
    pub(super) fn client(&self) -> Result<ApiClient, LocalnetError> {
        Ok(ApiClient::new(&format!("http://{}", self.api))?)
    }

    pub(super) fn log_file(&self) -> PathBuf {
        self.home.root().join("log")
    }
}

/// The members in turn; from the second round on, their names are numbered.
fn member(index: usize) -> (String, Role) {
    const ROLES: [Role; 4] = [
        Role::Hospital,
        Role::Pharmacy,
        Role::Ministry,
        Role::Institute,
    ];
    let role = ROLES[index % ROLES.len()];
    let name = match index / ROLES.len() {
        0 => role.name().to_owned(),
        round => format!("{}-{}", role.name(), round + 1),
    };
    (name, role)
}

fn member_spec(name: &str, role: Role, weight: u64, keys: &NodeKeys) -> MemberSpec {
    let public = keys.public();
    MemberSpec {
        name: name.to_owned(),
        role,
        operator_key: public.operator,
        validator_key: public.validator,
        network_key: public.network,
        exchange_key: public.exchange,
        weight,
    }
}

fn new_keys(home: &Home) -> Result<NodeKeys, Failure> {
    std::fs::create_dir_all(home.root()).map_err(|source| LocalnetError::File {
        action: "make",
        path: home.root().into(),
        source,
    })?;
    let keys = NodeKeys::generate()?;
    keys.write_new(&home.keys_file())?;
    Ok(keys)
}

fn folder(keep: Option<&Path>) -> Result<(PathBuf, Option<tempfile::TempDir>), Failure> {
    let Some(folder) = keep else {
        let temporary = tempfile::Builder::new()
            .prefix("salus-localnet-")
            .tempdir()
            .map_err(|source| LocalnetError::File {
                action: "make a folder in",
                path: std::env::temp_dir(),
                source,
            })?;
        return Ok((temporary.path().to_owned(), Some(temporary)));
    };
    let error = |source| LocalnetError::File {
        action: "use",
        path: folder.into(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(error)?;
    if std::fs::read_dir(folder).map_err(error)?.next().is_some() {
        return Err(Failure::usage(format!(
            "--keep {}: the folder is not empty; name a new one, or start the homes in it with `salus start`",
            folder.display()
        )));
    }
    let folder = folder.canonicalize().map_err(error)?;
    Ok((folder, None))
}

fn write(path: &Path, content: &[u8]) -> Result<(), LocalnetError> {
    std::fs::write(path, content).map_err(|source| LocalnetError::File {
        action: "write",
        path: path.into(),
        source,
    })
}

/// Free TCP ports on loopback. Below those the system gives to outgoing connections, so that none is taken between this
/// look and the validator's start; another program's listener in that moment makes the start fail with a clear error.
fn free_ports(count: usize) -> Result<Vec<u16>, LocalnetError> {
    let mut held = Vec::new();
    let mut ports = Vec::new();
    for _ in 0..count.saturating_mul(PORT_TRIES) {
        if ports.len() == count {
            break;
        }
        let mut random = [0; 2];
        getrandom::fill(&mut random)
            .map_err(|error| LocalnetError::Ports(std::io::Error::other(error.to_string())))?;
        let port = FIRST_PORT + u16::from_le_bytes(random) % PORTS;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push(listener);
            ports.push(port);
        }
    }
    if ports.len() < count {
        return Err(LocalnetError::Ports(std::io::ErrorKind::AddrInUse.into()));
    }
    Ok(ports)
}

const FIRST_PORT: u16 = 16_384;
const PORTS: u16 = 16_384;
const PORT_TRIES: usize = 16;
const ANCHOR: &str = "anchor";

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(members: usize) -> Shape {
        Shape {
            weights: vec![1; members],
            seats: None,
            epoch_blocks: None,
        }
    }

    #[test]
    fn members_repeat_with_names_of_their_own() {
        let names: Vec<String> = (0..6).map(|index| member(index).0).collect();

        assert_eq!(
            names,
            [
                "hospital",
                "pharmacy",
                "ministry",
                "institute",
                "hospital-2",
                "pharmacy-2"
            ]
        );
    }

    /// All homes are whole, agree on the chain, and name one another.
    #[test]
    fn every_home_can_be_read_by_a_node() {
        let homes = Homes::make(&equal(5), None).expect("made");

        for local in homes.validators() {
            let files = crate::home::NodeFiles::read(local.home.clone()).expect("a whole home");
            assert_eq!(files.genesis.hash, homes.genesis().hash);
            assert_eq!(files.member.name, local.name);
            assert_eq!(files.config.peers.len(), 4);
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("mine"), "x").expect("written");

        let failure = Homes::make(&equal(4), Some(folder.path())).expect_err("refused");

        assert_eq!(failure.code, 2);
    }
}
