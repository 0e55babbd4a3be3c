//! Every row of the contract's catalogue that can be reached, with its exact status, code and sentence.

mod conflicts;
mod keys;
mod missing;
mod requests;
mod runs;
mod sense;
mod uploads;
