//! Loses packets, as a bad cable, a full switch or a far-away network does.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    traffic::{HeldTable, Traffic},
    world::{World, net::Harm},
};

/// Loses `percent` of the packets that fit `traffic`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkLoss {
    percent: Share,
    traffic: Traffic,
}

/// A share of a whole, in ten thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(with = "f64")]
struct Share(u32);

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(percent: f64) -> Result<Self, String> {
        let wanted = percent * 100.0;
        // The kernel's dice have ten thousand sides, so that a hundredth of a percent is the least.
        (1..=10_000_u32)
            .find(|it| (f64::from(*it) - wanted).abs() < 0.5)
            .map(Self)
            .ok_or_else(|| format!("{percent} percent cannot be lost: write 0.01 to 100"))
    }
}

impl Action for NetworkLoss {
    const ABOUT: &'static About = &About {
        name: "network_loss",
        summary: "loses a share of the packets that fit, in the kernel's packet filter",
        needs: &[Need::Network],
        example: "percent: 12.5\ntraffic: { address: 10.0.0.7, port: 5432 }\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = HeldTable;

    async fn plan(&self, world: &World) -> Result<Plan<HeldTable>, Refusal> {
        let undo = HeldTable::plan(&self.traffic, Harm::Lose(self.percent.0), world)?;
        let percent = f64::from(self.percent.0) / 100.0;
        Ok(Plan {
            will: format!("lose {percent}% of packets {}{}", self.traffic, undo.note()),
            by_hand: undo.by_hand(),
            undo,
        })
    }

    async fn apply(&self, it: &HeldTable, world: &World) -> Result<(), Failure> {
        it.stand(Self::ABOUT.name, &(), world).await
    }

    async fn effect(it: &HeldTable, world: &World) -> Result<Effect, Failure> {
        it.effect("packets were lost", world).await
    }

    async fn undo(it: &HeldTable, world: &World) -> Result<(), Failure> {
        it.end(world).await
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn a_share_is_kept_to_a_hundredth_of_a_percent() {
        for (percent, wanted) in [(0.01, 1), (0.1, 10), (12.5, 1_250), (100.0, 10_000)] {
            assert_eq!(Share::try_from(percent), Ok(Share(wanted)));
        }
        for wrong in [0.0, -1.0, 100.1, f64::NAN, f64::INFINITY] {
            assert!(Share::try_from(wrong).is_err(), "{wrong}");
        }
    }
}
