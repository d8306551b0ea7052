//! The alarm of an emergency: raised at once, before sealing, and whether or not any node answers (SMS, Algorithm 1).
//!
//! The line on standard error *is* the alarm. A command and a webhook can follow it; each has its own thread behind a short
//! queue and a time limit, so that one that hangs is counted and delays nothing. No alarm carries a patient's identity or a
//! measured value.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use salus_primitives::ids::DeviceId;
use serde::Serialize;

use crate::classify::Assessment;
use crate::http::{HttpError, HttpUrl};

/// What an alarm tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// At whose bed.
    pub device: DeviceId,
    /// The early-warning score.
    pub score: u8,
    /// The highest score of one sign.
    pub highest: u8,
}

impl Alarm {
    /// The alarm that `assessment` of a panel of `device` calls for.
    #[must_use]
    pub fn new(device: DeviceId, assessment: Assessment) -> Self {
        Self {
            device,
            score: assessment.score,
            highest: assessment.highest,
        }
    }

    fn line(&self) -> String {
        format!(
            "ALARM emergency device={} score={} highest={}\n",
            self.device, self.score, self.highest
        )
    }
}

/// What happened to alarms so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmCounts {
    /// Alarms raised.
    pub raised: u64,
    /// Longest time from reading a sample to having raised its alarm.
    pub delay_max: Duration,
    /// Commands and webhooks that failed, took too long, or found their queue full.
    pub hook_failures: u64,
}

/// Raises alarms.
#[derive(Debug)]
pub struct Alarms<W> {
    output: W,
    raised: u64,
    delay_max: Duration,
    hooks: Vec<Hook>,
    failures: Arc<AtomicU64>,
}

/// What else to do for each alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// Run this with `sh -c`; `SALUS_DEVICE`, `SALUS_SCORE` and `SALUS_HIGHEST` are in its environment.
    Command(String),
    /// Post the alarm as JSON to this address.
    Webhook(HttpUrl),
}

#[derive(Debug)]
struct Hook {
    queue: SyncSender<Alarm>,
    thread: JoinHandle<()>,
}

