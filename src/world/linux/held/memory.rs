//! Takes memory, and is the first to lose it when the kernel has none left.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the wall: a held child touches the real machine here"
)]

use std::{convert::Infallible, fs};

use super::{disk::Want, rest, stands};

/// So much is taken at once, in bytes.
const CHUNK: u64 = 8 << 20;

/// Takes `want`, and leaves `reserve` bytes available to others: what was taken is given back when
/// they need it.
pub fn hog(want: Want, reserve: u64) -> Result<Infallible, String> {
    // A higher score may be asked for by anybody: when memory is out, it is we who go.
    fs::write("/proc/self/oom_score_adj", "1000")
        .map_err(|why| format!("could not be the first to be killed when memory is out: {why}"))?;
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut have = 0_u64;
    loop {
        let (total, available) = memory()?;
        let wanted = match want {
            Want::Bytes(it) => it,
            Want::Used(share) => {
                let others = total.saturating_sub(available).saturating_sub(have);
                (total / 100).saturating_mul(share).saturating_sub(others)
            }
        };
        let next = wanted.min(have.saturating_add(available).saturating_sub(reserve));
        if next > have && (next - have >= CHUNK || have == 0 || wanted < have + CHUNK) {
            let more = (next - have).min(CHUNK);
            // Pages that are the same everywhere, or zero, could be merged or never be there.
            let page = u8::try_from(held.len() % 251).unwrap_or(0) + 1;
            held.push(vec![page; usize::try_from(more).unwrap_or(0)]);
            have += more;
            if have < next {
                continue;
            }
        } else if have > next + CHUNK {
            have -= held.pop().map_or(0, |it| u64::try_from(it.len()).unwrap_or(0));
            continue;
        }
        stands(format!("{have} bytes are taken"));
        rest();
    }
}

/// Bytes that there are, and that are available without swapping, from `/proc/meminfo`.
fn memory() -> Result<(u64, u64), String> {
    let text = fs::read_to_string("/proc/meminfo").map_err(|why| why.to_string())?;
    let of = |key| meminfo(&text, key).ok_or_else(|| format!("/proc/meminfo has no {key}"));
    Ok((of("MemTotal:")?, of("MemAvailable:")?))
}

/// A line of `/proc/meminfo`, in bytes.
pub fn meminfo(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|it| it.strip_prefix(key))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1_024)
}
