//! Decimal numbers, exactly: sums of money are no floating-point numbers.

use std::fmt;

/// So many digits may follow the point; more are no amount of anything.
const SCALE_MAX: usize = 18;

/// A number of units of 10^-scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// Reads `-12.50`; nothing else is a decimal number here, also `1e3` is not.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
        let well = !whole.is_empty() && all_digits(whole) && all_digits(part);
        if !well || part.len() > SCALE_MAX || digits.ends_with('.') {
            return None;
        }
        let units: i128 = format!("{whole}{part}").parse().ok()?;
        let scale = u32::try_from(part.len()).ok()?;
        Some(Self { units: sign * units, scale }.plain())
    }

    /// Without zeros at its end, so that equal numbers are the same value.
    fn plain(mut self) -> Self {
        while self.scale > 0 && self.units % 10 == 0 {
            self.units /= 10;
            self.scale -= 1;
        }
        self
    }

    /// The exact sum; none if it does not fit into 38 digits.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let raise = |it: Self| it.units.checked_mul(10_i128.checked_pow(scale - it.scale)?);
        Some(Self { units: raise(self)?.checked_add(raise(other)?)?, scale }.plain())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let one = 10_u128.pow(self.scale);
        let (whole, part) = (self.units.unsigned_abs() / one, self.units.unsigned_abs() % one);
        match usize::try_from(self.scale) {
            Ok(0) | Err(_) => write!(f, "{sign}{whole}"),
            Ok(width) => write!(f, "{sign}{whole}.{part:0width$}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact() {
        let read = |text| Decimal::read(text).unwrap();
        let sum = ["0.1"; 10].into_iter().map(read).try_fold(Decimal::default(), Decimal::plus);
        assert_eq!(sum, Some(read("1")));
        let much = read("12345678901234567890.01").plus(read("-0.02")).unwrap();
        assert_eq!(much.to_string(), "12345678901234567889.99");
        assert_eq!(read("1.50"), read("1.5"));
        assert_eq!(read("-0.05").to_string(), "-0.05");
        assert_eq!(read("-0"), read("0.00"));
        for text in ["", "-", ".5", "5.", "1e3", "1,5", "NaN", "٣", "0.1234567890123456789"] {
            assert_eq!(Decimal::read(text), None, "{text}");
        }
        let most = i128::MAX.to_string();
        let most = read(&most);
        assert_eq!(most.plus(read("1")), None);
    }
}
