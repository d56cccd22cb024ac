//! How many are there to do the work?

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    probe::{Blind, Datum, Probe, Reading},
    target::ProcessTarget,
    units::Span,
    world::{
        World,
        dial::{DialError, Talk},
        web::{Ask, Method, WebError},
    },
};

/// Counts those that are ready: processes that run, systemd units that are active, or endpoints
/// that answer (a URL with 200 to 299, `host:port` by taking the call).
#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub(crate) struct Replicas {
    of: Of,
    timeout: Span,
}

enum Of {
    Processes(ProcessTarget),
    Units(Vec<String>),
    Endpoints(Vec<String>),
}

/// As it is written: one of the three.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    processes: Option<ProcessTarget>,
    /// Names or patterns, such as `worker@*.service`.
    #[serde(default)]
    units: Option<Vec<String>>,
    #[serde(default)]
    endpoints: Option<Vec<String>>,
    #[serde(default = "second")]
    timeout: Span,
}

fn second() -> Span {
    Span::millis(1_000)
}

impl TryFrom<Written> for Replicas {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        let Written { processes, units, endpoints, timeout } = written;
        let of = match (processes, units, endpoints) {
            (Some(it), None, None) => Of::Processes(it),
            (None, Some(it), None) if !it.is_empty() => Of::Units(it),
            (None, None, Some(it)) if !it.is_empty() => Of::Endpoints(it),
            _ => {
                return Err("replicas are counted in one way: \
                            write one of `processes`, `units` and `endpoints`");
            }
        };
        Ok(Self { of, timeout })
    }
}

impl Probe for Replicas {
    const ABOUT: &'static About = &About {
        name: "replicas",
        summary: "counts processes, units or endpoints that are ready, so that scaling is seen",
        needs: &[],
        example: "endpoints: [http://127.0.0.1:8081/healthz, http://127.0.0.1:8082/healthz]\n",
    };
    const READINGS: &'static [&'static str] = &["count", "of"];

    async fn look(&self, world: &World) -> Result<Reading, Blind> {
        let (count, of) = match &self.of {
            Of::Processes(target) => {
                let found = target.look(&*world.host).map_err(|why| Blind(why.to_string()))?;
                (found.iter().filter(|it| !it.stopped).count(), found.len())
            }
            Of::Units(names) => self.units(names, world).await?,
            Of::Endpoints(all) => {
                let looks = join_all(all.iter().map(|it| self.answers(it, world))).await;
                let seen = looks.into_iter().collect::<Result<Vec<bool>, Blind>>()?;
                (seen.iter().filter(|it| **it).count(), seen.len())
            }
        };
        Ok(Reading([("count", Datum::count(count)), ("of", Datum::count(of))].into()))
    }
}

impl Replicas {
    /// Units that systemd knows by these names, one a line: name, load, active, sub, description.
    async fn units(&self, names: &[String], world: &World) -> Result<(usize, usize), Blind> {
        let words = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager"];
        let mut argv: Vec<String> = words.map(str::to_owned).into();
        argv.push("--".to_owned());
        argv.extend(names.iter().cloned());
        let done = world.host.command(argv, self.timeout.duration()).await;
        let done = done.map_err(|why| Blind(why.to_string()))?;
        if done.code != Some(0) {
            return Err(Blind(format!("systemctl says: {}", done.said.trim())));
        }
        let states = || done.output.lines().filter_map(|it| it.split_whitespace().nth(2));
        Ok((states().filter(|it| *it == "active").count(), states().count()))
    }

    async fn answers(&self, endpoint: &str, world: &World) -> Result<bool, Blind> {
        let timeout = self.timeout.duration();
        if endpoint.contains("://") {
            let (url, headers, body) = (endpoint.to_owned(), [].into(), None);
            let ask = Ask { method: Method::Get, url, headers, body, timeout };
            return match world.web.ask(ask).await {
                Ok(it) => Ok((200..300).contains(&it.status)),
                Err(WebError::NotConnected(_) | WebError::NoAnswer(_)) => Ok(false),
                Err(WebError::NotARequest(why)) => Err(Blind(why)),
            };
        }
        let talk = Talk { to: endpoint.to_owned(), say: Vec::new(), enough: None, timeout };
        match world.dial.talk(talk).await {
            Ok(_) => Ok(true),
            Err(DialError::NotConnected(_) | DialError::NoAnswer(_)) => Ok(false),
            Err(DialError::NotACall(why)) => Err(Blind(why)),
        }
    }
}
