//! What a run showed: its journal folded for a reader, sealed, and held against the seal.

pub mod approval;
pub mod course;
pub mod energy;
pub mod facts;
pub mod figures;
pub mod fold;
pub mod folder;
pub mod judge;
pub mod key;
pub mod lag;
pub mod load;
pub mod method;
pub mod origin;
pub mod residue;
pub mod rpo;
pub mod rto;
pub mod say;
pub mod scale;
pub mod seal;
pub mod shown;
pub(crate) mod sides;
pub mod sites;
pub mod terms;
pub mod timeline;
pub mod verify;
