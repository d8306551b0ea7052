//! Two or three whole networks on loopback, over TCP and over QUIC.
//!
//! Nothing here measures time: the one timeout is a guard that turns a hang into a failure.

mod admission;
mod channels;
mod limits;
mod support;
