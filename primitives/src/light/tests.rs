//! No bytes make a client panic, or take memory without bound.

use super::*;
use crate::block::transaction_root;
use crate::codec::Blob;
use crate::ids::{ContractId, Height};
use crate::merkle::MerkleProof;
use crate::proof::tests::{EPOCH, certify, child, finalize, first, genesis, genesis_header};
use crate::receipt::Outcome;
use crate::state_tree::StateProof;
use proptest::prelude::*;

fn client() -> LightClient {
    let anchor = GenesisAnchor {
        header: genesis_header(),
        first: first(EPOCH),
    };
    LightClient::new(&codec::encode(&anchor), Some(genesis())).expect("an anchor")
}

/// The change that ends epoch 1, after one block.
fn change() -> EpochChange {
    let next = first(EPOCH.next());
    let mut header = child(&genesis_header());
    header.next_epoch = Some(next.digest());
    EpochChange {
        certificate: finalize(&header),
        header,
        next,
    }
}

/// What an honest node would give, one of each kind.
fn samples() -> Vec<Vec<u8>> {
    let header = child(&genesis_header());
    let finality = FinalityProof {
        certificate: finalize(&header),
        headers: Vec::from([header.clone()]),
    };
    let path = MerkleProof {
        index: 0,
        leaf_count: 1,
        siblings: Vec::new(),
    };
    let receipt = ReceiptProof {
        receipt: Receipt {
            transaction: TxId([1; 32]),
            index: 0,
            lane: crate::lane::Lane::Routine,
            outcome: Outcome::Ok,
            events: Vec::new(),
        },
        receipt_path: path.clone(),
        signature: crate::crypto::sign::Signature([0; 64]),
        transaction_path: path,
        finality: finality.clone(),
    };
    let state = StateValueProof {
        contract: ContractId::new(1),
        key: Blob(Vec::from([1])),
        value: None,
        tree: StateProof {
            leaf: None,
            siblings: Vec::new(),
        },
        finality: finality.clone(),
    };
    let conflict = Conflict {
        first: finality.clone(),
        second: finality,
    };
    let mut seen = Sightings::default();
    seen.note_change(&change()).expect("the first");
    Vec::from([
        codec::encode(&receipt),
        codec::encode(&state),
        codec::encode(&conflict),
        codec::encode(&change()),
        client().checkpoint(&seen),
        codec::encode(&transaction_root(&[])),
    ])
}

/// Asks a client everything it can be asked about some bytes.
fn ask_everything(bytes: &[u8]) {
    let mut client = client();
    let key = StateKey::tree(ContractId::new(1), [1]);
    let _ = LightClient::new(bytes, None);
    let _ = client.any_receipt(bytes);
    let _ = client.state(bytes, &key, AtHeight::NotBefore(Height::ZERO));
    let _ = client.record(bytes);
    let _ = client.any_attestation(bytes);
    let _ = client.pinned(Pin::of(&first(EPOCH)), bytes);
    if let Ok((resumed, mut seen)) = client.resumed(bytes) {
        let _ = seen.note_change(&change());
        let _ = resumed.checkpoint(&seen);
    }
    if let Ok(conflict) = codec::decode::<Conflict>(bytes, 1 << 20) {
        let _ = client.check_conflict(&conflict);
        let mut seen = Sightings::default();
        let _ = seen.note(&conflict.first);
        let _ = seen.note(&conflict.second);
    }
    let _ = client.advance(bytes);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        ask_everything(&bytes);
    }

    /// Nearly right bytes get further: changed, cut, lengthened, and with lengths that claim anything.
    #[test]
    fn no_spoilt_answer_makes_it_panic(
        which in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        value in prop_oneof![Just(0u64), Just(u64::MAX), Just(1 << 32), Just(1 << 20), any::<u64>()],
        width in 1usize..9,
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let samples = samples();
        let mut bytes = samples[which.index(samples.len())].clone();
        let at = at.index(bytes.len());
        for (place, byte) in bytes.iter_mut().skip(at).zip(value.to_le_bytes().into_iter().take(width)) {
            *place = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        ask_everything(&bytes);
    }
}

