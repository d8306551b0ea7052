//! A small chain with two hospitals and their people, and short ways to ask for and to lay down rules.

use crate::world::*;
use salus_contracts::context::BlockContext;
use salus_contracts::executor::BlockOutcome;
use salus_contracts::native::access as contract;
use salus_contracts::native::access::Dossier;
use salus_contracts::native::identity::{self, Registered};
use salus_primitives::access::{
    AccessEvent, AccessRequest, AgreementId, Categories, Decision, Extent, GrantId, Grantee,
    Passing, Purpose, Purposes, Sensitivity, Terms,
};
use salus_primitives::calls::{
    ACCESS, AGREEMENTS, AccessCall, Agreement, AgreementsCall, BreakGlassReason, CommunicationMode,
    IdentityCall, PersonKeys, Profession, ReviewVerdict, Role,
};
use salus_primitives::codec;
use salus_primitives::ids::{EntityId, Height, PractitionerId};
use salus_primitives::lane::Lane;
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::receipt::Receipt;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, SignedTransaction, TxId};

/// Another hospital than the patient's.
pub(crate) const HOSPITAL_B: u8 = 11;

// people of the first hospital, by their keys' numbers
pub(crate) const PHYSICIAN_A: u8 = 31;
pub(crate) const PRIVACY_A: u8 = 32;
// of the second
pub(crate) const PHYSICIAN_B: u8 = 41;
pub(crate) const PRIVACY_B: u8 = 42;
pub(crate) const COLLEAGUE_B: u8 = 43;
pub(crate) const NURSE_B: u8 = 44;
/// The insurer's.
pub(crate) const CLERK: u8 = 45;
/// The institute's.
pub(crate) const RESEARCHER: u8 = 46;

// persons of the first hospital
pub(crate) const PATIENT: u8 = 51;
pub(crate) const RELATIVE: u8 = 52;
/// A minor without keys; [`RELATIVE`] is the guardian, until [`OF_AGE`].
pub(crate) const CHILD: u8 = 53;
/// Given up for [`PATIENT`] once [`Ward::merge`] is called.
pub(crate) const DOUBLE: u8 = 54;
/// Not registered.
pub(crate) const NOBODY: u8 = 99;

// key services; the patient's custodians are the first two
pub(crate) const CUSTODIAN_A: u8 = 71;
pub(crate) const CUSTODIAN_P: u8 = 72;
pub(crate) const CUSTODIAN_I: u8 = 73;

pub(crate) const MINUTE: u64 = 60_000;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
/// When everything begins: the morning of day 20.
pub(crate) const START: u64 = 20 * DAY + 8 * HOUR;
/// When [`CHILD`] comes of age.
pub(crate) const OF_AGE: u64 = 100 * DAY;

/// The chain, and the time of its next block.
pub(crate) struct Ward {
    pub(crate) world: World,
    pub(crate) now: u64,
    nonce: u8,
}

impl Ward {
    pub(crate) fn new() -> Self {
        let mut ward = Self {
            world: World::new(),
            now: START,
            nonce: 0,
        };
        let custody = |n: u8, key_of: u8| {
            let call = IdentityCall::SetCustodyKey { key: key(key_of) };
            identity(n, &call)
        };
        let mut block = vec![
            register_entity(MINISTRY, HOSPITAL_B, Role::Hospital),
            custody(HOSPITAL, CUSTODIAN_A),
            custody(PHARMACY, CUSTODIAN_P),
            custody(INSURER, CUSTODIAN_I),
        ];
        for (n, profession) in [
            (PHYSICIAN_A, Profession::Physician),
            (PRIVACY_A, Profession::PrivacyOfficer),
            (PHYSICIAN_B, Profession::Physician),
            (PRIVACY_B, Profession::PrivacyOfficer),
            (COLLEAGUE_B, Profession::Physician),
            (NURSE_B, Profession::Nurse),
            (CLERK, Profession::ClaimsHandler),
            (RESEARCHER, Profession::Researcher),
        ] {
            let call = IdentityCall::RegisterPractitioner {
                practitioner: practitioner(n),
                profession,
                keys: keys(n),
            };
            block.push(identity(entity_of(n), &call));
        }
        block.push(register(RELATIVE, Some(RELATIVE), None));
        block.push(register(PATIENT, Some(PATIENT), None));
        block.push(register(DOUBLE, Some(DOUBLE), None));
        block.push(register(CHILD, None, Some(OF_AGE)));
        block.push(identity(
            HOSPITAL,
            &IdentityCall::AppointGuardian {
                person: pseudonym(CHILD),
                guardian: pseudonym(RELATIVE),
                until: None,
            },
        ));
        for receipt in ward.block(&block) {
            assert_eq!(reason(&receipt), "ok", "transaction {}", receipt.index);
        }
        ward
    }

