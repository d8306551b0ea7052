//! A custodian's key service: holds the keys of other entities' patients, and gives them to whom the chain allowed, and to nobody else (`docs/keys.md`).
//!
//! Part of the node, off by default. It reads final state only ([`facts`], filled by `chain`) and keeps what it holds in an encrypted folder (`vault`). What
//! it says is durable before it is said: a deposit before its receipt, a release before it is given, and an erasure before the chain is told. Every
//! step is safe to repeat, so a crash at any of them is made good by doing it again.
//!
//! One lock holds vault and facts together: facts are read after it is taken, so nothing is deposited or released on facts from before an
//! order to erase that was carried out meanwhile.

mod allowance;
pub(crate) mod chain;
pub mod facts;
pub mod home;
pub(crate) mod speaker;
mod vault;
mod wipe;

#[cfg(test)]
mod tests;

pub use vault::{Statement, VaultError};

use allowance::Allowance;
use facts::{DepositFacts, Order, ReleaseFacts};
use rand_core::CryptoRng;
use salus_primitives::access::{AccessRequest, Extent};
use salus_primitives::codec;
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::crypto::sign::{PublicKey, SecretKey, Signer};
use salus_primitives::crypto::strongbox::{PassphraseCost, Unlock};
use salus_primitives::custody::{
    Deposit, DepositReceipt, Expected, NotReleased, Period, PeriodClaim, Prekey, PrekeyRequest,
    Release, asks_for,
};
use salus_primitives::ids::{EntityId, GenesisHash, Height};
use salus_primitives::reading::PeriodKey;
use salus_primitives::signed::Signed;
use salus_primitives::state::StateReadError;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use salus_storage::ledger::LedgerError;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use vault::{Holding, Index, PrekeySecret, RELEASES_MAX, ReleasedDays, SHARD_DAYS, Shard, Vault};

/// The key service of one entity on one chain.
#[derive(Debug)]
pub struct KeyService {
    genesis: GenesisHash,
    entity: EntityId,
    signer: Signer,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    vault: Vault,
    allowance: Allowance,
}

/// Why the service does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The chain does not have this service's key, or another one.
    #[error("the chain does not have this key service's key: have the entity set it")]
    NotRegistered,
    /// The device does not exist, is revoked, did not sign this, is not of the entity that the person has a relation with; or the person does not exist, or has not
    /// chosen this custodian. One answer for all: it tells nobody which persons there are.
    #[error("this device may not deposit keys of this person here")]
    NotEntitled,
    /// The period was ordered to be erased.
    #[error("the keys of this period were ordered to be destroyed")]
    Erased,
    /// The service never gave out this one-time key, or for something else.
    #[error("there is no such one-time key of this period")]
    UnknownPrekey,
    /// The one-time key was used for another key.
    #[error("this one-time key was used already, for another key")]
    PrekeyUsed,
    /// More one-time keys than a device, or an entity's devices, may ask for; or than a period may have generations.
    #[error("too many one-time keys, retry later")]
    TooMany,
    /// There is no such final request, it was denied, or what allowed it has ended before keys were released for it: one answer for all.
    #[error("there is no final request of this id that was allowed and is so still")]
    NotAllowed,
    /// It was released before, and what was released is not kept any more.
    #[error("keys were released for this request before, and the release is not kept; ask anew")]
    NotKept,
    /// Nobody has deposited anything here of what was asked for.
    #[error("there is no key here of what was asked for")]
    Nothing,
    /// More than one release holds.
    #[error("{0} keys are more than one release holds; ask for fewer days")]
    TooLarge(usize),
    /// The chain cannot be read.
    #[error(transparent)]
    Chain(#[from] FactsError),
    /// The vault cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What the vault holds does not open: it belongs to another chain, or there is a bug.
    #[error("a deposit does not open")]
    Broken,
}

/// The chain cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateReadError),
}

impl Refusal {
    /// A short stable name, for clients and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotRegistered => "not_registered",
            Self::NotEntitled => "not_entitled",
            Self::Erased => "erased",
            Self::UnknownPrekey => "unknown_prekey",
            Self::PrekeyUsed => "prekey_used",
            Self::TooMany => "too_many",
            Self::NotAllowed => "not_allowed",
            Self::NotKept => "not_kept",
            Self::Nothing => "nothing_deposited",
            Self::TooLarge(_) => "too_many_keys",
            Self::Chain(_) | Self::Vault(_) | Self::Broken => "internal",
        }
    }
}

/// Makes a new key service in a new folder.
///
/// # Errors
/// [`VaultError`].
pub fn create(
    folder: &Path,
    unlock: &Unlock,
    cost: PassphraseCost,
    entropy: &mut impl CryptoRng,
) -> Result<PublicKey, VaultError> {
    Vault::create(folder, unlock, cost, entropy).map(|key: SecretKey| key.public())
}

