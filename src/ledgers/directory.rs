//! A folder, a file a record.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::{self, BoxStream},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::timeout;

use crate::{
    about::About,
    journal::entry::{Found, Outcome, ReadBack},
    ledger::{Ledger, OpenLedger, Record, Side, Terms, one_by_one},
    probe::Blind,
    world::{
        World,
        host::{Host, HostError},
    },
};

/// How long it may take to list a folder, or to read a file of it.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// A folder, such as a shared file system. A record is a file that is written under another name,
/// synced and renamed; it is acknowledged when the folder is synced, too. The files stay.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Directory {
    /// The folder. It must be there.
    path: String,
    /// The folder where the records are looked for afterwards, if it is another.
    #[serde(default)]
    read: Option<String>,
    /// Folders of sides that were not to take records any more, by the names that reports give
    /// them.
    #[serde(default)]
    sides: BTreeMap<String, String>,
}

impl Ledger for Directory {
    const ABOUT: &'static About = &About {
        name: "directory",
        summary: "a folder, such as a shared file system: a file a record, synced",
        needs: &[],
        example: "path: /mnt/ledger/witness\nsides: { former site: /mnt/former/witness }\n",
    };

    fn target(&self) -> String {
        format!("files in {}", self.path)
    }

    fn sides(&self) -> Vec<String> {
        self.sides.keys().cloned().collect()
    }

    fn open(&self, terms: Terms, world: &World) -> Box<dyn OpenLedger> {
        Box::new(Open {
            path: self.path.clone(),
            read: self.read.clone().unwrap_or_else(|| self.path.clone()),
            sides: self.sides.clone(),
            terms,
            host: Arc::clone(&world.host),
        })
    }
}

struct Open {
    path: String,
    read: String,
    sides: BTreeMap<String, String>,
    terms: Terms,
    host: Arc<dyn Host>,
}

impl OpenLedger for Open {
    fn prepare(&self) -> BoxFuture<'_, Result<(), Blind>> {
        let path = self.path.clone();
        async move {
            let names = self.aside(move |host| host.names(&path)).await?;
            names.map(drop).ok_or_else(|| Blind(format!("there is no folder {}", self.path)))
        }
        .boxed()
    }

    fn write(&self, record: Record) -> BoxFuture<'_, Outcome> {
        let path = format!("{}/{}", self.path, record.name);
        let host = Arc::clone(&self.host);
        // A file system whose server is gone hangs whoever touches it.
        let work =
            tokio::task::spawn_blocking(move || host.write(&path, record.payload.as_bytes()));
        async move {
            match timeout(self.terms.deadline, work).await {
                Ok(Ok(Ok(()))) => Outcome::Acked,
                // The file may stand under its name although its folder could not be synced.
                Ok(Ok(Err(_))) | Err(_) => Outcome::Unknown,
                Ok(Err(_)) => Outcome::Blind,
            }
        }
        .boxed()
    }

    fn read<'a>(&'a self, side: Side<'a>, records: u64) -> BoxStream<'a, ReadBack> {
        let folder = match side {
            Side::Recovered => Some(self.read.as_str()),
            Side::Other(name) => self.sides.get(name).map(String::as_str),
        };
        let Some(folder) = folder else { return stream::empty().boxed() };
        async move {
            let there = self.list(folder).await.map(Arc::new);
            let others = there.iter().flat_map(|it| it.range(records..).copied());
            let others: Vec<ReadBack> =
                others.map(|seq| ReadBack(seq, Found::Altered, 1)).collect();
            let all = one_by_one(&self.terms, records, move |it| {
                self.look(folder, there.as_ref().map(Arc::clone), it)
            });
            stream::iter(others).chain(all)
        }
        .flatten_stream()
        .boxed()
    }
}

impl Open {
    /// The numbers of this run's records in a folder; none if it cannot be listed.
    async fn list(&self, folder: &str) -> Option<BTreeSet<u64>> {
        let of = folder.to_owned();
        let listed = self.aside(move |host| host.names(&of)).await.ok().flatten()?;
        let start = format!("{}-", self.terms.run);
        let number = |it: &String| it.strip_prefix(&start)?.parse().ok();
        Some(listed.iter().filter_map(number).collect())
    }

    async fn look(
        &self,
        folder: &str,
        there: Option<Arc<BTreeSet<u64>>>,
        record: Record,
    ) -> Result<ReadBack, Blind> {
        let there = there.ok_or_else(|| Blind(format!("{folder} could not be listed")))?;
        if !there.contains(&record.seq) {
            return Ok(ReadBack(record.seq, Found::Absent, 1));
        }
        let path = format!("{folder}/{}", record.name);
        let bytes = self.aside(move |host| host.read(&path)).await?;
        let text = bytes.map(|it| String::from_utf8_lossy(&it).into_owned());
        Ok(record.found(text.as_deref()))
    }

    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Host) -> Result<T, HostError> + Send + 'static,
    ) -> Result<T, Blind> {
        let host = Arc::clone(&self.host);
        match timeout(LOOK_MAX, tokio::task::spawn_blocking(move || work(&*host))).await {
            Ok(Ok(Ok(it))) => Ok(it),
            Ok(Ok(Err(why))) => Err(Blind(why.to_string())),
            Ok(Err(why)) => Err(Blind(why.to_string())),
            Err(_) => Err(Blind("the file system does not answer".to_owned())),
        }
    }
}
