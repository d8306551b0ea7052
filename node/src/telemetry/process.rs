//! What the operating system says of this process. Linux only, as is the node.

use prometheus::{Counter, IntGauge, Opts, Registry};

/// Memory and processor time.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    resident: IntGauge,
    peak: IntGauge,
    cpu: Counter,
}

impl ProcessMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let resident = IntGauge::new(
            "process_resident_memory_bytes",
            "Memory of this process that is in RAM.",
        )?;
        let peak = IntGauge::new(
            "process_peak_resident_memory_bytes",
            "The most memory of this process that was ever in RAM.",
        )?;
        let cpu = Counter::with_opts(Opts::new(
            "process_cpu_seconds_total",
            "Processor time of all threads of this process.",
        ))?;
        registry.register(Box::new(resident.clone()))?;
        registry.register(Box::new(peak.clone()))?;
        registry.register(Box::new(cpu.clone()))?;
        Ok(Self {
            resident,
            peak,
            cpu,
        })
    }

    /// Takes new values. A value that cannot be read stays as it was: metrics must not end a node.
    pub(super) fn refresh(&self) {
        if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
            if let Some(bytes) = memory(&status, "VmRSS:") {
                self.resident.set(bytes);
            }
            if let Some(bytes) = memory(&status, "VmHWM:") {
                self.peak.set(bytes);
            }
        }
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let used = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
        self.cpu.inc_by((used - self.cpu.get()).max(0.0));
    }
}

/// The bytes of a line such as `VmRSS:   5120 kB`.
fn memory(status: &str, field: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes_and_nonsense_is_nothing() {
        let status = "Name:\tsalus\nVmHWM:\t    9000 kB\nVmRSS:\t    5120 kB\nVmBad:\t-\n";

        assert_eq!(memory(status, "VmRSS:"), Some(5120 * 1024));
        assert_eq!(memory(status, "VmHWM:"), Some(9000 * 1024));
        assert_eq!(memory(status, "VmBad:"), None);
        assert_eq!(memory(status, "VmNone:"), None);
    }

    #[test]
    fn this_process_has_memory_and_has_used_time() {
        let metrics = ProcessMetrics::register(&Registry::new()).expect("registers");

        metrics.refresh();
        let before = metrics.cpu.get();
        metrics.refresh();

        assert!(metrics.resident.get() > 0);
        assert!(metrics.peak.get() >= metrics.resident.get());
        assert!(before > 0.0 && metrics.cpu.get() >= before);
    }
}
