//! Gives period keys into custody, beside everything else.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use getrandom::SysRng;
use rand_core::{TryRng, UnwrapErr};
use salus_primitives::ids::EntityId;

use super::shared::Shared;
use super::{Replay, ReplayError, clock};
use crate::deposit::{Depositor, lock};
use crate::http::HttpKeyServices;
use crate::keystore::Keystore;

/// Until the run ends, and once more then: what was sealed last is deposited too, if custodians are there.
pub(super) fn run(
    replay: &Replay,
    shared: &Shared,
    keystores: &[Mutex<Keystore>],
) -> Result<(), ReplayError> {
    let services = HttpKeyServices::new(&replay.custody, CALL_LIMIT);
    let mut told = BTreeMap::new();
    let mut held = Vec::new();
    let mut next = Instant::now();
    loop {
        let is_last = shared.stop.is_stopped();
        // a new period is deposited soon; whether anything has ended is asked now and then
        let held_now: Vec<_> = keystores.iter().map(|store| lock(store).held()).collect();
        let is_due = is_last || Instant::now() >= next || held_now != held;
        if let (true, Some(client)) = (is_due, shared.client.get()) {
            SysRng.try_next_u32().map_err(|_| ReplayError::Entropy)?;
            let mut missing = false;
            for (device, keystore) in replay.devices.iter().zip(keystores) {
                let depositor = Depositor {
                    genesis: client.genesis(),
                    device,
                    custody: &replay.custody,
                };
                let round =
                    depositor.round(keystore, &services, clock(), &mut UnwrapErr(SysRng))?;
                missing |= round.missing > 0;
                tell(&mut told, round.failures);
            }
            let pause = if missing { RETRY_EVERY } else { ASK_EVERY };
            next = Instant::now().checked_add(pause).unwrap_or(next);
            held = keystores.iter().map(|store| lock(store).held()).collect();
        }
        if is_last {
            return Ok(());
        }
        shared.stop.sleep(LOOK_EVERY);
    }
}

/// What is wrong with a custodian, when it changes.
fn tell(told: &mut BTreeMap<EntityId, String>, failures: BTreeMap<EntityId, String>) {
    for (custodian, failure) in failures {
        if told.get(&custodian) != Some(&failure) {
            eprintln!("custodian {custodian}: {failure}; its keys stay here until it takes them");
            told.insert(custodian, failure);
        }
    }
}

const CALL_LIMIT: Duration = Duration::from_secs(5);
/// How often it is looked whether there are new periods.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often custodians that did not take a key are asked again.
const RETRY_EVERY: Duration = Duration::from_secs(5);
/// How often custodians are asked whether something that permitted access has ended.
const ASK_EVERY: Duration = Duration::from_secs(30);
