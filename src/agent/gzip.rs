//! Pages in gzip, again and again with the same working memory.

use flate2::{Compress, Compression, FlushCompress, Status};

/// Shorter pages are sent as they are: the network packet is the same.
pub const WORTH_IT: usize = 1024;
/// The window that gzip allows at most, as a power of two.
const WINDOW_BITS: u8 = 15;

/// Packs pages. Quick rather than tight, since it is done at every scrape.
#[derive(Debug, Default)]
pub struct Gzip {
    working: Option<Compress>,
}

/// The page could not be packed.
#[derive(Debug, thiserror::Error)]
#[error("pack the page: {0}")]
pub struct PackError(String);

impl Gzip {
    /// The page in gzip.
    pub fn pack(&mut self, page: &[u8]) -> Result<Vec<u8>, PackError> {
        let fresh = || Compress::new_gzip(Compression::fast(), WINDOW_BITS);
        let working = self.working.get_or_insert_with(fresh);
        working.reset();
        let mut packed = Vec::with_capacity(page.len() / 4 + 128);
        loop {
            let taken = usize::try_from(working.total_in()).unwrap_or(page.len());
            let rest = page.get(taken..).unwrap_or_default();
            match working.compress_vec(rest, &mut packed, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => return Ok(packed),
                Ok(Status::Ok | Status::BufError) => packed.reserve(packed.capacity().max(4096)),
                Err(why) => return Err(PackError(why.to_string())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_packed_is_unpacked_as_it_was(
            pages in proptest::collection::vec(
                proptest::collection::vec(proptest::num::u8::ANY, 0..5_000), 1..4),
        ) {
            let mut gzip = Gzip::default();
            for page in pages {
                let packed = gzip.pack(&page).unwrap();
                let mut unpacked = Vec::new();
                GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
                proptest::prop_assert_eq!(unpacked, page);
            }
        }
    }
}