    /// What a block at the present time would do.
    pub(crate) fn outcome(&self, transactions: &[SignedTransaction]) -> BlockOutcome {
        let block = BlockContext {
            height: Height::new(self.world.height + 1),
            time: Timestamp::from_millis(self.now),
        };
        let demotions = self.world.demotions();
        self.world
            .executor
            .execute_block(block, transactions, &self.world.state, &demotions)
            .expect("memory does not fail")
    }

    /// Executes a block at the present time; the next is a millisecond later.
    pub(crate) fn block(&mut self, transactions: &[SignedTransaction]) -> Vec<Receipt> {
        let outcome = self.outcome(transactions);
        self.world.state.apply(&outcome.writes);
        self.world.height += 1;
        self.now += 1;
        outcome.receipts
    }

    /// Executes one transaction.
    pub(crate) fn send(&mut self, transaction: &SignedTransaction) -> Receipt {
        self.block(std::slice::from_ref(transaction)).remove(0)
    }

    /// `ok`, or why not, of one call.
    pub(crate) fn run(&mut self, who: u8, call: &AccessCall) -> &'static str {
        let transaction = self.by(who, call);
        reason(&self.send(&transaction))
    }

    /// The same of a call of identity.
    pub(crate) fn identify(&mut self, who: u8, call: &IdentityCall) -> &'static str {
        let transaction = of_entity(entity_of(who), identity(who, call));
        reason(&self.send(&transaction))
    }

    /// A transaction that differs from all before.
    pub(crate) fn by(&mut self, who: u8, call: &AccessCall) -> SignedTransaction {
        let call = Call::new(ACCESS, call);
        let mut transaction = of_entity(entity_of(who), transaction(who, Lane::Routine, call));
        self.nonce += 1;
        transaction.body.nonce = [self.nonce; 16];
        transaction
    }

    /// What is decided on a request.
    pub(crate) fn ask(&mut self, who: u8, asked: AccessRequest) -> Decision {
        let transaction = self.by(who, &AccessCall::Request(asked));
        decision(&self.send(&transaction))
    }

    pub(crate) fn may(&mut self, who: u8, asked: AccessRequest) -> bool {
        self.ask(who, asked) != Decision::Denied
    }

    /// Sends a call that succeeds, and says what its transaction was.
    pub(crate) fn done(&mut self, who: u8, call: &AccessCall) -> TxId {
        let transaction = self.by(who, call);
        assert_eq!(reason(&self.send(&transaction)), "ok", "{call:?}");
        transaction.body.id()
    }

    /// Grants by the patient.
    pub(crate) fn grant(&mut self, terms: Terms) -> GrantId {
        GrantId::from(self.done(PATIENT, &AccessCall::Grant(terms)))
    }

    /// Breaks the patient's glass.
    pub(crate) fn break_glass(&mut self, who: u8) -> (TxId, Vec<AccessEvent>) {
        let call = AccessCall::BreakGlass {
            request: for_life(PATIENT),
            reason: BreakGlassReason::Unconscious,
        };
        let transaction = self.by(who, &call);
        let receipt = self.send(&transaction);
        assert_eq!(reason(&receipt), "ok");
        (transaction.body.id(), events(&receipt))
    }

    pub(crate) fn review(&mut self, who: u8, request: TxId) -> &'static str {
        let verdict = ReviewVerdict::Justified;
        self.run(who, &AccessCall::CloseReview { request, verdict })
    }

    pub(crate) fn registered(&self, n: u8) -> Registered {
        identity::person(&self.world.state, &pseudonym(n))
            .expect("memory")
            .expect("registered")
    }

    pub(crate) fn dossier(&self, n: u8) -> Option<Dossier> {
        contract::dossier(&self.world.state, &self.registered(n)).expect("memory")
    }

    pub(crate) fn generation(&self, n: u8) -> Option<u64> {
        let now = Timestamp::from_millis(self.now);
        contract::generation(&self.world.state, &pseudonym(n), now).expect("memory")
    }

    pub(crate) fn is_releasable(&self, request: &TxId) -> bool {
        let now = Timestamp::from_millis(self.now);
        contract::releasable(&self.world.state, request, now)
            .expect("memory")
            .is_some()
    }

    /// [`DOUBLE`] turns out to be [`PATIENT`].
    pub(crate) fn merge(&mut self) {
        let call = IdentityCall::Merge {
            person: pseudonym(DOUBLE),
            into: pseudonym(PATIENT),
        };
        for who in [HOSPITAL, DOUBLE, PATIENT] {
            assert_eq!(self.identify(who, &call), "ok");
        }
    }

    /// An agreement of the hospital and the institute for research on vital signs, for ten days; as many have signed as are named.
    pub(crate) fn agreement(&mut self, mode: CommunicationMode, signers: &[u8]) -> AgreementId {
        let mut parties = vec![entity_id(HOSPITAL), entity_id(INSTITUTE)];
        parties.sort_unstable();
        let text = Agreement {
            parties,
            receivers: vec![Role::Institute],
            categories: Categories::from_iter([Category::VitalSigns]),
            purposes: Purposes::from_iter([Purpose::Research]),
            mode,
            from: Timestamp::from_millis(0),
            until: Timestamp::from_millis(START + 10 * DAY),
        };
        let agree = |who: u8, call: &AgreementsCall| {
            transaction(who, Lane::Routine, Call::new(AGREEMENTS, call))
        };
        let proposal = agree(signers[0], &AgreementsCall::Propose(text));
        assert_eq!(reason(&self.send(&proposal)), "ok");
        let id = AgreementId::from(proposal.body.id());
        for signer in &signers[1..] {
            let accepted = agree(*signer, &AgreementsCall::Accept(id));
            assert_eq!(reason(&self.send(&accepted)), "ok");
        }
        id
    }

    pub(crate) fn end_agreement(&mut self, id: AgreementId) {
        let call = Call::new(AGREEMENTS, &AgreementsCall::End(id));
        let receipt = self.send(&transaction(HOSPITAL, Lane::Routine, call));
        assert_eq!(reason(&receipt), "ok");
    }
}

