//! Real validators and a real device, run as an operator would run them: by their binaries, from files.

mod load;
mod namespaces;
mod node;
mod small_disk;
mod traffic;

pub use load::Load;
pub use namespaces::{Namespaces, Switch};
pub use node::Node;
pub use small_disk::SmallDisk;
pub use traffic::{Traffic, assert_all_final};

use salus_node::client::StatusView;
use salus_primitives::ids::{GenesisHash, Height};
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Holds the machine for one test: several networks at a time would measure each other.
pub fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A binary of this workspace, built beside the tests.
///
/// # Panics
/// If it has not been built.
pub fn binary(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("the test's own path");
    let path = tests
        .parent()
        .and_then(Path::parent)
        .expect("tests are in target/<profile>/deps")
        .join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `make build`, as `make test` does",
        path.display()
    );
    path
}

/// Runs `salus` with these arguments to its end.
pub fn salus(arguments: &[&str]) -> Output {
    Command::new(binary("salus"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("salus runs")
}

/// Runs `salus`, and expects success; returns its stdout.
///
/// # Panics
/// If it fails, with what it says.
pub fn salus_ok(arguments: &[&str]) -> String {
    let output = salus(arguments);
    assert!(
        output.status.success(),
        "salus {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Some validators on loopback, each with a home of its own. All are killed when this is dropped.
#[derive(Debug)]
pub struct Network {
    folder: tempfile::TempDir,
    nodes: Vec<Node>,
    genesis: GenesisHash,
}

impl Network {
    /// Makes keys, genesis and homes of hospital, pharmacy, ministry and institute. Nothing runs yet.
    #[must_use]
    pub fn four() -> Self {
        Self::made(&[])
    }

    /// The same, with epochs of so many blocks.
    #[must_use]
    pub fn four_with_epochs(blocks: u64) -> Self {
        Self::made(&["--epoch-blocks", &blocks.to_string()])
    }

    fn made(genesis_arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let members = ["hospital", "pharmacy", "ministry", "institute"];
        let mut files = Vec::new();
        for name in members {
            let entry = salus_ok(&[
                "keys",
                "new",
                "--home",
                &path(name),
                "--name",
                name,
                "--role",
                name,
            ]);
            let file = path(&format!("{name}.toml"));
            std::fs::write(&file, entry).expect("written");
            files.push(file);
        }
        let (genesis_file, anchor) = (path("genesis.toml"), path("anchor"));
        let mut arguments = vec![
            "genesis",
            "--chain",
            "test",
            "--out",
            &genesis_file,
            "--anchor",
            &anchor,
            "--members",
        ];
        arguments.extend(files.iter().map(String::as_str));
        arguments.extend(genesis_arguments);
        let genesis = salus_ok(&arguments).trim().parse().expect("a hash");

        let ports = free_ports(members.len() * 2);
        let (listen, api) = ports.split_at(members.len());
        let nodes: Vec<Node> = members
            .iter()
            .enumerate()
            .map(|(index, name)| Node {
                name: (*name).to_owned(),
                home: folder.path().join(name),
                listen: format!("/ip4/127.0.0.1/tcp/{}", listen[index]),
                api: format!("127.0.0.1:{}", api[index]),
                child: None,
            })
            .collect();
        for node in &nodes {
            let home = node.home.display().to_string();
            let peers: Vec<String> = nodes
                .iter()
                .filter(|peer| peer.name != node.name)
                .map(|peer| format!("{}={}", peer.name, peer.listen))
                .collect();
            let mut arguments = vec![
                "init",
                "--home",
                &home,
                "--genesis",
                &genesis_file,
                "--listen",
                &node.listen,
                "--api",
                &node.api,
            ];
            for peer in &peers {
                arguments.extend(["--peer", peer]);
            }
            salus_ok(&arguments);
        }
        Self {
            folder,
            nodes,
            genesis,
        }
    }

    /// The same, running and ready.
    #[must_use]
    pub fn running() -> Self {
        Self::four().started()
    }

    /// Starts every validator, and waits until all are ready.
    #[must_use]
    pub fn started(mut self) -> Self {
        for node in &mut self.nodes {
            node.start();
        }
        self.wait_ready();
        self
    }

    /// Makes keys and home for a node of an entity that genesis does not know, and that knows where all others are. The others are not
    /// told. Nothing is registered or started.
    pub fn add_newcomer(&mut self, name: &str, role: &str) -> &mut Node {
        let home = self.path(name);
        let text = home.display().to_string();
        let entry = salus_ok(&[
            "keys", "new", "--home", &text, "--name", name, "--role", role,
        ]);
        std::fs::write(self.path(&format!("{name}.toml")), entry).expect("written");
        let ports = free_ports(2);
        let node = Node {
            name: name.to_owned(),
            home,
            listen: format!("/ip4/127.0.0.1/tcp/{}", ports[0]),
            api: format!("127.0.0.1:{}", ports[1]),
            child: None,
        };
        let genesis = self.path("genesis.toml").display().to_string();
        let mut arguments = vec![
            "init",
            "--home",
            &text,
            "--member",
            name,
            "--genesis",
            &genesis,
        ];
        arguments.extend(["--listen", &node.listen, "--api", &node.api]);
        let peers: Vec<String> = self
            .nodes
            .iter()
            .map(|peer| format!("{}={}", peer.name, peer.listen))
            .collect();
        for peer in &peers {
            arguments.extend(["--peer", peer]);
        }
        salus_ok(&arguments);
        self.nodes.push(node);
        self.nodes.last_mut().expect("just pushed")
    }

    /// Takes the last node out of the network; what is asked of all is not asked of it any more.
    ///
    /// # Panics
    /// If there is none.
    pub fn take_last(&mut self) -> Node {
        self.nodes.pop().expect("a node")
    }

    /// Gives every node another address, as told by its place, and tells the others. None may run.
    ///
    /// # Panics
    /// If a configuration cannot be rewritten.
    pub fn move_to(&mut self, host: impl Fn(usize) -> Ipv4Addr) {
        let moved =
            |listen: &str, place: usize| listen.replace("127.0.0.1", &host(place).to_string());
        let addresses: Vec<(String, String)> = self
            .nodes
            .iter()
            .enumerate()
            .flat_map(|(place, node)| [(&node.listen, place), (&node.api, place)])
            .map(|(text, place)| (text.clone(), moved(text, place)))
            .collect();
        for node in &self.nodes {
            node.configure(|mut text| {
                for (old, new) in &addresses {
                    text = text.replace(&format!("{old}\""), &format!("{new}\""));
                }
                text
            });
        }
        for (place, node) in self.nodes.iter_mut().enumerate() {
            node.listen = moved(&node.listen, place);
            node.api = moved(&node.api, place);
        }
    }

    /// The chain's name.
    #[must_use]
    pub fn genesis(&self) -> GenesisHash {
        self.genesis
    }

    /// A path in the network's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The validators, hospital first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One of the validators.
    pub fn node(&mut self, index: usize) -> &mut Node {
        &mut self.nodes[index]
    }

    /// Waits until every node that runs is ready.
    ///
    /// # Panics
    /// If one is not within a minute.
    pub fn wait_ready(&self) {
        for node in self.nodes.iter().filter(|node| node.child.is_some()) {
            eventually(&format!("{} is ready", node.name), || {
                node.client().is_ready()
            });
        }
    }

    /// Waits until all validators report one height and one state root, and returns that.
    ///
    /// # Panics
    /// If they do not within a minute.
    pub fn wait_agreement(&self) -> StatusView {
        let mut agreed = None;
        eventually("all validators are at one height", || {
            let statuses: Vec<StatusView> = self
                .nodes
                .iter()
                .filter_map(|node| node.client().status().ok())
                .collect();
            let same = statuses.len() == self.nodes.len()
                && statuses
                    .iter()
                    .all(|status| status.final_height == statuses[0].final_height);
            if same {
                for (node, status) in self.nodes.iter().zip(&statuses) {
                    assert_eq!(
                        status.state_root, statuses[0].state_root,
                        "the root of {} differs at height {}",
                        node.name, status.final_height
                    );
                }
                agreed = statuses.into_iter().next();
            }
            same
        });
        agreed.expect("set when they agree")
    }

    /// Checks that all validators have the same final block at each of these heights.
    ///
    /// # Panics
    /// If two differ.
    pub fn assert_one_chain(&self, heights: impl Iterator<Item = u64>) {
        for height in heights {
            let blocks: Vec<String> = self
                .nodes
                .iter()
                .map(|node| {
                    let header = node.client().header(Height::new(height));
                    header.expect("a final header").id
                })
                .collect();
            assert!(
                blocks.iter().all(|block| *block == blocks[0]),
                "height {height}: {blocks:?}"
            );
        }
    }

    /// Makes a device, registers it with the hospital, and returns its file.
    pub fn registered_device(&self, number: usize) -> PathBuf {
        let file = self.path(&format!("device-{number}"));
        let card = self.new_device(&file, number);
        let hospital = &self.nodes[0];
        let home = hospital.home.display().to_string();
        salus_ok(&[
            "tx",
            "register-device",
            "--home",
            &home,
            "--device-id",
            card["device_id"].as_str().expect("an id"),
            "--device-key",
            card["public_key"].as_str().expect("a key"),
            "--api",
            hospital.client().base(),
            "--wait",
        ]);
        file
    }

    /// Makes a device file without registering it; returns what an operator would register.
    pub fn new_device(&self, file: &Path, number: usize) -> serde_json::Value {
        let output = Command::new(binary("salus-edge"))
            .args([
                "device",
                "new",
                "--hardware-id",
                "monitor",
                "--registration-id",
            ])
            .arg(format!("bed-{number}"))
            .args(["--owner", "hospital"])
            .arg("--out")
            .arg(file)
            .output()
            .expect("salus-edge runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("a card")
    }

    /// A device's process over all nodes: simulated readings for `seconds`, every one to be proven.
    pub fn start_edge(&self, device: &Path, seconds: u64) -> Edge {
        let mut command = Command::new(binary("salus-edge"));
        command.args([
            "replay",
            "--format",
            "simulated",
            "--interval-ms",
            "10",
            "--json",
        ]);
        for node in &self.nodes {
            command.args(["--node", node.client().base()]);
        }
        let child = command
            .arg("--device")
            .arg(device)
            .arg("--anchor")
            .arg(self.path("anchor"))
            .arg("--data-dir")
            .arg(self.path("edge"))
            .arg("--save-proofs")
            .arg(self.path("proofs"))
            .args(["--seconds", &seconds.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(self.path("edge.log")).expect("a log"))
            .spawn()
            .expect("salus-edge runs");
        Edge(Some(child))
    }

    /// The ids of the transactions that a device has proven.
    #[must_use]
    pub fn proven(&self) -> Vec<salus_primitives::transaction::TxId> {
        std::fs::read_dir(self.path("proofs"))
            .expect("the proofs")
            .filter_map(|entry| {
                let name = entry.ok()?.file_name();
                name.to_str()?.strip_suffix(".proof")?.parse().ok()
            })
            .collect()
    }
}

/// A device's running process; killed when dropped.
#[derive(Debug)]
pub struct Edge(Option<Child>);

impl Edge {
    /// Waits for its end, and returns its exit code and summary.
    ///
    /// # Panics
    /// If it ends without a summary.
    pub fn finish(mut self) -> (ExitStatus, serde_json::Value) {
        let child = self.0.take().expect("it runs");
        let output = child.wait_with_output().expect("ended");
        let text = String::from_utf8(output.stdout).expect("text");
        let last = text.lines().last().expect("a summary");
        (
            output.status,
            serde_json::from_str(last).expect("one JSON object"),
        )
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until something holds.
///
/// # Panics
/// If it does not within a minute: long enough for a loaded machine.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Free TCP ports on loopback, below those the system gives to outgoing connections.
fn free_ports(count: usize) -> Vec<u16> {
    let mut held = Vec::new();
    let mut port = 10_000 + u16::try_from(std::process::id() % 6_000).expect("small");
    while held.len() < count {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
        port += 1;
    }
    held.into_iter().map(|(port, _)| port).collect()
}