/// Locks a key service with another passphrase or key file.
///
/// # Errors
/// [`VaultError`].
pub fn relock(
    folder: &Path,
    unlock: &Unlock,
    new: &Unlock,
    cost: PassphraseCost,
    entropy: &mut impl CryptoRng,
) -> Result<(), VaultError> {
    let (mut vault, _) = Vault::open(folder, unlock)?;
    vault.relock(new, cost, entropy)
}

impl KeyService {
    /// Opens what [`create`] made.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn open(
        folder: &Path,
        unlock: &Unlock,
        genesis: GenesisHash,
        entity: EntityId,
    ) -> Result<Self, VaultError> {
        let (vault, key) = Vault::open(folder, unlock)?;
        Ok(Self {
            genesis,
            entity,
            signer: key.signer(),
            kept: Mutex::new(Kept {
                vault,
                allowance: Allowance::default(),
            }),
        })
    }

    /// The key it signs with, which the entity sets on the chain.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.signer.public()
    }

    /// Signs its transactions.
    #[must_use]
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Gives out the one-time key of a period; asked again, the same.
    ///
    /// `now` is this machine's time, for how many a device may ask for.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn prekey(
        &self,
        asked: Signed<PrekeyRequest>,
        now: Timestamp,
        facts: impl FnOnce(&PrekeyRequest) -> Result<DepositFacts, FactsError>,
        entropy: &mut impl CryptoRng,
    ) -> Result<Signed<Prekey>, Refusal> {
        let mut kept = self.kept();
        let facts = facts(&asked.body)?;
        let device = self.entitled(&facts)?;
        let asked = asked
            .verify(self.genesis, &device.key)
            .map_err(|_| Refusal::NotEntitled)?;
        let asked = *asked.body();
        if asked.custodian != self.entity {
            return Err(Refusal::NotEntitled);
        }
        if facts.is_erased {
            return Err(Refusal::Erased);
        }
        let Period {
            subject,
            category,
            day,
            ..
        } = asked.period;
        let mut shard = kept.vault.shard(&subject, category, day)?;
        let key = match shard.find(&asked.device, &asked.period) {
            Ok(at) => shard.holdings.get(at).map(Holding::public),
            Err(at) => {
                let generations = shard.holdings.iter().filter(|holding| {
                    holding.device == asked.device
                        && Period {
                            generation: asked.period.generation,
                            ..holding.period
                        } == asked.period
                });
                if generations.count() >= GENERATIONS_MAX
                    || !kept.allowance.take(asked.device, device.owner, now)
                {
                    return Err(Refusal::TooMany);
                }
                let secret = ExchangeSecret::generate(entropy);
                let holding = Holding {
                    device: asked.device,
                    period: asked.period,
                    prekey: PrekeySecret(*secret.as_bytes()),
                    deposit: None,
                };
                shard.holdings.insert(at, holding);
                kept.vault
                    .put_shard(&subject, category, day, &shard, entropy)?;
                Some(secret.public())
            }
        };
        let prekey = Prekey {
            custodian: self.entity,
            device: asked.device,
            period: asked.period,
            key: key.ok_or(Refusal::Broken)?,
            generation: facts.generation,
            height: facts.height,
        };
        Ok(Signed::sign(prekey, self.genesis, &self.signer).into_signed())
    }

    /// Takes a deposit into custody. Deposited again, it is the same deposit.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn deposit(
        &self,
        deposit: Signed<Deposit>,
        facts: impl FnOnce(&PrekeyRequest) -> Result<DepositFacts, FactsError>,
        entropy: &mut impl CryptoRng,
    ) -> Result<Signed<DepositReceipt>, Refusal> {
        let mut kept = self.kept();
        let PeriodClaim {
            device,
            period,
            handle,
        } = deposit.body.claim.body;
        let facts = facts(&PrekeyRequest {
            custodian: deposit.body.custodian,
            device,
            period,
        })?;
        let registered = self.entitled(&facts)?;
        let verified = deposit
            .clone()
            .verify(self.genesis, &registered.key)
            .map_err(|_| Refusal::NotEntitled)?;
        if facts.is_erased {
            return Err(Refusal::Erased);
        }
        let Period {
            subject,
            category,
            day,
            ..
        } = period;
        let mut shard = kept.vault.shard(&subject, category, day)?;
        let holding = shard
            .find(&device, &period)
            .ok()
            .and_then(|at| shard.holdings.get_mut(at))
            .filter(|holding| holding.public() == deposit.body.prekey)
            .ok_or(Refusal::UnknownPrekey)?;
        deposit
            .open(
                self.genesis,
                &self.entity,
                &registered.key,
                &holding.secret(),
            )
            .map_err(|_| Refusal::NotEntitled)?;
        let is_held = match &holding.deposit {
            Some(held) if held.body.claim.body.handle != handle => return Err(Refusal::PrekeyUsed),
            Some(held) => *held == deposit,
            None => false,
        };
        if !is_held {
            holding.deposit = Some(deposit);
            kept.vault
                .put_shard(&subject, category, day, &shard, entropy)?;
        }
        let receipt = DepositReceipt {
            custodian: self.entity,
            deposit: *verified.content(),
        };
        Ok(Signed::sign(receipt, self.genesis, &self.signer).into_signed())
    }

    /// The keys that a request opens, encoded: a `Signed<Release>`. Asked again, the same bytes.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn release(
        &self,
        request: TxId,
        facts: impl FnOnce(&TxId) -> Result<Option<ReleaseFacts>, FactsError>,
        entropy: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, Refusal> {
        let mut kept = self.kept();
        let facts = facts(&request)?.ok_or(Refusal::NotAllowed)?;
        self.check_registered(facts.custody_key)?;
        let (first, last) = days_of(&facts.asked).ok_or(Refusal::NotAllowed)?;
        if let Some(release) = kept.vault.release(&request)? {
            // one that an order names is about to be destroyed, all of it: it cannot be given in part
            if facts.is_any_erased(first, last) {
                return Err(Refusal::Erased);
            }
            self.say(&mut kept, Statement::Released(request), &facts, entropy)?;
            return Ok(release);
        }
        if facts.is_released {
            return Err(Refusal::NotKept);
        }
        let recipient = match facts.recipient {
            Some(recipient) if facts.is_open => recipient,
            Some(_) | None => return Err(Refusal::NotAllowed),
        };
        if (first..=last).all(|day| facts.is_any_erased(day, day)) {
            return Err(Refusal::Erased);
        }
        let keys = self.keys_for(&kept.vault, &facts, first, last)?;
        let expected = Expected {
            genesis: self.genesis,
            request,
            asked: facts.asked,
            custodian: self.entity,
            custody_key: self.signer.public(),
        };
        let keys = keys.iter().map(|(claim, key)| (claim.clone(), key));
        let release = Release::make(&expected, recipient, keys, entropy).map_err(|error| {
            match error {
                NotReleased::Nothing => Refusal::Nothing,
                NotReleased::TooMany(count) => Refusal::TooLarge(count),
                // the chain has registered a key that nothing can be wrapped for
                NotReleased::Wrap(_) => Refusal::NotAllowed,
            }
        })?;
        let release =
            codec::encode(&Signed::sign(release, self.genesis, &self.signer).into_signed());
        let released = ReleasedDays {
            request,
            first,
            last,
        };
        // the index first: a release that it does not name would outlive an order to erase
        self.note_release(&mut kept.vault, &facts.asked, released, entropy)?;
        kept.vault.put_release(&request, &release, entropy)?;
        self.say(&mut kept, Statement::Released(request), &facts, entropy)?;
        Ok(release)
    }

    /// Carries out orders to erase, up to a height: destroys one-time keys, deposits and releases, and then has the chain to be told.
    ///
    /// # Errors
    /// [`VaultError`]: then nothing has been said, and it is to be done again.
    pub fn erase(
        &self,
        orders: &[Order],
        up_to: Height,
        entropy: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        let mut kept = self.kept();
        for order in orders {
            let Order {
                subject, category, ..
            } = order;
            let mut day = order.first_day;
            loop {
                let mut shard = kept.vault.shard(subject, *category, day)?;
                let before = shard.holdings.len();
                shard
                    .holdings
                    .retain(|holding| !order.names(holding.period.day));
                if shard.holdings.len() < before {
                    kept.vault
                        .put_shard(subject, *category, day, &shard, entropy)?;
                }
                let next = (day / SHARD_DAYS)
                    .checked_add(1)
                    .and_then(|next| next.checked_mul(SHARD_DAYS));
                match next {
                    Some(next) if next <= order.last_day => day = next,
                    Some(_) | None => break,
                }
            }
            let mut index = kept.vault.index(subject, *category)?;
            let (gone, left): (Vec<_>, Vec<_>) = index.releases.drain(..).partition(|released| {
                released.first <= order.last_day && order.first_day <= released.last
            });
            for released in &gone {
                kept.vault.remove_release(&released.request)?;
            }
            if !gone.is_empty() {
                let index = Index { releases: left };
                kept.vault.put_index(subject, *category, &index, entropy)?;
            }
        }
        let mut ledgered = kept.vault.ledgered()?;
        let said = orders
            .iter()
            .filter(|order| order.awaits_us)
            .map(|order| Statement::Erased(order.order));
        for statement in said {
            if !ledgered.statements.contains(&statement) {
                ledgered.statements.push(statement);
            }
        }
        if up_to > ledgered.watched || !orders.is_empty() {
            ledgered.watched = ledgered.watched.max(up_to);
            kept.vault.put_ledgered(&ledgered, entropy)?;
        }
        Ok(())
    }

    /// Up to which height orders to erase were carried out.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn watched(&self) -> Result<Height, VaultError> {
        Ok(self.kept().vault.ledgered()?.watched)
    }

    /// What the chain is still to be told, oldest first.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn unsaid(&self) -> Result<Vec<Statement>, VaultError> {
        Ok(self.kept().vault.ledgered()?.statements)
    }

    /// The chain has these statements, finally, or refuses them for good.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn settled(
        &self,
        statements: &[Statement],
        entropy: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        let mut kept = self.kept();
        let mut ledgered = kept.vault.ledgered()?;
        let before = ledgered.statements.len();
        ledgered
            .statements
            .retain(|statement| !statements.contains(statement));
        if ledgered.statements.len() < before {
            kept.vault.put_ledgered(&ledgered, entropy)?;
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_registered(&self, key: Option<PublicKey>) -> Result<(), Refusal> {
        if key == Some(self.signer.public()) {
            Ok(())
        } else {
            Err(Refusal::NotRegistered)
        }
    }

    fn entitled<'a>(&self, facts: &'a DepositFacts) -> Result<&'a facts::DeviceFacts, Refusal> {
        self.check_registered(facts.custody_key)?;
        match (&facts.device, &facts.person) {
            (Some(device), Some(person))
                if person.relation == device.owner && person.is_custodian =>
            {
                Ok(device)
            }
            (_, _) => Err(Refusal::NotEntitled),
        }
    }

    /// What is deposited of what a request asks for, but for days that were ordered to be erased and have not been yet.
    fn keys_for(
        &self,
        vault: &Vault,
        facts: &ReleaseFacts,
        first: u32,
        last: u32,
    ) -> Result<Vec<(Signed<PeriodClaim>, PeriodKey)>, Refusal> {
        let asked = &facts.asked;
        let mut keys = Vec::new();
        for month in first / SHARD_DAYS..=last / SHARD_DAYS {
            let Shard { holdings } = vault.shard(
                &asked.subject,
                asked.category,
                month.saturating_mul(SHARD_DAYS),
            )?;
            for holding in &holdings {
                let Some(deposit) = &holding.deposit else {
                    continue;
                };
                let day = holding.period.day;
                if asks_for(asked, &holding.device, &holding.period)
                    && !facts.is_any_erased(day, day)
                {
                    let key = deposit
                        .body
                        .unwrap_key(self.genesis, &holding.secret())
                        .map_err(|_| Refusal::Broken)?;
                    keys.push((deposit.body.claim.clone(), key));
                }
            }
        }
        Ok(keys)
    }

    fn note_release(
        &self,
        vault: &mut Vault,
        asked: &AccessRequest,
        released: ReleasedDays,
        entropy: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        let mut index = vault.index(&asked.subject, asked.category)?;
        if index.releases.contains(&released) {
            return Ok(());
        }
        while index.releases.len() >= RELEASES_MAX {
            let oldest = index.releases.remove(0);
            vault.remove_release(&oldest.request)?;
        }
        index.releases.push(released);
        vault.put_index(&asked.subject, asked.category, &index, entropy)
    }

    /// Has the chain to be told, if it has not been yet.
    fn say(
        &self,
        kept: &mut Kept,
        statement: Statement,
        facts: &ReleaseFacts,
        entropy: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        if facts.is_released {
            return Ok(());
        }
        let mut ledgered = kept.vault.ledgered()?;
        if ledgered.statements.contains(&statement) {
            return Ok(());
        }
        if ledgered.statements.len() >= STATEMENTS_MAX {
            return Err(VaultError::Full);
        }
        ledgered.statements.push(statement);
        kept.vault.put_ledgered(&ledgered, entropy)
    }
}

impl Holding {
    fn secret(&self) -> ExchangeSecret {
        ExchangeSecret::from_bytes(self.prekey.0)
    }

    fn public(&self) -> salus_primitives::crypto::exchange::ExchangePublic {
        self.secret().public()
    }
}

/// The days that a request names; none for one that no chain would have allowed.
const fn days_of(asked: &AccessRequest) -> Option<(u32, u32)> {
    match asked.extent {
        Extent::Reading { day, .. } => Some((day, day)),
        Extent::Days { first, last }
            if first <= last && last - first < salus_primitives::calls::REQUESTED_DAYS_MAX =>
        {
            Some((first, last))
        }
        Extent::Days { .. } | Extent::All => None,
    }
}

/// Most period keys of one device, person, kind of data, sensitivity and day.
pub const GENERATIONS_MAX: usize = 64;
/// Most statements that wait to be said; with more, nothing is released until the chain has taken some.
const STATEMENTS_MAX: usize = 4_096;