/// The heights at the end of their range are numbers like others.
#[test]
fn extreme_heights_and_epochs_are_refused_without_a_panic() {
    let mut header = child(&genesis_header());
    header.height = Height::new(u64::MAX);
    let proof = FinalityProof {
        certificate: finalize(&header),
        headers: Vec::from([header.clone(), header.clone()]),
    };
    assert!(client().check_finality(&proof).is_err());
    let mut far = change();
    far.header.epoch = Epoch::new(u64::MAX);
    assert!(client().advance(&codec::encode(&far)).is_err());
    let statement = crate::certificate::Statement::Finalize {
        epoch: Epoch::new(u64::MAX),
        view: crate::ids::View::new(u64::MAX),
        block: header.id(),
    };
    let unknown = FinalityProof {
        certificate: certify(statement, &[0, 1, 2]),
        headers: Vec::from([header]),
    };
    assert!(matches!(
        client().check_finality(&unknown),
        Err(LightError::UnknownEpoch { .. })
    ));
}

#[test]
fn a_pinned_client_starts_there_and_knows_nothing_older() {
    let client = client();
    let next = first(EPOCH.next());
    let pin = Pin::of(&next);
    let bytes = codec::encode(&change());

    let pinned = client.pinned(pin, &bytes).expect("leads there");

    assert_eq!((pinned.start(), pinned.epoch()), (pin, EPOCH.next()));
    assert_eq!(pinned.validators(EPOCH.next()), Some(&next.validators));
    assert_eq!(pinned.validators(EPOCH), None);
    let header = child(&genesis_header());
    let old = FinalityProof {
        certificate: finalize(&header),
        headers: Vec::from([header]),
    };
    assert!(client.check_finality(&old).is_ok());
    assert!(matches!(
        pinned.check_finality(&old),
        Err(LightError::ForgottenEpoch { .. })
    ));
    // it agrees with who followed
    let mut followed = client.clone();
    followed.advance(&bytes).expect("the next");
    assert_eq!(followed.pin(EPOCH.next()), Some(pin));
}

/// The pin decides, whoever signed the change that leads to it.
#[test]
fn a_change_that_leads_elsewhere_is_not_what_was_pinned() {
    let pin = Pin::of(&first(EPOCH.next()));
    let mut other = change();
    other.next.lanes.lanes[0].transaction_limit += 1;
    let mut late = change();
    late.next = first(Epoch::new(3));

    for change in [other, late] {
        assert_eq!(
            client().pinned(pin, &codec::encode(&change)),
            Err(LightError::OtherPin(pin))
        );
    }
    let mut unsigned = change();
    unsigned.certificate.votes.clear();
    assert!(client().pinned(pin, &codec::encode(&unsigned)).is_ok());
}

#[test]
fn a_pin_is_written_as_epoch_and_digest() {
    let pin = Pin::of(&first(EPOCH));
    let text = pin.to_string();

    assert_eq!(text.parse(), Ok(pin));
    for wrong in [
        "",
        "1",
        "1:",
        ":",
        "+1:",
        "1:00",
        &text[1..],
        &format!("+{text}"),
        &format!("{text}0"),
    ] {
        assert_eq!(wrong.parse::<Pin>(), Err(ParsePinError), "{wrong}");
    }
}

/// What was followed from a pin is no start for who trusts genesis alone, and the other way round.
#[test]
fn a_checkpoint_is_of_its_start() {
    let client = client();
    let bytes = codec::encode(&change());
    let pinned = client
        .pinned(Pin::of(&first(EPOCH.next())), &bytes)
        .expect("leads there");
    let mut seen = Sightings::default();
    seen.note_change(&change()).expect("the first");
    let saved = pinned.checkpoint(&seen);

    assert_eq!(pinned.resumed(&saved), Ok((pinned.clone(), seen)));
    assert!(matches!(
        client.resumed(&saved),
        Err(LightError::Checkpoint(_))
    ));
    assert!(matches!(
        pinned.resumed(&client.checkpoint(&Sightings::default())),
        Err(LightError::Checkpoint(_))
    ));
}
