//! `salus localnet`: a whole network on this machine, and a bedside device that uses it.
//!
//! Every validator and the device are processes of their own, started with the binaries and files that a real network has.
//! Whatever ends this command, it ends them.

mod access;
mod bulk;
mod children;
mod delegation;
mod device;
mod homes;
mod load;
mod progress;
mod report;
mod validators;

use super::{Failure, Outcome};
use children::Interrupt;
use clap::{Args, ValueEnum};
use device::EdgeRun;
use homes::{Homes, Shape};
use progress::Progress;
use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use validators::Validators;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many validators: hospital, pharmacy, ministry, institute, and so on in this order.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=32))]
    validators: u16,
    /// A file of bedside monitor numerics to replay; without it, the device simulates a ward.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// For how many seconds readings are taken; what is under way may then end.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Blocks in an epoch, after which elected validators take over; the preset's if it is not given.
    #[arg(long, value_name = "N")]
    epoch_blocks: Option<u64>,
    /// Plays a story instead of running devices. It has its own members and load, and ends by itself.
    #[arg(long, value_enum, value_name = "STORY", conflicts_with_all = ["validators", "input", "seconds"])]
    story: Option<StoryName>,
    /// Submits emergencies by itself, without the device's program: on the idle network, then beside this load, and prints by how much longer
    /// they take. Half of the seconds go to each.
    #[arg(long, value_enum, value_name = "LOAD", conflicts_with_all = ["story", "input"])]
    load: Option<LoadName>,
    /// Ends with one JSON object alone on the last line of stdout; everything else goes to stderr.
    #[arg(long)]
    json: bool,
    /// Keeps the homes, keys and proofs in this folder, which must not exist or be empty.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// The stories there are.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum StoryName {
    /// A member's weight goes to another, and comes back: the validators change, while transactions are final.
    Delegation,
    /// A patient, physicians, an insurer and an institute: who may see what, and who has seen what.
    Access,
}

/// The loads there are.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LoadName {
    /// Every validator's bulk lane is full all the time.
    Bulk,
}

/// Where people read: stdout, or stderr when stdout belongs to a program.
#[derive(Clone, Copy, Debug)]
struct Console {
    stdout: bool,
}

impl Console {
    fn say(self, text: &str) {
        if self.stdout {
            println!("{text}");
        } else {
            eprintln!("{text}");
        }
    }
}

