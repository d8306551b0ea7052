//! A network of its own for a test: each node in a namespace, cables to one of two switches that the test can replug. Nothing
//! of the machine's own network is touched.

use super::{Network, binary};
use std::fs::File;
use std::net::Ipv4Addr;
use std::process::Command;

/// The namespaces; removed when dropped, also by a panic.
#[derive(Debug)]
pub struct Namespaces {
    prefix: String,
    count: usize,
}

/// One of the two switches. All cables begin in the first, where the test itself is too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// The test's own.
    First,
    /// The other.
    Second,
}

impl Switch {
    const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
        }
    }
}

impl Namespaces {
    /// Makes the namespaces of so many nodes, and moves the calling thread into the one with the switches: what it starts and
    /// connects to from here on, it does there.
    ///
    /// # Errors
    /// Why that cannot be done here, to be said when a test is skipped.
    pub fn enter(count: usize) -> Result<Self, String> {
        let made = Self {
            prefix: format!("salus{}", std::process::id()),
            count,
        };
        let hub = made.hub();
        ip(&format!("netns add {hub}"))?;
        ip(&format!("-n {hub} link set lo up"))?;
        for switch in [Switch::First, Switch::Second] {
            let switch = switch.name();
            ip(&format!("-n {hub} link add {switch} type bridge"))?;
            ip(&format!("-n {hub} link set {switch} up"))?;
        }
        let own = Ipv4Addr::new(10, 77, 0, 254);
        ip(&format!("-n {hub} addr add {own}/24 dev first"))?;
        for node in 0..count {
            let (space, host) = (made.node(node), Self::host(node));
            ip(&format!("netns add {space}"))?;
            ip(&format!("-n {space} link set lo up"))?;
            ip(&format!(
                "-n {hub} link add port{node} type veth peer name cable netns {space}"
            ))?;
            ip(&format!("-n {space} addr add {host}/24 dev cable"))?;
            ip(&format!("-n {space} link set cable up"))?;
            ip(&format!("-n {hub} link set port{node} up"))?;
            made.plug(node, Switch::First);
        }
        move_into(&hub)?;
        Ok(made)
    }

    /// The address of a node.
    #[must_use]
    pub fn host(node: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, u8::try_from(node + 1).expect("few"))
    }

    /// Puts the nodes of a network, none of which runs, at their addresses, and starts them in their namespaces.
    pub fn start(&self, network: &mut Network) {
        network.move_to(Self::host);
        for node in 0..self.count {
            self.start_node(network, node);
        }
        network.wait_ready();
    }

    /// Starts one node in its namespace.
    pub fn start_node(&self, network: &mut Network, node: usize) {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.node(node)])
            .arg(binary("salus"));
        network.node(node).start_by(command);
    }

    /// Puts a node's cable into a switch.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn plug(&self, node: usize, switch: Switch) {
        let (hub, switch) = (self.hub(), switch.name());
        ip(&format!("-n {hub} link set port{node} master {switch}")).expect("plugged");
    }

    /// Lets what a node sends take so much longer.
    ///
    /// # Errors
    /// If the kernel cannot do that.
    pub fn delay(&self, node: usize, milliseconds: u32) -> Result<(), String> {
        let space = self.node(node);
        run(Command::new("tc")
            .args(["-n", &space])
            .args(format!("qdisc replace dev cable root netem delay {milliseconds}ms").split(' ')))
    }

    /// Does something in a node's own namespace, as its operator would on its machine.
    ///
    /// # Panics
    /// If it panics.
    pub fn at_node<T: Send>(&self, node: usize, act: impl FnOnce() -> T + Send) -> T {
        let space = self.node(node);
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                move_into(&space).expect("a namespace");
                act()
            });
            thread.join().expect("it acts")
        })
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.prefix)
    }

    fn node(&self, node: usize) -> String {
        format!("{}-{node}", self.prefix)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for node in 0..self.count {
            let _ = ip(&format!("netns del {}", self.node(node)));
        }
        let _ = ip(&format!("netns del {}", self.hub()));
    }
}

/// Only the calling thread, and what it starts.
fn move_into(space: &str) -> Result<(), String> {
    let file = File::open(format!("/run/netns/{space}")).map_err(|error| error.to_string())?;
    let kind = rustix::thread::LinkNameSpaceType::Network;
    rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(kind))
        .map_err(|error| error.to_string())
}

fn ip(arguments: &str) -> Result<(), String> {
    run(Command::new("ip").args(arguments.split(' ')))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{command:?}: {said}"))
}
