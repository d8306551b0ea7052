//! Members' devices: they are registered, and submit readings at random times.

use super::load::reading_bytes;
use crate::keys::MemberKeys;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use salus_genesis::block::GenesisBlock;
use salus_primitives::calls::{IDENTITY, IdentityCall, RECORDS, RecordsCall};
use salus_primitives::codec::Blob;
use salus_primitives::crypto::cipher::{Envelope, Suite, TAG_LENGTH};
use salus_primitives::crypto::sign::{SecretKey, Signer};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{DeviceId, EntityId, Height};
use salus_primitives::lane::Lane;
use salus_primitives::reading::{Handle, ReadingId, SealedReading};
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, Transaction, VerifiedTransaction};
use std::sync::Arc;

/// All clients: one device a member.
pub(super) struct Clients {
    random: ChaCha20Rng,
    genesis: Arc<GenesisBlock>,
    devices: Vec<Device>,
    nonce: u64,
}

struct Device {
    id: DeviceId,
    owner: EntityId,
    signer: Signer,
    /// Signs for its owner.
    operator: Signer,
}

impl Clients {
    pub(super) fn new(seed: u64, genesis: Arc<GenesisBlock>, keys: &[MemberKeys]) -> Self {
        let device = |keys: &MemberKeys| Device {
            id: DeviceId::derive(keys.name.as_bytes(), b"experiment"),
            owner: EntityId::of_name(&keys.name),
            signer: device_key(&keys.name).signer(),
            operator: keys.operator.signer(),
        };
        Self {
            random: ChaCha20Rng::seed_from_u64(seed),
            genesis,
            devices: keys.iter().map(device).collect(),
            nonce: 0,
        }
    }

    /// Up to the next one of so many a minute, in microseconds: evenly from nothing to twice the mean.
    pub(super) fn pause_us(&mut self, per_minute: u64) -> u64 {
        1 + self.random.next_u64() % (120_000_000 / per_minute)
    }

    /// One of the members.
    pub(super) fn member(&mut self) -> usize {
        let n = self.random.next_u64() % self.devices.len() as u64;
        usize::try_from(n).unwrap_or_default()
    }

    /// A member registers its device. `head` is the last final height that its node knows.
    pub(super) fn registration(&mut self, member: usize, head: Height) -> VerifiedTransaction {
        let Device {
            id,
            owner,
            signer,
            operator,
        } = &self.devices[member];
        let call = IdentityCall::register_device(*id, signer.public());
        let (owner, operator) = (*owner, operator.clone());
        let call = Call::new(IDENTITY, &call);
        self.sign(owner, &operator, Lane::Routine, head, call)
    }

    /// A member's device submits a reading of this kind in a lane.
    pub(super) fn reading(
        &mut self,
        member: usize,
        kind: Lane,
        lane: Lane,
        head: Height,
    ) -> VerifiedTransaction {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&self.nonce.to_le_bytes());
        let Device {
            id, owner, signer, ..
        } = &self.devices[member];
        // nobody opens it: what counts is its length
        let call = RecordsCall::Submit(SealedReading {
            device: *id,
            handle: Handle(name),
            reading: ReadingId(name),
            envelope: Envelope {
                suite: Suite::Twofish256EaxBlake3,
                nonce: [0; 16],
                commitment: Digest(name),
                ciphertext: Blob(vec![0; reading_bytes(kind) + TAG_LENGTH]),
            },
        });
        let (owner, signer) = (*owner, signer.clone());
        let call = Call::new(RECORDS, &call);
        self.sign(owner, &signer, lane, head, call)
    }

    fn sign(
        &mut self,
        entity: EntityId,
        signer: &Signer,
        lane: Lane,
        head: Height,
        call: Call,
    ) -> VerifiedTransaction {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_le_bytes());
        let body = Transaction {
            genesis: self.genesis.hash,
            sender: signer.public(),
            entity,
            lane,
            valid_until: head.plus(self.genesis.parameters.window_blocks / 2),
            nonce,
            call,
        };
        Signed::sign(body, self.genesis.hash, signer)
    }
}

fn device_key(name: &str) -> SecretKey {
    SecretKey::from_seed(blake3::derive_key(
        "salus experiment device",
        name.as_bytes(),
    ))
}
