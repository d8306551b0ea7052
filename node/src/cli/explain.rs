//! `salus explain`: why nothing is final. Exit code 0 if the chain makes progress or is idle, 1 if it is stuck, 2 if the node
//! does not answer; then it says what can be found out without it.

use super::{Failure, Outcome};
use crate::client::{ApiClient, ClientError};
use crate::config::NodeConfig;
use crate::diagnosis::Verdict;
use crate::home::Home;
use crate::keys::NodeKeys;
use clap::Args;
use serde::Serialize;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The API of the node to ask.
    #[arg(long, visible_alias = "api", value_name = "URL", default_value_t = format!("http://{}", crate::config::API))]
    node: String,
    /// The node's home, on its own machine: tells where its API is, and more if it does not answer.
    #[arg(long, value_name = "DIR", conflicts_with = "node")]
    home: Option<PathBuf>,
    /// The answer as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is known of a node that does not answer.
#[derive(Debug, Serialize)]
struct NoAnswer {
    asked: String,
    verdict: &'static str,
    summary: String,
    findings: Vec<Alone>,
}

/// One thing that can be seen from outside.
#[derive(Debug, Serialize)]
struct Alone {
    kind: &'static str,
    what: String,
    advice: &'static str,
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    let home = arguments.home.map(Home::new);
    let config = match &home {
        Some(home) => Some(NodeConfig::read(&home.config_file())?),
        None => None,
    };
    let node = config.as_ref().map_or(arguments.node, |config| {
        format!("http://{}", config.api.listen)
    });
    let client = ApiClient::new(&node).map_err(Failure::usage)?;
    match client.explain() {
        Ok(explanation) => {
            if arguments.json {
                println!(
                    "{}",
                    serde_json::to_string(&explanation).map_err(Failure::failed)?
                );
            } else {
                print!("{}", explanation.text());
            }
            Ok(match explanation.verdict {
                Verdict::Progressing | Verdict::Idle => ExitCode::SUCCESS,
                Verdict::Stuck => ExitCode::FAILURE,
            })
        }
        Err(error) => {
            let mut findings = from_outside(&client, &error);
            if let (Some(home), Some(config)) = (&home, &config) {
                findings.extend(from_home(home, config.storage.disk_reserve_bytes));
            }
            let answer = NoAnswer {
                asked: node,
                verdict: "no_answer",
                summary: error.to_string(),
                findings,
            };
            if arguments.json {
                println!(
                    "{}",
                    serde_json::to_string(&answer).map_err(Failure::failed)?
                );
            } else {
                println!("{}", answer.summary);
                for alone in &answer.findings {
                    println!("\n* {}\n  {}", alone.what, alone.advice);
                }
            }
            Ok(ExitCode::from(NO_ANSWER))
        }
    }
}

/// What the refusal or the silence tells.
fn from_outside(client: &ApiClient, error: &ClientError) -> Vec<Alone> {
    match error {
        ClientError::Refused { code, message, .. } if code == "stalled" => vec![Alone {
            kind: "stalled",
            what: message.clone(),
            advice: "its disk hangs or is much too slow; if neither, keep its log and restart it",
        }],
        ClientError::Refused { .. } | ClientError::Malformed { .. } | ClientError::Address(_) => {
            Vec::new()
        }
        ClientError::NoAnswer { .. } => vec![listens(client.base())],
    }
}

/// Whether anything takes connections where the API should be.
fn listens(base: &str) -> Alone {
    let address = base.trim_start_matches("http://");
    let connected = address
        .to_socket_addrs()
        .and_then(|mut addresses| addresses.next().ok_or(std::io::ErrorKind::NotFound.into()))
        .and_then(|address| TcpStream::connect_timeout(&address, CONNECT_LIMIT));
    match connected {
        Ok(_) => Alone {
            kind: "hangs",
            what: format!("{address} takes connections and answers nothing"),
            advice: "the process is stopped or hangs: look at it on its machine, with --home there",
        },
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Alone {
            kind: "not_listening",
            what: format!("nothing listens at {address}"),
            advice: "start the node; if it ends by itself, its log says why",
        },
        Err(error) => Alone {
            kind: "unreachable",
            what: format!("{address} cannot be reached: {error}"),
            advice: "look at the machine and the network on the way to it",
        },
    }
}

