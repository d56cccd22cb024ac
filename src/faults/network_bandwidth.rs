//! Makes the network narrow, as a saturated link or a throttling provider does.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    traffic::{HeldTable, Traffic},
    units::HOLE,
    world::{World, net::Harm},
};

/// Lets at most `rate` through of what fits `traffic`, each way.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkBandwidth {
    rate: Rate,
    traffic: Traffic,
}

/// Bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
struct Rate(u64);

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == HOLE {
            return Ok(Self(1));
        }
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let bits: u64 = match unit {
            "kbit" => 1_000,
            "mbit" => 1_000_000,
            "gbit" => 1_000_000_000,
            _ => return Err(no_rate(&text)),
        };
        let number: u64 = number.parse().map_err(|_| no_rate(&text))?;
        match number.checked_mul(bits) {
            Some(bits @ 8_000..=400_000_000_000) => Ok(Self(bits / 8)),
            _ => Err(format!("`{text}` cannot be kept to: write 8kbit to 400gbit")),
        }
    }
}

fn no_rate(text: &str) -> String {
    format!("`{text}` is no rate: write a whole number and kbit, mbit or gbit, as in `10mbit`")
}

impl Rate {
    /// How many bytes may come at once. The kernel hands over up to 64 KiB in one piece; and
    /// whoever sends must be able to send on while it learns of a loss.
    fn burst(self) -> u32 {
        u32::try_from(self.0 / 20).unwrap_or(u32::MAX).max(128 * 1024)
    }
}

impl Action for NetworkBandwidth {
    const ABOUT: &'static About = &About {
        name: "network_bandwidth",
        summary: "loses packets that come faster than a rate, each way",
        needs: &[Need::Network],
        example: "rate: 10mbit\ntraffic: { local_port: 8443 }\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = HeldTable;

    async fn plan(&self, world: &World) -> Result<Plan<HeldTable>, Refusal> {
        let harm = Harm::Limit { rate: self.rate.0, burst: self.rate.burst() };
        let undo = HeldTable::plan(&self.traffic, harm, world)?;
        Ok(Plan {
            will: format!(
                "let at most {} bytes a second through of packets {}{}",
                self.rate.0,
                self.traffic,
                undo.note()
            ),
            by_hand: undo.by_hand(),
            undo,
        })
    }

    async fn apply(&self, it: &HeldTable, world: &World) -> Result<(), Failure> {
        it.stand(Self::ABOUT.name, &(), world).await
    }

    async fn effect(it: &HeldTable, world: &World) -> Result<Effect, Failure> {
        it.effect("packets came too fast", world).await
    }

    async fn undo(it: &HeldTable, world: &World) -> Result<(), Failure> {
        it.end(world).await
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn a_rate_is_in_bits_and_kept_in_bytes() {
        let of = |it: &str| Rate::try_from(it.to_owned()).map(|it| it.0);
        assert_eq!(of("10mbit"), Ok(1_250_000));
        assert_eq!(of("8kbit"), Ok(1_000));
        assert_eq!(of("1gbit"), Ok(125_000_000));
        for (text, why) in [
            ("10", "is no rate"),
            ("10MB", "is no rate"),
            ("mbit", "is no rate"),
            ("1kbit", "cannot be kept to"),
            ("999999999999gbit", "cannot be kept to"),
        ] {
            assert!(of(text).unwrap_err().contains(why), "{text}");
        }
    }
}
