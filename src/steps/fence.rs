//! Shuts a former primary out by a fencing token: whoever holds an older epoch must not acknowledge
//! writes any more, also when it was only asleep.
//!
//! The service's side of the bargain: it reads the token last thing before an acknowledgement
//! leaves it, and holds a shared lock of `TOKEN.lock` (flock(2)) from the look to the end of the
//! write.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal, quoted},
    journal::entry::UndoClass,
    world::World,
};

/// Puts `epoch` into the file `token`, which the service must read before it acknowledges.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fence {
    token: String,
    epoch: u64,
}

/// The token, what we put there, and what was there.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fenced {
    token: String,
    epoch: u64,
    was: Option<String>,
}

impl Action for Fence {
    const ABOUT: &'static About = &About {
        name: "fence",
        summary: "raises the fencing token, so that a former primary cannot acknowledge writes",
        needs: &[],
        example: "token: /var/lib/ledger/fence\nepoch: 2\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    const CONFIRMS: bool = true;
    type Undo = Fenced;

    async fn plan(&self, world: &World) -> Result<Plan<Fenced>, Refusal> {
        let token = self.token.clone();
        let was = match world.host.read(&token)?.map(String::from_utf8) {
            None => None,
            Some(Ok(text)) => Some(text),
            Some(Err(_)) => return Err(strange(&token)),
        };
        let held = match was.as_deref().map_or("", str::trim) {
            "" => 0,
            text => text.parse::<u64>().map_err(|_| strange(&token))?,
        };
        if held >= self.epoch {
            return Err(Refusal::NotReady(format!(
                "{token} holds epoch {held}, and {} would not be above it",
                self.epoch
            )));
        }
        let by_hand = match &was {
            Some(text) => format!("printf %s {} > {}", quoted(text), quoted(&token)),
            None => format!("rm -f {}", quoted(&token)),
        };
        Ok(Plan {
            will: format!("raise the fencing token {token} from epoch {held} to {}", self.epoch),
            by_hand: vec![by_hand],
            undo: Fenced { token, epoch: self.epoch, was },
        })
    }

    async fn apply(&self, fenced: &Fenced, world: &World) -> Result<(), Failure> {
        Ok(world.host.write_alone(&fenced.token, fenced.epoch.to_string().as_bytes())?)
    }

    async fn effect(fenced: &Fenced, world: &World) -> Result<Effect, Failure> {
        Ok(if is_ours(fenced, world)? {
            Effect::Seen(format!("the token holds epoch {}", fenced.epoch))
        } else {
            Effect::NotSeen("the token holds something else".to_owned())
        })
    }

    async fn undo(fenced: &Fenced, world: &World) -> Result<(), Failure> {
        // A later fence is somebody's decision, and not ours to lower.
        if is_ours(fenced, world)? {
            match &fenced.was {
                Some(text) => world.host.write_alone(&fenced.token, text.as_bytes())?,
                None => world.host.remove(&fenced.token)?,
            }
        }
        Ok(())
    }
}

/// What is there is not ours to put back wrongly.
fn strange(token: &str) -> Refusal {
    Refusal::NotReady(format!(
        "{token} holds something that is no epoch: a whole number, or nothing"
    ))
}

fn is_ours(fenced: &Fenced, world: &World) -> Result<bool, Failure> {
    let held = world.host.read(&fenced.token)?;
    Ok(held.is_some_and(|it| it == fenced.epoch.to_string().as_bytes()))
}
