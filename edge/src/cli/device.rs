//! `salus-edge device`: the device's key file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use getrandom::SysRng;
use rand_core::{TryRng, UnwrapErr};
use salus_edge::device::{Device, DeviceError};
use salus_edge::files::KeyFileError;
use salus_primitives::ids::EntityId;

use super::{failure, usage_error};

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// Make a device's keys, and print what an operator registers.
    New(NewOptions),
    /// Print what an operator registers for an existing device file.
    Show {
        /// The device file.
        #[arg(long)]
        device: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct NewOptions {
    /// The device's hardware id, such as a serial number. Only its hash leaves the device.
    #[arg(long)]
    hardware_id: String,
    /// The id it was registered under in the hospital. Only its hash leaves the device.
    #[arg(long)]
    registration_id: String,
    /// The name of the entity that registers it, as the chain knows it. What the device sends counts as this entity's.
    #[arg(long)]
    owner: String,
    /// Where to write the device file (mode 600; an existing file is not overwritten).
    #[arg(long)]
    out: PathBuf,
}

impl DeviceCommand {
    pub(crate) fn run(self) -> ExitCode {
        let device = match self {
            Self::New(options) => options.make(),
            Self::Show { device } => Device::load(&device),
        };
        let device = match device {
            Ok(device) => device,
            Err(error) => return usage_error(&error),
        };
        match serde_json::to_string(&device.card()) {
            Ok(card) => {
                println!("{card}");
                ExitCode::SUCCESS
            }
            Err(error) => failure(&error),
        }
    }
}

impl NewOptions {
    fn make(&self) -> Result<Device, DeviceError> {
        let no_entropy = |_| KeyFileError::Disk {
            path: self.out.clone(),
            source: std::io::Error::other("no randomness from the system"),
        };
        SysRng.try_next_u32().map_err(no_entropy)?;
        let device = Device::generate(
            &self.hardware_id,
            &self.registration_id,
            EntityId::of_name(&self.owner),
            &mut UnwrapErr(SysRng),
        );
        device.store(&self.out)?;
        Ok(device)
    }
}