impl<W: Write> Alarms<W> {
    /// Writes alarms to `output`, and starts a thread for each of `hooks`.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn new(output: W, hooks: Vec<HookKind>) -> std::io::Result<Self> {
        let failures = Arc::new(AtomicU64::new(0));
        let hooks = hooks
            .into_iter()
            .map(|kind| Hook::start(kind, &failures))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            output,
            raised: 0,
            delay_max: Duration::ZERO,
            hooks,
            failures,
        })
    }

    /// Raises one alarm for a sample that was read at `sampled`. Never waits for a hook.
    pub fn raise(&mut self, alarm: Alarm, sampled: Instant) {
        // A closed standard error must not stop the pipeline: the reading still goes to the chain.
        let written = self
            .output
            .write_all(alarm.line().as_bytes())
            .and_then(|()| self.output.flush());
        if written.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        for hook in &self.hooks {
            if hook.queue.try_send(alarm).is_err() {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.raised = self.raised.saturating_add(1);
        self.delay_max = self.delay_max.max(sampled.elapsed());
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> AlarmCounts {
        AlarmCounts {
            raised: self.raised,
            delay_max: self.delay_max,
            hook_failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// Lets the hooks work off their queues, for at most `limit`; what is left then is counted as failed.
    pub fn finish(self, limit: Duration) -> AlarmCounts {
        let mut counts = self.counts();
        let started = Instant::now();
        for Hook { queue, thread } in self.hooks {
            drop(queue);
            while !thread.is_finished() && started.elapsed() < limit {
                std::thread::sleep(POLL);
            }
            if !thread.is_finished() {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        counts.hook_failures = self.failures.load(Ordering::Relaxed);
        counts
    }
}

impl Hook {
    fn start(kind: HookKind, failures: &Arc<AtomicU64>) -> std::io::Result<Self> {
        let (queue, alarms) = sync_channel(QUEUE_ALARMS);
        let failures = Arc::clone(failures);
        let thread = std::thread::Builder::new()
            .name("alarm-hook".into())
            .stack_size(HOOK_STACK_BYTES)
            .spawn(move || kind.run(&alarms, &failures))?;
        Ok(Self { queue, thread })
    }
}

impl HookKind {
    fn run(&self, alarms: &Receiver<Alarm>, failures: &AtomicU64) {
        for alarm in alarms {
            if let Err(error) = self.call(&alarm) {
                failures.fetch_add(1, Ordering::Relaxed);
                eprintln!("alarm hook failed: {error}");
            }
        }
    }

    fn call(&self, alarm: &Alarm) -> Result<(), HookError> {
        match self {
            Self::Command(command) => run_command(command, alarm),
            Self::Webhook(url) => Ok(url.post_json(alarm, WEBHOOK_LIMIT)?),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum HookError {
    #[error("the command cannot be run")]
    Run(#[from] std::io::Error),
    #[error("the command ended with {0}")]
    Failed(std::process::ExitStatus),
    #[error("the command was stopped after {0:?}")]
    TooSlow(Duration),
    #[error("webhook: {0}")]
    Webhook(#[from] HttpError),
}

fn run_command(command: &str, alarm: &Alarm) -> Result<(), HookError> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env("SALUS_DEVICE", alarm.device.to_string())
        .env("SALUS_SCORE", alarm.score.to_string())
        .env("SALUS_HIGHEST", alarm.highest.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let started = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(HookError::Failed(status)),
            None if started.elapsed() >= COMMAND_LIMIT => {
                child.kill()?;
                child.wait()?;
                return Err(HookError::TooSlow(COMMAND_LIMIT));
            }
            None => std::thread::sleep(POLL),
        }
    }
}

/// Alarms that wait for one hook.
const QUEUE_ALARMS: usize = 64;
const COMMAND_LIMIT: Duration = Duration::from_secs(5);
const WEBHOOK_LIMIT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(5);
const HOOK_STACK_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    fn alarm(score: u8) -> Alarm {
        Alarm {
            device: DeviceId([7; 32]),
            score,
            highest: 3,
        }
    }

    /// An alarm is one line with device and score.
    #[test]
    fn alarm_is_a_line_with_device_and_score() {
        let mut alarms = Alarms::new(Vec::new(), Vec::new()).unwrap();

        alarms.raise(alarm(9), Instant::now());

        let line = String::from_utf8(alarms.output.clone()).unwrap();
        assert_eq!(
            line,
            format!(
                "ALARM emergency device={} score=9 highest=3\n",
                "07".repeat(32)
            )
        );
        assert_eq!(alarms.counts().raised, 1);
    }

    /// A webhook that accepts and never answers fills its queue; every alarm is raised all the same.
    #[test]
    fn hanging_webhook_delays_no_alarm() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url: HttpUrl = format!("http://{}/alarm", silent.local_addr().unwrap())
            .parse()
            .unwrap();
        let mut alarms = Alarms::new(Vec::new(), vec![HookKind::Webhook(url)]).unwrap();

        for score in 0..200 {
            alarms.raise(alarm(score), Instant::now());
        }

        let counts = alarms.counts();
        assert_eq!(counts.raised, 200);
        assert!(
            counts.hook_failures >= 200 - 2 - QUEUE_ALARMS as u64,
            "{counts:?}"
        );
        assert_eq!(
            alarms.output.iter().filter(|&&byte| byte == b'\n').count(),
            200
        );
    }

    /// The command learns device and score from its environment; one that fails is counted.
    #[test]
    fn command_runs_with_the_alarm_in_its_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alarm");
        let good = format!("echo $SALUS_DEVICE $SALUS_SCORE > '{}'", file.display());
        let hooks = vec![HookKind::Command(good), HookKind::Command("exit 3".into())];
        let mut alarms = Alarms::new(Vec::new(), hooks).unwrap();

        alarms.raise(alarm(8), Instant::now());
        let counts = alarms.finish(Duration::from_secs(30));

        assert_eq!(
            std::fs::read_to_string(file).unwrap(),
            format!("{} 8\n", "07".repeat(32))
        );
        assert_eq!(counts.hook_failures, 1);
    }

    /// A webhook gets the alarm as JSON.
    #[test]
    fn webhook_gets_the_alarm_as_json() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url: HttpUrl = format!("http://{}/a", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !request.ends_with(b"}") {
                let read = stream.read(&mut buffer).unwrap();
                request.extend(&buffer[..read]);
            }
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .unwrap();
            String::from_utf8(request).unwrap()
        });
        let mut alarms = Alarms::new(Vec::new(), vec![HookKind::Webhook(url)]).unwrap();

        alarms.raise(alarm(7), Instant::now());
        let counts = alarms.finish(Duration::from_secs(30));

        let request = server.join().unwrap();
        assert!(request.ends_with(&format!(
            r#"{{"device":"{}","score":7,"highest":3}}"#,
            "07".repeat(32)
        )));
        assert_eq!(counts.hook_failures, 0);
    }
}
