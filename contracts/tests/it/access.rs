//! Who may see whose data: the decision, its explanation, and attacks on both.

mod dice;
mod draw;
mod model;
mod ward;

mod codes;
mod custody;
mod decisions;
mod denials;
mod explained;
mod glass;
mod grants;
