//! The parsers against anything a peer may send.

mod checks;
mod corpus;
mod differential;
mod generated;
mod judge;