/// Why a local network did not come up, or did not do what it should.
#[derive(Debug, thiserror::Error)]
enum LocalnetError {
    /// A file that is needed cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    /// The operating system gives no port.
    #[error("no free port on loopback: {0}")]
    Ports(std::io::Error),
    /// The device's binary is not beside this one.
    #[error(
        "there is no {}; build it with `cargo build --release -p salus-edge`, or run `make build`",
        path.display()
    )]
    NoEdge { path: PathBuf },
    /// A process cannot be started.
    #[error("cannot start {what}: {source}")]
    Spawn {
        what: String,
        source: std::io::Error,
    },
    /// A validator ended by itself.
    #[error("the validator {name} ended ({status}); its log ends with\n{log}")]
    ValidatorEnded {
        name: String,
        status: String,
        log: String,
    },
    /// The validators do not become ready.
    #[error(
        "after {waited:?} these validators are not ready: {names}; the log of the first ends with\n{log}"
    )]
    NotReady {
        waited: Duration,
        names: String,
        log: String,
    },
    /// Making a device failed.
    #[error("`salus-edge device new` failed: {0}")]
    Device(String),
    /// The registration of a device did not become final, or failed.
    #[error("the registration of device {number} is {state}")]
    Registration { number: usize, state: String },
    /// The device's process said nothing usable at its end.
    #[error("salus-edge ended ({status}) without a summary; its log ends with\n{log}")]
    NoSummary { status: String, log: String },
    /// The story's delegation did not become final, or was refused.
    #[error("the delegation is {state}")]
    Delegation { state: String },
    /// An act of a story did not come off at all.
    #[error("{what}: {problem}")]
    Act { what: String, problem: String },
    /// An act of a story takes too long.
    #[error("waited {waited:?} in vain: {what}")]
    Story { what: String, waited: Duration },
    /// A home's keys cannot be read.
    #[error(transparent)]
    Keys(#[from] crate::keys::KeysError),
    /// Somebody wants this to end.
    #[error("stopped by a signal")]
    Interrupted,
    /// A call to a validator failed.
    #[error(transparent)]
    Client(#[from] crate::client::ClientError),
    /// A transaction could not be made.
    #[error(transparent)]
    Tx(#[from] super::tx::TxError),
}

impl From<LocalnetError> for Failure {
    fn from(error: LocalnetError) -> Self {
        match error {
            LocalnetError::NoEdge { .. } => Self::usage(error),
            _ => Self::failed(error),
        }
    }
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    let console = Console {
        stdout: !arguments.json,
    };
    match (arguments.story, arguments.load) {
        (Some(StoryName::Delegation), _) => delegation::run(
            console,
            arguments.epoch_blocks,
            arguments.keep.as_deref(),
            arguments.json,
        ),
        (Some(StoryName::Access), _) => {
            access::run(console, arguments.keep.as_deref(), arguments.json)
        }
        (None, Some(LoadName::Bulk)) => run_bulk(&arguments, console),
        (None, None) => run_devices(&arguments, console),
    }
}

fn run_bulk(arguments: &Arguments, console: Console) -> Outcome {
    let interrupt = Interrupt::listen().map_err(Failure::failed)?;
    let homes = make_homes(arguments, console)?;
    // Stopped when it goes out of scope, whichever way that happens.
    let mut validators = Validators::start(&homes)?;
    validators.wait_ready(READY_LIMIT, &interrupt)?;
    let comparison = bulk::compare(
        console,
        &homes,
        &mut validators,
        arguments.seconds,
        &interrupt,
    )?;
    validators.stop();
    console.say(&comparison.table());
    if arguments.json {
        println!("{}", comparison.json());
    }
    Ok(if comparison.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn make_homes(arguments: &Arguments, console: Console) -> Result<Homes, Failure> {
    let shape = Shape {
        weights: vec![1; usize::from(arguments.validators)],
        seats: None,
        epoch_blocks: arguments.epoch_blocks,
    };
    let homes = Homes::make(&shape, arguments.keep.as_deref())?;
    console.say(&format!(
        "chain {} of {} validators in {}",
        homes.genesis().hash,
        arguments.validators,
        homes.root().display()
    ));
    Ok(homes)
}

fn run_devices(arguments: &Arguments, console: Console) -> Outcome {
    let interrupt = Interrupt::listen().map_err(Failure::failed)?;
    let edge = device::binary()?;
    if let Some(input) = &arguments.input {
        std::fs::File::open(input).map_err(|source| {
            Failure::usage(format!("cannot read --input {}: {source}", input.display()))
        })?;
    }
    let homes = make_homes(arguments, console)?;

    // Stopped when it goes out of scope, whichever way that happens.
    let mut validators = Validators::start(&homes)?;
    validators.wait_ready(READY_LIMIT, &interrupt)?;
    for validator in validators.iter() {
        console.say(&format!(
            "  {:<14} api {url}  metrics {url}/metrics",
            validator.name(),
            url = validator.client().base(),
        ));
    }

    let devices = device::make(&edge, &homes, device_count(arguments))?;
    device::register(&homes, &validators, &devices, REGISTER_LIMIT, &interrupt)?;
    console.say(&format!(
        "  devices registered with the hospital: {}",
        devices.len()
    ));

    let mut run = EdgeRun::start(
        &edge,
        &homes,
        &validators,
        &devices,
        arguments.input.as_deref(),
        arguments.seconds,
    )?;
    let mut progress = Progress::new(console);
    let started = Instant::now();
    let mut next_line = PROGRESS_EVERY;
    while !run.has_ended() {
        interrupt.check()?;
        validators.check_running()?;
        if started.elapsed() >= next_line {
            next_line += PROGRESS_EVERY;
            progress.line(started.elapsed(), &validators, &run.latest());
        }
        std::thread::sleep(POLL_EVERY);
    }
    let edge = run.summary()?;
    let report = Report::gather(&homes, &validators, edge, SETTLE_LIMIT, &interrupt)?;
    validators.stop();

    console.say(&report.table());
    if arguments.keep.is_some() {
        console.say(&homes.instructions());
    }
    if arguments.json {
        println!("{}", report.json());
    }
    Ok(if report.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The recorded patient wears one device, the simulated ward has several.
fn device_count(arguments: &Arguments) -> usize {
    if arguments.input.is_some() {
        1
    } else {
        WARD_DEVICES
    }
}

const WARD_DEVICES: usize = 4;
const READY_LIMIT: Duration = Duration::from_secs(60);
const REGISTER_LIMIT: Duration = Duration::from_secs(30);
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
const POLL_EVERY: Duration = Duration::from_millis(20);
