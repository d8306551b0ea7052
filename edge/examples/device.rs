//! The whole way of a reading at the edge on one page, against a chain in memory.
//!
//! `cargo run --release -p salus-edge --example device`

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/it/chain.rs"]
mod chain;

use getrandom::SysRng;
use rand_core::{TryRng, UnwrapErr};
use salus_edge::alarm::{Alarm, Alarms};
use salus_edge::classify::assess;
use salus_edge::device::Device;
use salus_edge::keystore::Keystore;
use salus_edge::light::LightClient;
use salus_edge::outbox::{Limits, Outbox};
use salus_edge::seal::{DayData, pseudonym, reading};
use salus_edge::source::Source;
use salus_edge::source::simulated::Simulated;
use salus_edge::standardize::{Standardized, Standardizer};
use salus_edge::submit::sign;
use salus_primitives::access::Sensitivity;
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::ids::EntityId;
use salus_primitives::ids::Height;
use salus_primitives::lane::Lane;
use salus_primitives::reading::SealedReading;
use salus_primitives::receipt::Outcome;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chain = chain::Chain::new(1);
    let folder = tempfile::tempdir()?;
    let mut entropy = UnwrapErr(SysRng);

    // A device with its keys, the hospital its period keys are wrapped for, and what it keeps on disk.
    let owner = EntityId::of_name("hospital");
    let device = Device::generate("monitor-17", "bed-4", owner, &mut entropy);
    let hospital = ExchangeSecret::generate(&mut entropy).public();
    let mut keystore = Keystore::open(&folder.path().join("keys"), &device)?;
    let (mut outbox, _) = Outbox::open(&folder.path().join("outbox"), Limits::default())?;

    // 1 to 5: read, standardise, classify and alarm, seal, queue.
    let mut ward = Simulated::new(7, 1);
    let mut standardizer = Standardizer::default();
    let mut alarms = Alarms::new(std::io::stderr(), Vec::new())?;
    while outbox.len() < 40 {
        let raw = ward.next().ok_or("a ward has no end")??;
        let sampled = std::time::Instant::now();
        let Standardized::Panel(panel) = standardizer.accept(raw) else {
            continue;
        };
        let assessment = assess(&panel);
        if assessment.lane == Lane::Emergency {
            alarms.raise(Alarm::new(device.id(), assessment), sampled);
        }
        let reading = reading(&panel, pseudonym(device.secret(), panel.bed));
        let data = DayData::of(&reading, Sensitivity::Normal);
        let (_, key) =
            keystore.period_key(data, reading.taken_at, Some(&hospital), &mut entropy)?;
        let mut nonce = [0; 16];
        SysRng.try_fill_bytes(&mut nonce)?;
        let sealed = SealedReading::seal(chain.genesis(), device.id(), &key, &reading, nonce)?;
        outbox.push(assessment.lane, sealed)?;
    }

    // 5: sign, most urgent first, and make durable before sending. 13: accept nothing without proof.
    let client = LightClient::new(&chain.anchor(), Some(chain.genesis()))?;
    while let Some(item) = outbox.poll_send(0, Lane::Bulk) {
        let mut nonce = [0; 16];
        SysRng.try_fill_bytes(&mut nonce)?;
        let signed = sign(
            client.genesis(),
            &device,
            item.lane,
            &item.sealed,
            Height::new(100),
            nonce,
        );
        let point = outbox.sign(item.id, std::sync::Arc::new(signed.clone()))?;
        outbox.syncer().wait(point)?;

        let proof = chain.finalize(&signed, Outcome::Ok); // in real life: four hospitals and a network

        let proven = client.receipt(&proof, &signed.body.id())?;
        println!(
            "{:<10} reading {:.8} final at height {}, signed by weight {} of {}",
            item.lane.name(),
            item.sealed.reading.to_string(),
            proven.height(),
            proven.weight(),
            client
                .validators(proven.epoch())
                .map_or(0, |validators| validators.total_weight())
        );
        outbox.ack(item.id)?;
    }
    println!("alarms: {}", alarms.counts().raised);
    Ok(())
}
