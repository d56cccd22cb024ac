//! Power readings made into energy, for meters whose hardware says watts and keeps no count.

use std::time::Duration;

use crate::meter::Domain;

/// One reading of power after the other. Between two of them the power is taken to go straight
/// from one to the other; the bounds are the interval at the lesser and at the greater of the two.
/// They are those of what was read: peaks between readings stay unseen unless the hardware
/// averages by itself.
#[derive(Debug, Clone, Copy)]
pub struct Readings {
    last: f64,
}

impl Readings {
    /// The first reading, in watts.
    pub fn from(watts: f64) -> Self {
        Self { last: watts }
    }

    /// The energy of the interval that ends with this reading.
    pub fn advance(&mut self, name: &str, watts: f64, elapsed: Duration) -> Domain {
        let seconds = elapsed.as_secs_f64();
        let (low, high) = (self.last.min(watts), self.last.max(watts));
        let joules = seconds * f64::midpoint(self.last, watts);
        self.last = watts;
        Domain { name: name.to_owned(), joules, low: seconds * low, high: seconds * high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_between_two_readings_lies_between_them() {
        let mut readings = Readings::from(100.0);
        let ten = Duration::from_secs(10);
        let first = readings.advance("platform", 200.0, ten);
        assert_eq!((first.low, first.joules, first.high), (1000.0, 1500.0, 2000.0));
        let second = readings.advance("platform", 50.0, ten);
        assert_eq!((second.low, second.joules, second.high), (500.0, 1250.0, 2000.0));
    }
}
