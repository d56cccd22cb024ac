//! One business transaction from end to end: requests whose answers feed the next ones.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::{entry::UndoClass, showing::Showing},
    probe::{Datum, Reading},
    script::expect::Expect,
    steps::sql::{Brings, ten_seconds, value},
    target::postgres::{Address, Login},
    units::Span,
    verdict::Verdict,
    world::{
        World,
        dial::{DialError, Leave},
        web::{Ask, Method, WebError},
    },
};

/// Makes the requests in order; all of them must be answered as expected. `{unique}` stands for a
/// text that no other transaction has, and what a request captures stands under its name in those
/// that follow.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Smoke {
    #[schemars(length(min = 1))]
    requests: Vec<Request>,
    /// All of it ends by then.
    #[serde(default = "ten_seconds")]
    timeout: Span,
    /// Whether the drill must not go on if it does not go through.
    #[serde(default)]
    or_stop: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    /// Over HTTP.
    Http(Http),
    /// To PostgreSQL.
    Sql(Sql),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Http {
    url: String,
    #[serde(default)]
    method: Method,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    /// Of `status` and `body`; any status from 200 to 299 unless it is said.
    #[serde(default)]
    expect: Option<Expect>,
    /// A text that the answer must hold, in which names stand for their values.
    #[serde(default)]
    contains: Option<String>,
    /// Names, and where their values stand in the answer (JSON Pointer, RFC 6901).
    #[serde(default)]
    capture: BTreeMap<String, String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sql {
    url: Address,
    #[serde(default)]
    password_file: Option<String>,
    #[serde(default)]
    ca: Option<String>,
    statement: String,
    #[serde(default)]
    expect: Brings,
    /// The name of the first row's first value.
    #[serde(default)]
    capture: Option<String>,
}

/// A transaction has no undo that we know.
#[derive(Serialize, Deserialize)]
pub(crate) struct Made {}

impl Action for Smoke {
    const ABOUT: &'static About = &About {
        name: "smoke",
        summary: "makes one business transaction from end to end: every request must go through",
        needs: &[],
        example: "requests:\n  \
                  - http:\n      url: http://127.0.0.1:8080/payments\n      method: POST\n      \
                  body: '{\"id\": \"{unique}\", \"amount_minor\": 100}'\n      \
                  expect: { status: 200 }\n  \
                  - http:\n      url: http://127.0.0.1:8080/payments\n      \
                  contains: '{unique}'\n",
    };
    const CLASS: UndoClass = UndoClass::OneShot;
    type Undo = Made;

    async fn plan(&self, _: &World) -> Result<Plan<Made>, Refusal> {
        let all: Vec<String> = self.requests.iter().map(Request::shown).collect();
        let will = format!("make one transaction: {}", all.join(", then "));
        Ok(Plan { undo: Made {}, will, by_hand: vec![] })
    }

    async fn apply(&self, undo: &Made, world: &World) -> Result<(), Failure> {
        self.perform(undo, world).await.map(drop)
    }

    async fn perform(&self, _: &Made, world: &World) -> Result<Option<Showing>, Failure> {
        let limit = self.timeout.duration();
        let showing = tokio::time::timeout(limit, self.go_through(world)).await;
        let showing = showing.unwrap_or_else(|_| {
            let why = format!("the transaction did not end within {}", self.timeout);
            Showing::of(Verdict::Fail, why)
        });
        if self.or_stop && showing.verdict != Verdict::Pass {
            return Err(Failure::Unmet(Box::new(showing)));
        }
        Ok(Some(showing))
    }

    async fn effect(_: &Made, _: &World) -> Result<Effect, Failure> {
        Ok(Effect::Seen("the requests were made".to_owned()))
    }

    async fn undo(_: &Made, _: &World) -> Result<(), Failure> {
        Ok(())
    }
}

impl Smoke {
    async fn go_through(&self, world: &World) -> Showing {
        let unique =
            format!("{}-{:08x}", world.mark.replace('/', "-"), world.dice("smoke").below(1 << 32));
        let mut known = BTreeMap::from([("unique".to_owned(), unique)]);
        let from = world.clock.now_us();
        let mut figures = Vec::new();
        for (n, request) in self.requests.iter().enumerate() {
            let begun = world.clock.now_us();
            let done = request.make(&mut known, (self.timeout, world)).await;
            let took = Datum::since(begun, world);
            figures.push((format!("{} in ms", request.shown()), took.to_string()));
            if let Err((verdict, why)) = done {
                let why = format!("request {} of {}: {why}", n + 1, self.requests.len());
                return with(Showing::of(verdict, why), figures);
            }
        }
        let took = Duration::from_micros(world.clock.now_us().saturating_sub(from));
        let n = self.requests.len();
        let why = format!("all {n} requests went through in {} ms", took.as_millis());
        with(Showing::good(why), figures)
    }
}

