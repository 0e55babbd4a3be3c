//! Attacks that once worked, and their like: each is refused by name or bounded, and no other org feels it.

mod answers;
mod bodies;
mod hardening;
mod judging;
mod manifests;
mod replays;
mod rows;
mod schemas;
mod storage;
mod terms;
mod words;
