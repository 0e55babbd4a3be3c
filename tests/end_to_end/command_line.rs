//! The program as people and scripts meet it: its exit codes, and what it prints where.

mod audit;
mod backup;
mod ends;
mod input;
mod interrupted;
mod json;
mod packing;
mod profile;
mod publishing;
mod rotation;
mod secrets;
mod sellers;
mod sources;