/// Registers a person of the first hospital.
pub(crate) fn register(n: u8, key_of: Option<u8>, of_age_at: Option<u64>) -> SignedTransaction {
    let mut custodians = vec![entity_id(HOSPITAL), entity_id(PHARMACY)];
    custodians.sort_unstable();
    let call = IdentityCall::RegisterPerson {
        person: pseudonym(n),
        salt: [n ^ 0xff; 32],
        keys: key_of.map(keys),
        of_age_at: of_age_at.map(Timestamp::from_millis),
        custodians,
    };
    identity(HOSPITAL, &call)
}

/// The number of the entity that answers for a key.
pub(crate) fn entity_of(who: u8) -> u8 {
    match who {
        0..=20 => who,
        PHYSICIAN_B | PRIVACY_B | COLLEAGUE_B | NURSE_B => HOSPITAL_B,
        CLERK | CUSTODIAN_I => INSURER,
        RESEARCHER => INSTITUTE,
        CUSTODIAN_P => PHARMACY,
        _ => HOSPITAL,
    }
}

pub(crate) fn keys(n: u8) -> PersonKeys {
    PersonKeys {
        key: key(n),
        exchange_key: exchange_key(n),
    }
}

pub(crate) fn pseudonym(n: u8) -> Pseudonym {
    Pseudonym([n; 32])
}

pub(crate) fn practitioner(n: u8) -> PractitionerId {
    PractitionerId([n; 32])
}

pub(crate) fn entity(n: u8) -> EntityId {
    entity_id(n)
}

/// Vital signs of yesterday and today, for treatment.
pub(crate) fn for_treatment(subject: u8) -> AccessRequest {
    AccessRequest {
        subject: pseudonym(subject),
        category: Category::VitalSigns,
        sensitivity: Sensitivity::Normal,
        purpose: Purpose::Treatment,
        extent: Extent::Days {
            first: 19,
            last: 20,
        },
    }
}

/// The same, because a life is at stake.
pub(crate) fn for_life(subject: u8) -> AccessRequest {
    AccessRequest {
        purpose: Purpose::BreakGlass,
        ..for_treatment(subject)
    }
}

/// The vital signs of yesterday, for research.
pub(crate) fn for_research(subject: u8) -> AccessRequest {
    AccessRequest {
        purpose: Purpose::Research,
        extent: Extent::Days {
            first: 10,
            last: 19,
        },
        ..for_treatment(subject)
    }
}

/// The patient's vital signs for treatment, for an hour.
pub(crate) fn terms(grantee: Grantee) -> Terms {
    Terms {
        subject: pseudonym(PATIENT),
        grantee,
        categories: Categories::from_iter([Category::VitalSigns]),
        sensitivity: Sensitivity::Normal,
        purposes: Purposes::from_iter([Purpose::Treatment]),
        extent: Extent::All,
        from: Timestamp::from_millis(0),
        until: Timestamp::from_millis(START + HOUR),
        passing: Passing::Never,
        agreement: None,
    }
}

/// The same for research, for ten days, under an agreement.
pub(crate) fn research_terms(agreement: AgreementId) -> Terms {
    Terms {
        purposes: Purposes::from_iter([Purpose::Research]),
        until: Timestamp::from_millis(START + 10 * DAY),
        agreement: Some(agreement),
        ..terms(Grantee::Entity(entity_id(INSTITUTE)))
    }
}

/// The events of this contract in a receipt.
pub(crate) fn events(receipt: &Receipt) -> Vec<AccessEvent> {
    receipt
        .events
        .iter()
        .filter(|event| event.contract == ACCESS)
        .map(|event| codec::decode(event.data.as_slice(), 1024).expect("an event"))
        .collect()
}

/// What a request's receipt says was decided.
pub(crate) fn decision(receipt: &Receipt) -> Decision {
    match events(receipt).first() {
        Some(AccessEvent::Decided { decision, .. }) => *decision,
        other => panic!("{other:?}, {}", reason(receipt)),
    }
}
