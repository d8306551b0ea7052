//! Who may see whose data: the decision, its explanation, and attacks on both.

mod decisions;
mod dice;
mod draw;
mod explained;
mod model;
