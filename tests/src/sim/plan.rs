//! Which faults the network has.

use salus_node::wire::Frame;

/// Takes sender, receiver and frame; gives what arrives.
pub type Filter = Box<dyn FnMut(usize, usize, Frame) -> Option<Frame>>;

/// Faults between nodes; each is drawn anew for every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Frames lost, in percent.
    pub loss_percent: u64,
    /// Frames delivered twice, in percent.
    pub duplicate_percent: u64,
    /// Shortest way, in milliseconds.
    pub delay_ms_min: u64,
    /// Longest way, in milliseconds. Frames overtake one another within these bounds.
    pub delay_ms_max: u64,
    /// Longest execution of a block, in milliseconds.
    pub execution_ms_max: u64,
}

impl Plan {
    /// A good day: everything arrives in 1 to 5 ms.
    #[must_use]
    pub const fn calm() -> Self {
        Self {
            loss_percent: 0,
            duplicate_percent: 0,
            delay_ms_min: 1,
            delay_ms_max: 5,
            execution_ms_max: 1,
        }
    }

    /// A bad day: a fifth is lost, a fifth comes twice, delays beyond delta.
    #[must_use]
    pub const fn rough() -> Self {
        Self {
            loss_percent: 20,
            duplicate_percent: 20,
            delay_ms_min: 1,
            delay_ms_max: 150,
            execution_ms_max: 20,
        }
    }
}
