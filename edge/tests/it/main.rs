//! The edge against nodes that are real sockets over a chain in memory.

mod chain;
mod node;

mod command_line;
mod follow;
mod light;
mod opening;
mod replay;
