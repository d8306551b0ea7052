use std::fmt;

use libp2p::StreamProtocol;

/// What a frame is for. The channel decides its limits, its priority and what happens when a peer is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Small urgent frames: votes, certificates, timeouts. Sent first; the oldest is dropped when the queue is full.
    Consensus,
    /// Proposals, bodies, transactions, sync. Sent while no consensus frame waits; refused when the queue is full.
    Data,
}

impl Channel {
    /// Both channels, the urgent one first.
    pub const ALL: [Self; 2] = [Self::Consensus, Self::Data];

    /// Name in logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Data => "data",
        }
    }

    /// Position in arrays that hold one entry a channel.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Consensus => 0,
            Self::Data => 1,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which chain this network serves: its genesis hash. Nodes with different ids cannot open a channel to one another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId([u8; 32]);

impl NetworkId {
    /// From the bytes of the genesis hash.
    pub const fn new(genesis_hash: [u8; 32]) -> Self {
        Self(genesis_hash)
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkId({self})")
    }
}

/// A channel under the name by which two nodes of one chain negotiate it: `/salus/<genesis hash>/<channel>/1`.
#[derive(Clone, Debug)]
pub(crate) struct ChannelProtocol {
    pub(crate) channel: Channel,
    name: StreamProtocol,
}

impl ChannelProtocol {
    pub(crate) fn new(network: NetworkId, channel: Channel) -> Self {
        let name = StreamProtocol::try_from_owned(format!("/salus/{network}/{channel}/1"))
            .expect("the name starts with a slash");
        Self { channel, name }
    }

    pub(crate) fn both(network: NetworkId) -> [Self; 2] {
        Channel::ALL.map(|channel| Self::new(network, channel))
    }
}

impl AsRef<str> for ChannelProtocol {
    fn as_ref(&self) -> &str {
        self.name.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two chains never share a protocol name, and neither do two channels of one chain.
    #[test]
    fn protocol_names_differ_by_network_and_by_channel() {
        let [consensus, data] = ChannelProtocol::both(NetworkId::new([0xab; 32]));
        let [foreign, _] = ChannelProtocol::both(NetworkId::new([0xac; 32]));

        assert_eq!(
            consensus.as_ref(),
            format!("/salus/{}/consensus/1", "ab".repeat(32))
        );
        assert_ne!(consensus.as_ref(), data.as_ref());
        assert_ne!(consensus.as_ref(), foreign.as_ref());
    }
}
