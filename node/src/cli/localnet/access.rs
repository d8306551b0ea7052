//! The story of access: a patient of one hospital, a physician of another, a guardian, an insurer, an institute. Who may see what, who has
//! seen what, and what is left when the keys are destroyed. Everybody signs with a wallet of their own, through `salus-edge`; entities sign with
//! their operators' keys. Each act has an outcome that it must have.

mod bedside;
mod cast;

use super::children::Interrupt;
use super::device::DeviceFile;
use super::homes::{Homes, Shape};
use super::validators::Validators;
use super::{Console, LocalnetError, READY_LIMIT, SETTLE_LIMIT, device};
use crate::cli::{Failure, Outcome};
use bedside::KeyService;
use cast::{Cast, Said};
use salus_primitives::audit::AuditExport;
use salus_primitives::codec;
use salus_primitives::transaction::TxId;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Runs the story to its end, and tells whether all went as it should.
pub(super) fn run(console: Console, keep: Option<&Path>, json: bool) -> Outcome {
    let interrupt = Interrupt::listen().map_err(Failure::failed)?;
    let edge = device::binary()?;
    let shape = Shape {
        weights: vec![1; 4],
        seats: None,
        epoch_blocks: None,
    };
    let homes = Homes::make(&shape, keep)?;
    console.say(&format!(
        "chain {} of 4 members in {}",
        homes.genesis().hash,
        homes.root().display()
    ));
    let services = bedside::custodians(&homes)?;
    let mut validators = Validators::start(&homes)?;
    validators.wait_ready(READY_LIMIT, &interrupt)?;
    let cast = Cast::gather(&edge, &homes, &validators, &services)?;
    let devices = device::make(&edge, &homes, 1)?;
    device::register(&homes, &validators, &devices, CALL_LIMIT, &interrupt)?;
    let mut story = Story {
        console,
        interrupt: &interrupt,
        edge: &edge,
        homes: &homes,
        validators: &validators,
        services: &services,
        records: Vec::new(),
        cast,
        acts: Vec::new(),
    };
    let [device] = devices.as_slice() else {
        return Err(cast::failed("the device", &"there is none").into());
    };
    story.measure(device)?;
    story.tell()?;
    let acts = story.acts;
    let limit = std::time::Instant::now() + SETTLE_LIMIT;
    let (height, roots_agree) = super::report::compare_roots(&validators, limit, &interrupt)?;
    validators.stop();
    let success = roots_agree && acts.iter().all(|act| act.holds);
    let held = acts.iter().filter(|act| act.holds).count();
    console.say(&format!(
        "{held} of {} acts as they must be, state roots {} at height {height}",
        acts.len(),
        if roots_agree { "agree" } else { "DIFFER" },
    ));
    if keep.is_some() {
        console.say(&homes.instructions());
    }
    if json {
        let acts: Vec<_> = acts.iter().map(Act::json).collect();
        println!(
            "{}",
            json!({
                "story": "access",
                "acts": acts,
                "final_height": height,
                "state_roots_agree": roots_agree,
                "genesis_hash": homes.genesis().hash,
            })
        );
    }
    Ok(if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Something that was done, and whether it came out as it must.
struct Act {
    what: String,
    outcome: String,
    holds: bool,
}

impl Act {
    fn json(&self) -> Value {
        json!({"act": self.what, "outcome": self.outcome, "holds": self.holds})
    }
}

struct Story<'a> {
    console: Console,
    interrupt: &'a Interrupt,
    edge: &'a Path,
    homes: &'a Homes,
    validators: &'a Validators,
    services: &'a [KeyService],
    records: Vec<TxId>,
    cast: Cast<'a>,
    acts: Vec<Act>,
}

/// The day on which the simulated ward's clock starts.
const DAY: &str = "2026-01-01";

/// What is asked for, as `salus-edge access` takes it.
const VITALS: [&str; 2] = ["--category", "vital_signs"];
const CLAIMS: [&str; 2] = ["--category", "claims"];

impl Story<'_> {
    fn act(&mut self, what: &str, outcome: &str, holds: bool) {
        self.console.say(&format!(
            "{} {what}: {outcome}",
            if holds { "  ok   " } else { "  WRONG" }
        ));
        self.acts.push(Act {
            what: what.to_owned(),
            outcome: outcome.to_owned(),
            holds,
        });
    }

    /// Asks, and compares the decision.
    fn ask(
        &mut self,
        what: &str,
        who: &str,
        arguments: &[&str],
        expected: Said,
    ) -> Result<Value, LocalnetError> {
        self.interrupt.check()?;
        let answer = self.cast.access(who, arguments)?;
        let said = Said::of(&answer);
        self.act(what, said.name(), said == expected);
        Ok(answer)
    }

    /// The patient's vital signs are sealed at hospital A, and their keys deposited with two custodians.
    fn measure(&mut self, device: &DeviceFile) -> Result<(), LocalnetError> {
        self.records = bedside::measure(
            self.edge,
            self.homes,
            self.validators,
            device,
            self.cast.patient(),
            self.services,
        )?;
        let count = self.records.len();
        self.act(
            "the patient's vital signs are sealed at hospital A",
            &format!("{count} records, final and proven"),
            count > 0,
        );
        Ok(())
    }

    /// Opens the patient's records with what each custodian releases for the last request of somebody. `expected`: whether that is to come off.
    fn open(&mut self, what: &str, who: &str, expected: bool) -> Result<(), LocalnetError> {
        for service in self.services {
            self.interrupt.check()?;
            let opened = bedside::open(
                self.edge,
                self.homes,
                self.validators,
                &self.cast.wallet_of(who),
                &self.cast.proof_of(who),
                service,
                &self.records,
            )?;
            let outcome = match &opened {
                Ok(records) => format!(
                    "{} records, the first {}",
                    records.len(),
                    records.first().map_or("none".to_owned(), shown)
                ),
                Err(problem) => problem.clone(),
            };
            self.act(
                &format!("{what} (custodian {})", service.name),
                &outcome,
                opened.is_ok() == expected,
            );
        }
        Ok(())
    }

    fn tell(&mut self) -> Result<(), LocalnetError> {
        let day = DAY.to_owned();
        let patient = self.cast.patient().to_owned();
        let subject = ["--subject", patient.as_str()];
        let of = |kind: [&'static str; 2], purpose: &'static str| {
            let mut arguments = vec!["request", subject[0], subject[1]];
            arguments.extend(kind);
            arguments.extend(["--extent", day.as_str(), "--purpose", purpose]);
            arguments
        };

        let denied = self.ask(
            "a physician of hospital B asks without a grant",
            "physician-b",
            &of(VITALS, "TREAT"),
            Said::Denied,
        )?;
        let nobody = self.cast.stranger();
        let mut about_nobody = of(VITALS, "TREAT");
        about_nobody[2] = nobody.as_str();
        let unknown = self.ask(
            "the same about somebody who is no patient at all",
            "physician-b",
            &about_nobody,
            Said::Denied,
        )?;
        let same = cast::sizes(&denied) == cast::sizes(&unknown);
        self.act(
            "both denials are of one form and size",
            if same { "alike" } else { "different" },
            same,
        );

        let forged = self.cast.refused(
            "physician-b",
            &cast::grant(&patient, "entity:hospital-b", "vital_signs", "TREAT", "1h"),
        )?;
        self.act(
            "the physician grants herself access",
            &forged,
            forged != "ok",
        );

        let grant = self.cast.grant(
            "patient",
            &cast::grant(&patient, "entity:hospital-b", "vital_signs", "TREAT", "1h"),
        )?;
        self.act(
            "the patient grants hospital B treatment for an hour",
            "granted",
            true,
        );
        self.ask(
            "the physician asks again",
            "physician-b",
            &of(VITALS, "TREAT"),
            Said::Allowed,
        )?;
        self.open("she opens the records", "physician-b", true)?;
        self.ask(
            "and for payment, which was not granted",
            "physician-b",
            &of(VITALS, "HPAYMT"),
            Said::Denied,
        )?;

        let revoke = ["revoke", "--subject", &patient, "--grant", &grant];
        self.ask("the patient ends the grant", "patient", &revoke, Said::Done)?;
        self.ask(
            "the physician is refused",
            "physician-b",
            &of(VITALS, "TREAT"),
            Said::Denied,
        )?;

        let mut glass = vec!["break-glass", "--subject", &patient];
        glass.extend(VITALS);
        glass.extend(["--extent", &day, "--reason", "unconscious"]);
        let broken = self.ask(
            "at night she breaks the glass",
            "physician-b",
            &glass,
            Said::Allowed,
        )?;
        self.open("and the records open", "physician-b", true)?;
        let request = broken["id"].as_str().unwrap_or_default().to_owned();
        let seen = self.cast.trail_has("GlassBroken")?;
        self.act(
            "the guardian sees it in the patient's trail",
            if seen { "seen" } else { "not there" },
            seen,
        );
        let review = [
            "close-review",
            "--request",
            &request,
            "--verdict",
            "justified",
        ];
        let own = self.cast.refused("physician-b", &review)?;
        self.act("she closes her own review", &own, own != "ok");
        self.ask("another closes it", "officer-b", &review, Said::Done)?;

        self.cast.grant(
            "patient",
            &cast::grant(&patient, "entity:insurer", "claims", "HPAYMT", "30d"),
        )?;
        self.ask(
            "the insurer asks for claims",
            "claims-handler",
            &of(CLAIMS, "HPAYMT"),
            Said::Allowed,
        )?;
        self.ask(
            "the insurer asks for vital signs",
            "claims-handler",
            &of(VITALS, "HPAYMT"),
            Said::Denied,
        )?;

        let agreement = self.cast.agree()?;
        self.ask(
            "the institute asks with the hospital's assent alone",
            "researcher",
            &of(VITALS, "HRESCH"),
            Said::Denied,
        )?;
        let mut assent = cast::grant(&patient, "entity:institute", "vital_signs", "HRESCH", "30d");
        assent.extend(["--agreement".to_owned(), agreement.clone()]);
        self.cast.grant("patient", &assent)?;
        self.ask(
            "and with the patient's too",
            "researcher",
            &of(VITALS, "HRESCH"),
            Said::Allowed,
        )?;
        self.cast.end_agreement(&agreement)?;
        self.ask(
            "the purpose has ended",
            "researcher",
            &of(VITALS, "HRESCH"),
            Said::Denied,
        )?;

        self.audit(&patient)?;
        self.erase(&patient, &day)
    }

    /// The patient has the day's keys destroyed: a request that was allowed before, and never released, opens nothing any more.
    fn erase(&mut self, patient: &str, day: &str) -> Result<(), LocalnetError> {
        self.cast.grant(
            "patient",
            &cast::grant(patient, "hospital-b/nurse", "vital_signs", "TREAT", "1h"),
        )?;
        let mut request = vec!["request", "--subject", patient];
        request.extend(VITALS);
        request.extend(["--extent", day, "--purpose", "TREAT"]);
        self.ask(
            "a nurse of hospital B asks",
            "nurse-b",
            &request,
            Said::Allowed,
        )?;
        let mut erase = vec!["erase", "--subject", patient];
        erase.extend(VITALS);
        erase.extend(["--first-day", day, "--last-day", day]);
        self.ask(
            "before she opens, the patient erases the day",
            "patient",
            &erase,
            Said::Done,
        )?;
        let erased = self.cast.wait_for("Erased", self.services.len())?;
        self.act(
            "the custodians say on the chain that the keys are destroyed",
            &format!("{erased} of {}", self.services.len()),
            erased == self.services.len(),
        );
        self.open("the nurse opens the records", "nurse-b", false)
    }

    /// The patient asks who has seen what: a file, checked from the genesis hash alone; and a file from which one event was taken.
    fn audit(&mut self, patient: &str) -> Result<(), LocalnetError> {
        let bytes = self.cast.export()?;
        let genesis = self.cast.genesis();
        let export: AuditExport = codec::decode(&bytes, bytes.len())
            .map_err(|error| cast::failed("the audit export", &error))?;
        let (outcome, holds) = match export.verify(genesis) {
            Ok(audited) => (
                format!(
                    "{} events about {}…, complete up to block {}, {} bytes",
                    audited.events.len(),
                    &patient[..8],
                    audited.through,
                    bytes.len()
                ),
                true,
            ),
            Err(error) => (error.to_string(), false),
        };
        self.act(
            "the patient asks who has seen what, and checks it offline",
            &outcome,
            holds,
        );
        let mut shortened = export;
        shortened.entries.remove(shortened.entries.len() / 2);
        let refused = shortened.verify(genesis);
        self.act(
            "the same with an event taken out",
            &refused
                .as_ref()
                .map_or_else(ToString::to_string, |_| "accepted".to_owned()),
            refused.is_err(),
        );
        Ok(())
    }
}

/// A record in a few words.
fn shown(opened: &Value) -> String {
    let observations = opened["reading"]["observations"].as_array();
    let values: Vec<_> = observations
        .into_iter()
        .flatten()
        .take(3)
        .map(|it| {
            let milli = it["milli"].as_i64().unwrap_or_default();
            let code = it["code"].as_str().unwrap_or_default();
            let unit = it["unit"].as_str().unwrap_or_default();
            format!(
                "{code} {}.{} {unit}",
                milli / 1_000,
                milli.abs() % 1_000 / 100
            )
        })
        .collect();
    values.join(", ")
}

/// For how long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(30);
