//! Following the validators through nodes that are honest, slow or lying.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use salus_edge::follow::{FollowError, Follower};
use salus_edge::http::NodeApi;
use salus_edge::light::{EPOCHS_KEPT, LightClient, LightError};
use salus_edge::submit::Stop;
use salus_primitives::codec;
use salus_primitives::conflict::{CONFLICT_MAX, ConflictEvidence};
use salus_primitives::ids::Epoch;
use salus_primitives::receipt::Outcome;
use salus_primitives::transaction::SignedTransaction;
use tempfile::TempDir;

use crate::chain::Chain;
use crate::light::transaction;
use crate::node::{Changes, FakeNode, Faults};

/// A device's folder, a chain of which `ended` epochs have ended, and a node that serves it.
struct World {
    folder: TempDir,
    chain: Arc<Chain>,
    node: FakeNode,
    transaction: SignedTransaction,
    stop: Stop,
}

impl World {
    fn new(ended: u64) -> Self {
        let chain = Arc::new(Chain::new(1));
        let faults = Faults {
            ended,
            ..Faults::default()
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            node: FakeNode::start(&chain, faults),
            transaction: transaction(chain.genesis()),
            chain,
            stop: Stop::default(),
        }
    }

    fn serves(&self, ended: u64, changes: Changes) {
        self.node.set(Faults {
            ended,
            changes,
            ..Faults::default()
        });
    }

    fn client(&self) -> LightClient {
        LightClient::new(&self.chain.anchor(), Some(self.chain.genesis())).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, changes: bool) -> Follower {
        let changes = changes.then(|| self.path("epochs"));
        Follower::open(self.client(), self.path("validators"), changes).unwrap()
    }

    /// Checks a proof of an epoch, given by the node.
    fn check(&self, follower: &Follower, epoch: u64) -> Result<Epoch, FollowError> {
        let proof = self
            .chain
            .finalize_in(Epoch::new(epoch), &self.transaction, Outcome::Ok);
        let api = NodeApi::new(self.node.url.clone(), Duration::from_secs(5));
        let id = self.transaction.body.id();
        follower
            .receipt(&api, &proof, &id, &self.stop)
            .map(|proven| proven.epoch())
    }
}

/// Page by page, whatever their size, and no further than the proof needs.
#[test]
fn missing_epochs_are_fetched() {
    for changes in [Changes::All, Changes::OneByOne] {
        let world = World::new(30);
        world.serves(30, changes);
        let follower = Follower::new(world.client());

        assert_eq!(world.check(&follower, 20).unwrap(), Epoch::new(20));
        assert_eq!(follower.client().epoch(), Epoch::new(20));
        assert_eq!(world.check(&follower, 31).unwrap(), Epoch::new(31));
        assert_eq!(world.check(&follower, 2).unwrap(), Epoch::new(2));
    }
}

/// A node that lies, in whatever way, is found out with one answer, and an honest one goes on from what is known.
#[test]
fn a_lying_node_ends_with_an_error_and_no_harm() {
    let world = World::new(9);
    let follower = Follower::new(world.client());
    assert!(world.check(&follower, 4).is_ok());

    for lie in [
        Changes::Nothing,
        Changes::Repeated,
        Changes::OtherChain,
        Changes::Forged,
        Changes::CutShort,
        Changes::Endless,
        Changes::NoSuchPath,
    ] {
        world.serves(9, lie);
        let asked = world.node.asked().len();

        let error = world.check(&follower, 10).unwrap_err();

        let expected = match lie {
            Changes::Nothing => matches!(error, FollowError::NoChanges { .. }),
            Changes::Repeated => matches!(error, FollowError::Light(LightError::NotNext { .. })),
            Changes::OtherChain | Changes::Forged => {
                matches!(error, FollowError::Light(LightError::Proof(_)))
            }
            Changes::CutShort => matches!(error, FollowError::Frames(_)),
            Changes::Endless | Changes::NoSuchPath => matches!(error, FollowError::Http(_)),
            Changes::All | Changes::OneByOne => false,
        };
        assert!(expected, "{lie:?}: {error}");
        // signatures of strangers may be of another history: its boundaries are compared with those that are known
        let compared = usize::from(lie == Changes::OtherChain);
        assert_eq!(world.node.asked().len(), asked + 1 + compared, "{lie:?}");
        assert_eq!(follower.client().epoch(), Epoch::new(4), "{lie:?}");
    }

    world.serves(9, Changes::All);
    assert_eq!(world.check(&follower, 10).unwrap(), Epoch::new(10));
}

/// A proof that claims an epoch which never was costs the changes that there are, and one question more.
#[test]
fn a_proof_of_an_epoch_to_come_is_refused() {
    let world = World::new(3);
    let follower = Follower::new(world.client());

    let error = world.check(&follower, 1_000_000).unwrap_err();

    assert!(matches!(error, FollowError::NoChanges { .. }), "{error}");
    assert_eq!(world.node.asked(), [1, 4]);
    assert_eq!(
        follower.client().epoch(),
        Epoch::new(4),
        "what was true is kept"
    );
}

