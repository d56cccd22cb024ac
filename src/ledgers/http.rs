//! A service with a declared write and read.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::{self, BoxStream},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    journal::entry::{Found, Outcome, ReadBack},
    ledger::{Ledger, OpenLedger, Record, Side, Terms, one_by_one},
    manifest::{diagnostic::Diagnostic, unread::Placed},
    probe::Blind,
    world::{
        World,
        web::{Ask, Method, Web, WebError},
    },
};

/// A service that takes a record by one request and shows it by another, each over a connection of
/// its own. `{id}`, `{seq}` and `{payload}` stand for the record's name, number and content.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    /// How it writes a record.
    write: WrittenWrite,
    /// How it reads a record back.
    read: WrittenRead,
    /// How it reads a record from other sides, which were not to take it any more, by their names.
    #[serde(default)]
    sides: BTreeMap<String, WrittenRead>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenWrite {
    url: String,
    #[serde(default = "post")]
    method: Method,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What is written; `{id}` or `{seq}` stands for the record's name.
    body: Placed<String>,
}

fn post() -> Method {
    Method::Post
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenRead {
    /// With `{id}` or `{seq}` where the record's name goes.
    url: Placed<String>,
    /// What the answer must hold.
    contains: String,
}

impl Ledger for Http {
    const ABOUT: &'static About = &About {
        name: "http",
        summary: "a service that takes a record by one request and shows it by another",
        needs: &[],
        example: "write:\n  url: http://127.0.0.1:8080/payments\n  \
                  headers: { Idempotency-Key: \"{id}\" }\n  body: '{\"amount\": 1}'\n\
                  read:\n  url: http://127.0.0.1:8080/payments/{id}\n  contains: '{id}'\n",
    };

    fn complaints(&self) -> Vec<Diagnostic> {
        let names = |it: &str| it.contains("{id}") || it.contains("{seq}");
        let mut out = Vec::new();
        let mut missing = |text: &Placed<String>, others: &BTreeMap<String, String>| {
            if !names(&text.value) && !others.values().any(|it| names(it)) {
                let help = "put `{id}` or `{seq}` where the record's name goes";
                out.push(Diagnostic::new("every record would look the same", text.place, help));
            }
        };
        missing(&self.write.body, &self.write.headers);
        missing(&self.read.url, &BTreeMap::new());
        self.sides.values().for_each(|it| missing(&it.url, &BTreeMap::new()));
        out
    }

    fn target(&self) -> String {
        format!("{} {}", self.write.method.word(), self.write.url)
    }

    fn sides(&self) -> Vec<String> {
        self.sides.keys().cloned().collect()
    }

    fn open(&self, terms: Terms, world: &World) -> Box<dyn OpenLedger> {
        let WrittenWrite { url, method, headers, body } = &self.write;
        let look = |it: &WrittenRead| (it.url.value.clone(), it.contains.clone());
        let write = Ask {
            method: *method,
            url: url.clone(),
            headers: headers.clone(),
            body: Some(body.value.clone()),
            timeout: terms.deadline,
        };
        let sides = self.sides.iter().map(|(name, it)| (name.clone(), look(it))).collect();
        let web = Arc::clone(&world.web);
        Box::new(Open { terms, web, write, read: look(&self.read), sides })
    }
}

/// Where a record is shown, and what the answer holds.
type Look = (String, String);

struct Open {
    terms: Terms,
    web: Arc<dyn Web>,
    write: Ask,
    read: Look,
    sides: BTreeMap<String, Look>,
}

impl OpenLedger for Open {
    fn write(&self, record: Record) -> BoxFuture<'_, Outcome> {
        let it = &self.write;
        let header = |(name, value): (&String, &String)| (name.clone(), record.fill(value));
        let ask = Ask {
            url: record.fill(&it.url),
            headers: it.headers.iter().map(header).collect(),
            body: it.body.as_ref().map(|it| record.fill(it)),
            ..it.clone()
        };
        async move {
            match self.web.ask(ask).await {
                Ok(answer) if (200..300).contains(&answer.status) => Outcome::Acked,
                // A gateway that lost its backend does not know either.
                Ok(answer) if matches!(answer.status, 500 | 502 | 504) => Outcome::Unknown,
                Ok(_) | Err(WebError::NotConnected(_)) => Outcome::Refused,
                Err(WebError::NoAnswer(_)) => Outcome::Unknown,
                Err(WebError::NotARequest(_)) => Outcome::Blind,
            }
        }
        .boxed()
    }

    fn read<'a>(&'a self, side: Side<'a>, records: u64) -> BoxStream<'a, ReadBack> {
        let look = match side {
            Side::Recovered => Some(&self.read),
            Side::Other(name) => self.sides.get(name),
        };
        let timeout = self.terms.deadline * 4;
        match look {
            Some(look) => one_by_one(&self.terms, records, move |it| self.look(look, it, timeout)),
            None => stream::empty().boxed(),
        }
    }
}

impl Open {
    async fn look(
        &self,
        (url, contains): &Look,
        record: Record,
        timeout: Duration,
    ) -> Result<ReadBack, Blind> {
        let url = record.fill(url);
        let (method, headers, body) = (Method::Get, BTreeMap::new(), None);
        let ask = Ask { method, url, headers, body, timeout };
        match self.web.ask(ask).await {
            Ok(answer) if answer.status == 404 => Ok(ReadBack(record.seq, Found::Absent, 1)),
            Ok(answer) if (200..300).contains(&answer.status) => {
                let body = String::from_utf8_lossy(&answer.body);
                let same = body.contains(&record.fill(contains));
                let found = if same { Found::Same } else { Found::Altered };
                Ok(ReadBack(record.seq, found, 1))
            }
            Ok(answer) => Err(Blind(format!("the answer was {}", answer.status))),
            Err(why) => Err(Blind(why.to_string())),
        }
    }
}
