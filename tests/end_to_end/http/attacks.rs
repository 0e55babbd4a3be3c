//! Attacks that once worked, and their like: each is refused by name or bounded, and no other org feels it.

mod judging;
mod schemas;
mod terms;
mod words;
