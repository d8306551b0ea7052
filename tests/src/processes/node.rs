//! One validator's process.

use super::binary;
use salus_node::client::ApiClient;
use salus_node::diagnosis::Explanation;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// One validator: its home, and its process while it runs.
#[derive(Debug)]
pub struct Node {
    pub(super) name: String,
    pub(super) home: PathBuf,
    pub(super) listen: String,
    pub(super) api: String,
    pub(super) child: Option<Child>,
}

impl Node {
    /// The member's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node's home.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Where it listens for the other validators.
    #[must_use]
    pub fn listen(&self) -> &str {
        &self.listen
    }

    /// Its API.
    #[must_use]
    pub fn client(&self) -> ApiClient {
        ApiClient::new(&format!("http://{}", self.api)).expect("an address")
    }

    /// Runs `salus tx` with this member's operator key, over its own node, until what it submits is final. Returns its id.
    ///
    /// # Panics
    /// If it is refused or not final in time.
    pub fn tx(&self, arguments: &[&str]) -> String {
        let home = self.home.display().to_string();
        let client = self.client();
        let mut all = vec!["tx"];
        all.extend(arguments);
        all.extend(["--home", &home, "--api", client.base(), "--wait"]);
        let said = super::salus_ok(&all);
        said.split_whitespace().next().expect("an id").to_owned()
    }

    /// How it says that it stands towards the validators; empty while it does not answer.
    #[must_use]
    pub fn standing(&self) -> String {
        let status = self.client().status_json().unwrap_or_default();
        status["standing"].as_str().unwrap_or_default().to_owned()
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Starts it; it may run no longer than this test.
    pub fn start(&mut self) {
        self.start_by(Command::new(binary("salus")));
    }

    /// Starts it by a command that `salus`'s arguments are given to.
    pub fn start_by(&mut self, mut command: Command) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.home.join("log"))
            .expect("a log");
        let child = command
            .arg("start")
            .arg("--home")
            .arg(&self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("salus runs");
        self.child = Some(child);
    }

    /// SIGKILL: it gets no chance to write anything.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    /// SIGSTOP: it keeps its connections, and does nothing.
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// SIGCONT: it goes on where it was stopped.
    pub fn resume(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let child = self.child.as_ref().expect("it runs");
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal)
            .expect("signalled");
    }

    /// Rewrites its configuration; counts from the next start on.
    ///
    /// # Panics
    /// If it cannot be read or written.
    pub fn configure(&self, rewrite: impl FnOnce(String) -> String) {
        let file = self.home.join("node.toml");
        let text = std::fs::read_to_string(&file).expect("a configuration");
        std::fs::write(&file, rewrite(text)).expect("written");
    }

    /// Why nothing is final, as this node sees it.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        self.client().explain().expect("an explanation")
    }

    /// SIGTERM: asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// If it has not within the 10 s it promises (and a little).
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
        let end = Instant::now() + Duration::from_secs(12);
        loop {
            if let Some(status) = child.try_wait().expect("a child") {
                return status;
            }
            if Instant::now() >= end {
                child.kill().expect("killed");
                child.wait().expect("ended");
                panic!("{} did not stop on SIGTERM: {}", self.name, self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether its process is still there.
    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| child.try_wait().expect("a child").is_none())
    }

    /// The end of its log.
    #[must_use]
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.home.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// The value of one series of `/metrics`, given as it stands there, labels included. 0 if there is none.
    #[must_use]
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.client().metrics().expect("metrics");
        text.lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
            .unwrap_or(0.0)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
