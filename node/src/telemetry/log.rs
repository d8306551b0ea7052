//! Log lines, on stderr: stdout belongs to what a command prints.

use crate::config::{LogConfig, LogFormat};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter in the environment is none. The one in the configuration has been checked already.
    #[error(
        "{FILTER_VARIABLE} is no log filter: {problem}; write it as in \"info,salus_network=debug\""
    )]
    Filter {
        /// What is wrong with it.
        problem: String,
    },
    /// Something in this process logs already.
    #[error("logging was set up before: {0}")]
    Repeated(String),
}

/// Logs from here on, as `config` says. A filter in the environment variable `SALUS_LOG` goes before the configured one,
/// so that one run can say more without an edit.
///
/// # Errors
/// [`LogError::Filter`] for a wrong `SALUS_LOG`; [`LogError::Repeated`] when called twice.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    let filter = filter(std::env::var(FILTER_VARIABLE).ok(), config)?;
    let lines = SubscriberBuilder::default()
        .with_writer(std::io::stderr)
        .with_env_filter(filter);
    match config.format {
        LogFormat::Text => lines
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    }
    .map_err(|error| LogError::Repeated(error.to_string()))
}

fn filter(variable: Option<String>, config: &LogConfig) -> Result<EnvFilter, LogError> {
    let text = match variable {
        Some(text) if !text.is_empty() => text,
        _ => config.filter.clone(),
    };
    EnvFilter::builder()
        .parse(text)
        .map_err(|error| LogError::Filter {
            problem: error.to_string(),
        })
}

/// Overrides the configured filter.
pub const FILTER_VARIABLE: &str = "SALUS_LOG";

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> LogConfig {
        LogConfig {
            filter: "warn".to_owned(),
            format: LogFormat::Text,
        }
    }

    #[test]
    fn the_environment_goes_before_the_configuration_unless_it_is_empty() {
        let chosen = |variable: Option<&str>| {
            filter(variable.map(str::to_owned), &config())
                .expect("a filter")
                .to_string()
        };

        assert_eq!(chosen(None), "warn");
        assert_eq!(chosen(Some("")), "warn");
        assert_eq!(chosen(Some("debug")), "debug");
    }

    #[test]
    fn a_wrong_filter_in_the_environment_is_named() {
        let error = filter(Some("salus=loud".to_owned()), &config()).unwrap_err();

        assert!(error.to_string().contains(FILTER_VARIABLE), "{error}");
    }
}
