//! What somebody says of when something was: between two instants, each named by the time of day or
//! by how long ago it was.

use std::str::FromStr;

use crate::{
    journal::course::{Attested, Dial},
    units::Span,
};

/// How it is said, for those who said it otherwise.
pub const HELP: &str = "say each as how long ago it was (`90s`), or as the time of day \
                        (`2026-11-23T14:03:10Z`)";

/// One end of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// So many microseconds before it was said.
    Ago(u64),
    /// So many microseconds after the Unix epoch.
    At(u64),
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(span) = text.parse::<Span>() {
            return Ok(Self::Ago(span.micros()));
        }
        let at = text.parse::<jiff::Timestamp>().map_err(|_| HELP.to_owned())?;
        u64::try_from(at.as_microsecond()).map(Self::At).map_err(|_| HELP.to_owned())
    }
}

/// Not before the one, and not after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The earliest that it can have been.
    pub from: Bound,
    /// The latest.
    pub to: Bound,
}

impl Claim {
    /// As it was said at the run's terminal, `between A and B`, and what follows it.
    pub(super) fn typed(text: &str) -> (Option<Self>, &str) {
        let mut words = text.splitn(5, ' ');
        let mut next = || words.next().unwrap_or("");
        let (between, from, and, to, rest) = (next(), next(), next(), next(), next());
        match (from.parse(), to.parse()) {
            (Ok(from), Ok(to)) if between == "between" && and == "and" => {
                (Some(Self { from, to }), rest)
            }
            _ => (None, text),
        }
    }

    /// What the journal keeps of it, if it is one: said at `now_us` of this machine's clock.
    pub fn attested(self, now_us: u64) -> Result<Attested, String> {
        let (clock, from_us, to_us) = match (self.from, self.to) {
            (Bound::Ago(from), Bound::Ago(to)) => {
                (Dial::Run, now_us.saturating_sub(from), now_us.saturating_sub(to))
            }
            (Bound::At(from), Bound::At(to)) => (Dial::Wall, from, to),
            _ => return Err("say both in the same way: so long ago, or the time of day".to_owned()),
        };
        if from_us > to_us {
            return Err("the earliest instant must not be later than the latest".to_owned());
        }
        Ok(Attested { clock, from_us, to_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read_and_what_is_not_so_is_a_note() {
        let (claim, note) = Claim::typed("between 90s and 60s saw it go dark");
        let claim = claim.expect("it is one");
        assert_eq!((claim.from, claim.to), (Bound::Ago(90_000_000), Bound::Ago(60_000_000)));
        assert_eq!(note, "saw it go dark");
        assert_eq!(
            claim.attested(100_000_000),
            Ok(Attested { clock: Dial::Run, from_us: 10_000_000, to_us: 40_000_000 })
        );
        let (none, note) = Claim::typed("between lunch and tea");
        assert!(none.is_none() && note == "between lunch and tea");
        let at = |text: &str| text.parse::<Bound>();
        assert_eq!(at("1970-01-01T00:00:01Z"), Ok(Bound::At(1_000_000)));
        assert!(at("14:03").is_err());
        let mixed = Claim { from: Bound::Ago(1), to: Bound::At(1) };
        assert!(mixed.attested(5).is_err());
        let turned = Claim { from: Bound::At(2), to: Bound::At(1) };
        assert!(turned.attested(5).is_err());
    }
}
