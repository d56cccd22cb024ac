//! Series that are there twice, for which Prometheus refuses a whole page.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::collector::{Blank, Samples};

/// Refuses what one collector brought, if it brought a family or a series twice: then its files
/// name a thing twice.
pub(crate) fn refuse(samples: &Samples) -> Result<(), Blank> {
    let mut all = Vec::with_capacity(samples.series());
    for family in samples.families() {
        let mut of_family = DefaultHasher::new();
        family.name().hash(&mut of_family);
        all.push(of_family.finish());
        for row in family.rows() {
            let mut of_row = of_family.clone();
            row.labels().for_each(|label| label.hash(&mut of_row));
            // A family is not its row without labels.
            of_row.write_u8(1);
            all.push(of_row.finish());
        }
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    let why = "they name a thing twice";
    if all.len() < count { Err(Blank::odd("its files", why)) } else { Ok(()) }
}
