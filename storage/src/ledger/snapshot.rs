//! The state of one moment.

use super::{Head, Ledger, LedgerError, read_head};
use crate::state::StateView;
use crate::store::Read;

/// The state after one block, whatever is committed meanwhile: for reads of several values that belong together.
pub struct Snapshot<'a> {
    store: Box<dyn Read + 'a>,
    head: Head,
}

impl Ledger {
    /// The state as it is now.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn snapshot(&self) -> Result<Snapshot<'_>, LedgerError> {
        let store = self.store.snapshot();
        let head = read_head(&*store)?;
        Ok(Snapshot { store, head })
    }
}

impl Snapshot<'_> {
    /// The last block that this state holds.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// The state after it.
    #[must_use]
    pub fn state(&self) -> StateView<'_> {
        StateView::new(&*self.store)
    }
}
