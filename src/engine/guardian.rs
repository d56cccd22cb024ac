//! The guardian: a process of its own that goes back when the runner cannot.

use std::{path::Path, time::Duration};

use crate::{
    engine::{
        kit::Kit,
        recover::{Healed, Then, take_over},
    },
    journal::entry::Successor,
    world::{
        World,
        host::HostError,
        linux::{
            state::{JOURNAL, StateFolder},
            store::{FileStore, OpenError},
            watch::{Over, Watch, Watcher},
        },
    },
};

/// A runner that is not heard of for so long is as good as dead. A journal's sync stalls the
/// runner, and a busy disk may take its time: a shorter lease would kill good runs.
pub const LEASE: Duration = Duration::from_secs(5);
/// How long a runner that was killed may take to be gone; one that hangs in the disk takes longer.
const GONE_MAX: Duration = Duration::from_millis(200);
/// How long a runner may take to go back by itself when both were told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Starts the guardian of a run.
pub fn start(program: &Path, state: &StateFolder, run: &str) -> Result<Watcher, HostError> {
    let args = [
        "--state".to_owned(),
        state.root().display().to_string(),
        "guard".to_owned(),
        run.to_owned(),
        "--parent".to_owned(),
        std::process::id().to_string(),
    ];
    Watcher::start(program, &args)
}

/// What the guardian's process does: watches, and goes back if there is need.
pub async fn guard(
    (state, run): (&StateFolder, &str),
    parent: u32,
    (world, kit): (&World, &Kit),
) -> Result<Option<Healed>, HostError> {
    let mut watch = Watch::begin(parent, LEASE)?;
    let mut over = watch.wait().await?;
    if over == Over::Told {
        // The runner was told, too, as a rule: it goes back by itself and says so, or dies trying.
        over = watch.wait_within(GRACE).await?;
    }
    if over == Over::Done {
        return Ok(None);
    }
    watch.fence();
    let gone = watch.ends_within(GONE_MAX).await;
    let path = state.run(run).join(JOURNAL);
    let (store, bytes) = if gone { free(&path).await? } else { FileStore::open_fenced(&path)? };
    let why = format!("the runner {}", over.words());
    let (names, by) = ((state, run), (Successor::Guardian, why.as_str(), Then::Wait));
    Ok(Some(take_over(names, (store, bytes), by, (world, kit)).await))
}

/// Opens the journal as soon as nobody holds it: `recover` may be faster than we are.
async fn free(path: &Path) -> Result<(FileStore, Vec<u8>), HostError> {
    loop {
        match FileStore::open(path) {
            Ok(it) => return Ok(it),
            Err(OpenError::Host(why)) => return Err(why),
            Err(OpenError::Busy(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}