/// A proof of an epoch that is not remembered any more is checked by walking again from genesis, once for many proofs.
#[test]
fn a_forgotten_epoch_is_walked_to_again() {
    let ended = EPOCHS_KEPT as u64 + 20;
    let world = World::new(ended);
    let follower = Follower::new(world.client());
    assert!(world.check(&follower, ended + 1).is_ok());
    let asked = world.node.asked().len();

    for epoch in [3, 1, 2, 3, 5] {
        assert_eq!(world.check(&follower, epoch).unwrap(), Epoch::new(epoch));
    }

    // to epoch 3, and from there to 5
    assert_eq!(world.node.asked().len(), asked + 2);
    assert_eq!(follower.client().epoch(), Epoch::new(ended + 1));
}

/// A stop ends following at once.
#[test]
fn a_stop_ends_following() {
    let world = World::new(3);
    let follower = Follower::new(world.client());
    world.stop.stop();

    let error = world.check(&follower, 4).unwrap_err();

    assert!(matches!(error, FollowError::Stopped), "{error}");
    assert!(world.node.asked().is_empty());
}

/// Many threads that need the same epoch fetch it once.
#[test]
fn threads_share_what_is_followed() {
    let world = World::new(50);
    let follower = Follower::new(world.client());

    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert!(world.check(&follower, 51).is_ok()));
        }
    });

    assert_eq!(world.node.asked(), [1]);
}

/// The next run goes on from the checkpoint. A damaged one is dropped, and so is one that does not belong to the chain.
#[test]
fn a_restart_does_not_walk_from_genesis_again() {
    let world = World::new(9);
    assert!(world.check(&world.open(false), 10).is_ok());
    world.serves(12, Changes::All);

    let second = world.open(false);
    assert_eq!(second.client().epoch(), Epoch::new(10));
    assert!(world.check(&second, 13).is_ok());
    assert_eq!(world.node.asked(), [1, 10]);

    let good = std::fs::read(world.path("validators")).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for damaged in [
        flipped,
        good[..good.len() - 1].to_vec(),
        vec![],
        vec![9; 3_000_000],
    ] {
        std::fs::write(world.path("validators"), damaged).unwrap();
        let again = world.open(false);
        assert_eq!(again.client().epoch(), Epoch::new(1));
        assert!(world.check(&again, 13).is_ok());
        assert_eq!(std::fs::read(world.path("validators")).unwrap(), good);
    }
}

/// A file of changes holds all since genesis, is gone on with, and is mended where it is damaged.
#[test]
fn a_file_of_changes_is_whole_and_goes_on() {
    let world = World::new(12);
    let all: Vec<u8> = (1..=12)
        .flat_map(|epoch| world.chain.change(Epoch::new(epoch)).framed())
        .collect();
    assert!(world.check(&world.open(true), 10).is_ok());
    let nine = std::fs::read(world.path("epochs")).unwrap();
    assert!(all.starts_with(&nine));

    // without its file, a newer checkpoint would leave a gap in it
    assert!(world.check(&world.open(false), 13).is_ok());
    assert!(world.check(&world.open(true), 13).is_ok());
    assert_eq!(std::fs::read(world.path("epochs")).unwrap(), all);

    for cut in [1, all.len() / 2, all.len() - 1] {
        std::fs::write(world.path("epochs"), &all[..cut]).unwrap();
        assert!(world.check(&world.open(true), 13).is_ok());
        assert_eq!(
            std::fs::read(world.path("epochs")).unwrap(),
            all,
            "cut at {cut}"
        );
    }
    let mut flipped = all.clone();
    flipped[all.len() / 2] ^= 1;
    std::fs::write(world.path("epochs"), flipped).unwrap();
    assert!(world.check(&world.open(true), 13).is_ok());
    assert_eq!(std::fs::read(world.path("epochs")).unwrap(), all);
}

/// A second history with other blocks from an epoch on is noticed, whether its validators are known or not, ends all acceptance, and leaves evidence
/// that the anchor and nothing else checks, also after a restart.
#[test]
fn two_histories_end_acceptance_and_leave_evidence() {
    for (shown, forked_at) in [(5, 4), (4, 4)] {
        let world = World::new(9);
        let follower = world.open(false);
        assert!(world.check(&follower, shown).is_ok());
        let twin = Arc::new(Chain::forked(1, Epoch::new(forked_at)));
        let faults = Faults {
            ended: 9,
            ..Faults::default()
        };
        let other = World {
            folder: tempfile::tempdir().unwrap(),
            node: FakeNode::start(&twin, faults),
            transaction: world.transaction.clone(),
            chain: twin,
            stop: Stop::default(),
        };

        let error = other.check(&follower, shown).unwrap_err();

        assert!(matches!(error, FollowError::Forked(_)), "{error}");
        let after = world.check(&follower, 2).unwrap_err();
        assert!(matches!(after, FollowError::Forked(_)), "{after}");
        let bytes = std::fs::read(world.path("conflict")).unwrap();
        let evidence: ConflictEvidence = codec::decode(&bytes, CONFLICT_MAX).unwrap();
        let mut client = world.client();
        for change in evidence.changes {
            client.advance_by(change).unwrap();
        }
        assert!(client.check_conflict(&evidence.conflict).is_ok());
        let restarted = world.check(&world.open(false), 2).unwrap_err();
        assert!(matches!(restarted, FollowError::Forked(_)), "{restarted}");
    }
}