/// What the node's own files tell.
fn from_home(home: &Home, reserve_bytes: u64) -> Vec<Alone> {
    let mut findings = vec![match owner_of(&home.lock_file()) {
        Some(pid) => Alone {
            kind: "running",
            what: format!("process {pid} runs with this home"),
            advice: "it runs and does not answer: see whether it is stopped, or waits for the disk",
        },
        None => Alone {
            kind: "not_running",
            what: "no process runs with this home".to_owned(),
            advice: "start the node; if it ends by itself, its log says why",
        },
    }];
    // Which of them it votes with the chain decides.
    let journals: Vec<PathBuf> = [home.keys_file(), home.next_keys_file()]
        .iter()
        .filter_map(|file| NodeKeys::read(file).ok())
        .map(|keys| home.journal_of(&keys.validator.public()))
        .collect();
    if let Some(journal) = journals.first()
        && !journals.iter().any(|journal| journal.exists())
    {
        findings.push(Alone {
            kind: "no_journal",
            what: format!("there is no vote journal at {}", journal.display()),
            advice: "without it the node only observes, until governance rotates its validator key",
        });
    }
    if let Ok(disk) = rustix::fs::statvfs(home.data_folder()) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < reserve_bytes {
            findings.push(Alone {
                kind: "disk_full",
                what: format!("{free} bytes are free on its disk, {reserve_bytes} are to be kept free"),
                advice: "make room; a node that stopped voting goes on by itself, one that ended is to be started",
            });
        }
    }
    findings
}

/// The process that holds the lock on a file, as the kernel tells. Taking the lock to find out would keep a node from starting.
fn owner_of(file: &Path) -> Option<u32> {
    let inode = std::fs::metadata(file).ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        // 1: POSIX  ADVISORY  WRITE 12345 08:01:67890 0 EOF
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, _, pid, place, ..] = fields[..] else {
            return None;
        };
        let is_it = place.rsplit(':').next()?.parse() == Ok(inode);
        is_it.then(|| pid.parse().ok()).flatten()
    })
}

/// The exit code for a node that does not answer.
const NO_ANSWER: u8 = 2;
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Rotation;
    use salus_storage::rocks::RocksStore;
    use std::net::TcpListener;

    /// A port where nobody is, and one where somebody is who says nothing, are told apart.
    #[test]
    fn silence_and_absence_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let base = format!("http://{address}");

        assert_eq!(listens(&base).kind, "hangs");
        drop(listener);
        assert_eq!(listens(&base).kind, "not_listening");
    }

    /// Who runs with a home is found without taking its lock, by the store's: which journal is in use changes with the keys, and a
    /// node without one runs too.
    #[test]
    fn the_process_that_runs_with_a_home_is_found_whatever_became_of_its_keys() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::new(folder.path());
        std::fs::create_dir_all(home.data_folder()).expect("made");
        let old = NodeKeys::generate().expect("randomness");
        let rotated = old.rotated(Rotation::Validator).expect("randomness");
        rotated.write_new(&home.keys_file()).expect("written");
        let kinds =
            || -> Vec<&str> { from_home(&home, 0).iter().map(|alone| alone.kind).collect() };
        assert_eq!(kinds(), ["not_running", "no_journal"]);

        let _store = RocksStore::create(&home.store_folder()).expect("a store");
        let journal = home.rotated_journal_file(&rotated.public().validator);
        std::fs::write(journal, "votes").expect("written");

        if Path::new("/proc/locks").exists() {
            assert_eq!(kinds(), ["running"]);
            assert_eq!(owner_of(&home.lock_file()), Some(std::process::id()));
        }
    }
}
