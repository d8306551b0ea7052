//! Sealed readings.
//!
//! A record lives in the log: its transaction proves it, and the authenticated tree never hears of it. This contract
//! checks that a device submits what it sealed itself, in a length that reveals only a size class, and notes in the plain index
//! which transaction was the first to bring a reading. A reading that is signed again after its window is therefore
//! harmless: it succeeds, emits [`RecordsEvent::Repeated`] with the first one's place, and changes nothing.
//!
//! The index is by device *and* reading id: by reading id alone, any registered device that sees a pending transaction could take
//! the place of its reading with an envelope of its own.

use crate::caller::Caller;
use crate::context::{Context, ContractEvent};
use crate::contract::Contract;
use crate::error::{ContractError, stable_errors};
use crate::slot::Slot;
use salus_primitives::calls::{RECORDS, RecordsCall};
use salus_primitives::ids::{ContractId, DeviceId};
use salus_primitives::reading::ReadingId;
use salus_primitives::state::{StateRead, StateReadError};

pub use salus_primitives::records::{FirstRecord, RECORDED, REPEATED, RecordsEvent};

/// The contract, see the module.
#[derive(Debug)]
pub enum Records {}

impl ContractEvent for RecordsEvent {
    fn topic(&self) -> u16 {
        match self {
            Self::Recorded { .. } => RECORDED,
            Self::Repeated { .. } => REPEATED,
        }
    }
}

stable_errors! {
    /// Why a reading is not recorded.
    pub enum RecordsError {
        /// Entities record nothing.
        NotADevice = 1, "not_a_device", "only devices submit readings";
        /// The reading names another device than the sender.
        OtherDevice = 2, "other_device", "the reading was sealed for another device than its sender";
        /// The envelope has a length that no honest device makes.
        BadSizeClass = 3, "bad_size_class", "the envelope's length is no size class";
    }
}

impl Contract for Records {
    type Call = RecordsCall;
    type Error = RecordsError;

    const ID: ContractId = RECORDS;
    const NAME: &'static str = "records";

    fn admit(caller: &Caller, call: &RecordsCall) -> Result<(), RecordsError> {
        let RecordsCall::Submit(sealed) = call;
        let device = caller.principal.device().ok_or(RecordsError::NotADevice)?;
        if device != sealed.device {
            return Err(RecordsError::OtherDevice);
        }
        if sealed.envelope.size_class().is_none() {
            return Err(RecordsError::BadSizeClass);
        }
        Ok(())
    }

    fn execute(
        context: &mut Context<'_>,
        call: RecordsCall,
    ) -> Result<(), ContractError<RecordsError>> {
        let RecordsCall::Submit(sealed) = call;
        let slot = first_slot(&sealed.device, &sealed.reading);
        if let Some(first) = context.load(&slot)? {
            context.emit(&RecordsEvent::Repeated {
                device: sealed.device,
                reading: sealed.reading,
                first,
            })?;
            return Ok(());
        }
        let first = FirstRecord {
            height: context.height(),
            transaction: context.transaction(),
        };
        context.store(&slot, &first)?;
        context.emit(&RecordsEvent::Recorded {
            device: sealed.device,
            handle: sealed.handle,
            reading: sealed.reading,
        })?;
        Ok(())
    }
}

/// Where a device's reading was first recorded, if it was.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn first_record(
    state: &dyn StateRead,
    device: &DeviceId,
    reading: &ReadingId,
) -> Result<Option<FirstRecord>, StateReadError> {
    first_slot(device, reading).read(RECORDS, state)
}

fn first_slot(device: &DeviceId, reading: &ReadingId) -> Slot<FirstRecord> {
    let key = [device.as_bytes().as_slice(), reading.as_bytes()].concat();
    Slot::index(b'r', &key)
}
