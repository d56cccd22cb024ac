//! Everything that is tested from outside, in one program.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the wall around effects is for the house, not for those who inspect it"
)]

#[cfg(test)]
mod evidence;
