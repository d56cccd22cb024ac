//! What the user wrote: YAML text → nodes that know their place → any type, and every mistake at
//! once.
//!
//! The files, from the ground up: `place` and `words`; `diagnostic` (one complaint); `source` (the
//! text); `render` (complaints as a terminal shows them); `node` (the document) and `parse`;
//! `complaint`, `hole` and `read` (a node as any `Deserialize` type); `unread`, `vars` and `kinds`
//! for those who read scenarios and drills.

mod complaint;
pub mod diagnostic;
mod hole;
pub mod kinds;
pub mod node;
mod parse;
pub mod place;
pub mod read;
pub mod render;
pub mod source;
pub mod unread;
mod variant;
pub mod vars;
pub(crate) mod words;
