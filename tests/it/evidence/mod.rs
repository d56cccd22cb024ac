//! Evidence: what journals fold to, how it is shown, and what a seal finds.

mod again;
mod clocks;
mod figures;
mod forms;
mod intervals;
mod outside;
mod seals;
mod sites;
mod stories;
mod worked;