fn with(showing: Showing, figures: Vec<(String, String)>) -> Showing {
    figures.into_iter().fold(showing, |it, (name, value)| it.figure(name, value))
}

/// What is known so far, put into a text.
fn filled(text: &str, known: &BTreeMap<String, String>, quote: fn(&str) -> String) -> String {
    known.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), &quote(value))
    })
}

type Known = BTreeMap<String, String>;

impl Request {
    fn shown(&self) -> String {
        match self {
            Self::Http(it) => format!("{} {}", it.method.word(), it.url),
            Self::Sql(it) => format!("`{}`", it.statement),
        }
    }

    async fn make(
        &self,
        known: &mut Known,
        (timeout, world): (Span, &World),
    ) -> Result<(), (Verdict, String)> {
        match self {
            Self::Http(it) => it.make(known, (timeout, world)).await,
            Self::Sql(it) => it.make(known, (timeout, world)).await,
        }
    }
}

fn wrong(why: impl Into<String>) -> (Verdict, String) {
    (Verdict::Fail, why.into())
}

impl Http {
    async fn make(
        &self,
        known: &mut Known,
        (timeout, world): (Span, &World),
    ) -> Result<(), (Verdict, String)> {
        let fill = |text: &String| filled(text, known, str::to_owned);
        let ask = Ask {
            method: self.method,
            url: fill(&self.url),
            headers: self.headers.iter().map(|(k, v)| (k.clone(), fill(v))).collect(),
            body: self.body.as_ref().map(fill),
            timeout: timeout.duration(),
        };
        let answer = world.web.ask(ask).await.map_err(|why| match why {
            WebError::NotConnected(_) | WebError::NoAnswer(_) => wrong(why.to_string()),
            WebError::NotARequest(_) => (Verdict::Inconclusive, why.to_string()),
        })?;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let short: String = body.chars().take(200).collect();
        let judged = match &self.expect {
            None if (200..300).contains(&answer.status) => Ok(()),
            None => Err(format!("the answer is {}: {short}", answer.status)),
            Some(expect) => {
                let parts = [
                    ("status", Datum::Number(f64::from(answer.status))),
                    ("body", Datum::Text(body.clone())),
                ];
                expect.judge(&Reading(parts.into()))
            }
        };
        judged.map_err(wrong)?;
        let piece = self.contains.as_ref().map(fill);
        if let Some(piece) = piece.filter(|it| !body.contains(it)) {
            return Err(wrong(format!("the answer does not hold `{piece}`: {short}")));
        }
        for (name, place) in &self.capture {
            let json: Option<Value> = serde_json::from_str(&body).ok();
            let found = json.as_ref().and_then(|it| it.pointer(place));
            let text = match found {
                Some(Value::String(it)) => it.clone(),
                Some(it) => it.to_string(),
                None => return Err(wrong(format!("the answer has nothing at `{place}`: {short}"))),
            };
            known.insert(name.clone(), text);
        }
        Ok(())
    }
}

impl Sql {
    async fn make(
        &self,
        known: &mut Known,
        (timeout, world): (Span, &World),
    ) -> Result<(), (Verdict, String)> {
        let (password_file, ca) = (self.password_file.as_deref(), self.ca.as_deref());
        let login = Login { url: &self.url, password_file, ca };
        // What a service answered is a value here, whatever it looks like.
        let statement = filled(&self.statement, known, |it| it.replace('\'', "''"));
        let asked = login.ask(vec![statement], Leave::Together, (1_000, timeout), world).await;
        let sheets = asked.map_err(|why| match why {
            DialError::NotConnected(_) | DialError::NoAnswer(_) => wrong(why.to_string()),
            DialError::NotACall(_) => (Verdict::Inconclusive, why.to_string()),
        })?;
        let sheet = sheets.into_iter().next().unwrap_or_default();
        self.expect.judge(&sheet).map_err(wrong)?;
        if let Some(name) = &self.capture {
            let found = value(&sheet).ok_or_else(|| wrong("there is no row to capture from"))?;
            known.insert(name.clone(), found.to_owned());
        }
        Ok(())
    }
}
