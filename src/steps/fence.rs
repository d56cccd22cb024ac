//! Shuts a former primary out by a fencing token: whoever holds an older epoch must not acknowledge
//! writes any more, also when it was only asleep.

use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    world::World,
};

/// Puts `epoch` into the file `token`, which the service must read before it acknowledges.
#[derive(Deserialize)]
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
    type Undo = Fenced;

    async fn plan(&self, world: &World) -> Result<Plan<Fenced>, Refusal> {
        let token = self.token.clone();
        let was = world.host.read(&token)?.map(|it| String::from_utf8_lossy(&it).into_owned());
        let held = was.as_ref().and_then(|it| it.trim().parse::<u64>().ok()).unwrap_or(0);
        if held >= self.epoch {
            return Err(Refusal::NotReady(format!(
                "{token} holds epoch {held}, and {} would not be above it",
                self.epoch
            )));
        }
        let by_hand = match &was {
            Some(text) => format!("printf %s '{}' > {token}", text.trim()),
            None => format!("rm -f {token}"),
        };
        Ok(Plan {
            will: format!("raise the fencing token {token} from epoch {held} to {}", self.epoch),
            by_hand: vec![by_hand],
            undo: Fenced { token, epoch: self.epoch, was },
        })
    }

    async fn apply(&self, fenced: &Fenced, world: &World) -> Result<(), Failure> {
        Ok(world.host.write(&fenced.token, fenced.epoch.to_string().as_bytes())?)
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
                Some(text) => world.host.write(&fenced.token, text.as_bytes())?,
                None => world.host.remove(&fenced.token)?,
            }
        }
        Ok(())
    }
}

fn is_ours(fenced: &Fenced, world: &World) -> Result<bool, Failure> {
    let held = world.host.read(&fenced.token)?;
    Ok(held.is_some_and(|it| it == fenced.epoch.to_string().as_bytes()))
}
