//! Who used the energy: the machine's, shared out by processor time.
//!
//! ```text
//! a consumer's part = energy × its processor time ÷ processor time that there was
//! other             = energy × processor time that nobody is known to have used ÷ …
//! idle              = the rest
//! ```
//! In whole microjoules, so that parts, other and idle are the machine's energy to the last one.
//! A processor that idles uses energy, too: whoever shares that out among consumers makes those
//! look cheap that share a machine with many others. So it stays apart.

/// Microjoules, shared out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    /// In the consumers' order.
    pub each: Vec<u64>,
    /// Used by others than the consumers: the kernel, and processes outside all of them.
    pub other: u64,
    /// Used while processors did nothing, with what rounding leaves.
    pub idle: u64,
}

/// Shares energy out. `used` is each consumer's processor time in the interval, `busy` that of
/// them all with others, `all` what there was on all processors; in the same unit.
///
/// Clocks differ: where consumers say that they used more than the machine was busy, they are
/// believed.
pub fn share(microjoules: u64, used: &[u64], busy: u64, all: u64) -> Shares {
    let known: u128 = used.iter().copied().map(u128::from).sum();
    let busy = u128::from(busy).max(known);
    let all = u128::from(all).max(busy);
    // At most `microjoules`, since no time is longer than all of it.
    let part = |time: u128| -> u64 {
        let part = (u128::from(microjoules) * time).checked_div(all).unwrap_or(0);
        u64::try_from(part).unwrap_or(u64::MAX)
    };
    let each: Vec<u64> = used.iter().map(|time| part(u128::from(*time))).collect();
    let other = part(busy - known);
    let idle = microjoules - other - each.iter().sum::<u64>();
    Shares { each, other, idle }
}

/// Joules as whole microjoules; what does not make a whole one is kept for the next time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Whole {
    rest: f64,
}

impl Whole {
    /// The whole microjoules of these joules and of what was left before.
    pub fn of(&mut self, joules: f64) -> u64 {
        // Not below zero, and not so many that a year of them would not fit.
        let exact = (joules.max(0.0) * 1e6 + self.rest).min(1e15);
        let whole = exact.floor();
        self.rest = exact - whole;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 1e15; nothing for what is no number"
        )]
        let whole = whole as u64;
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_machine_at_work_is_half_its_energy() {
        let shares = share(1_000_000, &[200, 300], 600, 1_200);
        assert_eq!(shares, Shares { each: vec![166_666, 250_000], other: 83_333, idle: 500_001 });
    }

    #[test]
    fn without_time_all_is_idle() {
        assert_eq!(share(7, &[0, 0], 0, 0), Shares { each: vec![0, 0], other: 0, idle: 7 });
    }

    proptest::proptest! {
        #[test]
        fn parts_and_idle_are_the_machines_energy_to_the_last_microjoule(
            microjoules: u64, used in proptest::collection::vec(0..u64::MAX >> 8, 0..100),
            busy: u64, all: u64,
        ) {
            let shares = share(microjoules, &used, busy, all);
            let sum: u128 = shares.each.iter().copied().map(u128::from).sum();
            let sum = sum + u128::from(shares.other) + u128::from(shares.idle);
            proptest::prop_assert_eq!(sum, u128::from(microjoules));
            proptest::prop_assert_eq!(shares.each.len(), used.len());
        }

        #[test]
        fn who_used_more_gets_no_less(
            a in 0_u64..1 << 40, b in 0_u64..1 << 40, all in 0_u64..1 << 42,
        ) {
            let shares = share(1 << 40, &[a.min(b), a.max(b)], 0, all);
            proptest::prop_assert!(shares.each[0] <= shares.each[1]);
        }

        #[test]
        fn no_energy_is_lost_in_the_small(
            parts in proptest::collection::vec(0.0_f64..1e-5, 1..200),
        ) {
            let mut whole = Whole::default();
            let sum: u64 = parts.iter().map(|it| whole.of(*it)).sum();
            let exact = parts.iter().sum::<f64>() * 1e6;
            proptest::prop_assert!((wide(sum) - exact).abs() < 1.001);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn wide(it: u64) -> f64 {
        it as f64
    }
}
