//! What does a name server answer?

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    probe::{Blind, Datum, Probe, Reading},
    units::Span,
    world::{
        World,
        dial::{Datagram, DialError, Talk},
        dns::{self, Answer, RecordType},
    },
};

/// Where the system's resolver has its servers from.
const RESOLV: &str = "/etc/resolv.conf";

/// Asks `server`, or the first one of `/etc/resolv.conf`, for the records of `name`: over UDP, and
/// again over TCP when the answer was cut short.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dns {
    name: String,
    #[serde(default)]
    record: RecordType,
    /// As `host:port`; the port is 53 unless it is said.
    #[serde(default)]
    server: Option<String>,
    #[serde(default = "second")]
    timeout: Span,
}

fn second() -> Span {
    Span::millis(1_000)
}

impl Probe for Dns {
    const ABOUT: &'static About = &About {
        name: "dns",
        summary: "asks a name server, with an answer in time, a code and a count of records",
        needs: &[],
        example: "name: ledger.bank.example\nrecord: A\nserver: 127.0.0.1:53\ntimeout: 500ms\n",
    };
    const READINGS: &'static [&'static str] =
        &["answered", "rcode", "answers", "records", "latency_ms", "error"];

    async fn look(&self, world: &World) -> Result<Reading, Blind> {
        let server = self.server(world)?;
        // Any number does; it only tells this question's answer from an older one's.
        let from = world.clock.now_us();
        let id = u16::try_from(from % 0xffff).unwrap_or(0);
        let question = dns::question(id, &self.name, self.record).map_err(Blind)?;
        let answer = self.ask(&server, &question, world).await;
        let mut reading = BTreeMap::from([("latency_ms", Datum::since(from, world))]);
        match answer {
            Ok(bytes) => {
                let Answer { rcode, records, .. } = dns::answer(&bytes).map_err(Blind)?;
                reading.insert("answered", Datum::Number(1.0));
                reading.insert("rcode", Datum::Text(rcode));
                reading.insert("answers", Datum::count(records.len()));
                reading.insert("records", Datum::Text(records.join(" ")));
            }
            Err(why @ (DialError::NotConnected(_) | DialError::NoAnswer(_))) => {
                reading.insert("answered", Datum::Number(0.0));
                reading.insert("rcode", Datum::Text("none".to_owned()));
                reading.insert("answers", Datum::Number(0.0));
                reading.insert("error", Datum::Text(why.to_string()));
            }
            Err(DialError::NotACall(why)) => return Err(Blind(why)),
        }
        Ok(Reading(reading))
    }
}

impl Dns {
    fn server(&self, world: &World) -> Result<String, Blind> {
        if let Some(it) = &self.server {
            return Ok(with_port(it));
        }
        let said = world.host.read(RESOLV).map_err(|why| Blind(why.to_string()))?;
        let said = said.unwrap_or_default();
        let first = String::from_utf8_lossy(&said)
            .lines()
            .find_map(|line| Some(line.trim().strip_prefix("nameserver")?.trim().to_owned()))
            .ok_or_else(|| Blind(format!("{RESOLV} names no server: write `server`")))?;
        Ok(with_port(&first))
    }

    async fn ask(
        &self,
        server: &str,
        question: &[u8],
        world: &World,
    ) -> Result<Vec<u8>, DialError> {
        let timeout = self.timeout.duration();
        let datagram = Datagram { to: server.to_owned(), say: question.to_owned(), timeout };
        let bytes = world.dial.datagram(datagram).await?;
        if !dns::answer(&bytes).is_ok_and(|it| it.cut_short) {
            return Ok(bytes);
        }
        let length = u16::try_from(question.len()).unwrap_or(0).to_be_bytes();
        let talk = Talk {
            to: server.to_owned(),
            say: [&length, question].concat(),
            enough: Some(Arc::new(|heard| dns::whole(heard).is_some())),
            timeout,
        };
        let talked = world.dial.talk(talk).await?;
        dns::whole(&talked.heard).map(<[u8]>::to_owned).ok_or_else(|| {
            DialError::NoAnswer(talked.short.unwrap_or_else(|| "it broke off".to_owned()))
        })
    }
}

/// With port 53 unless there is one; an IPv6 address without brackets has none.
fn with_port(server: &str) -> String {
    match server.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => server.to_owned(),
        Some(_) if !server.starts_with('[') => format!("[{server}]:53"),
        _ => format!("{server}:53"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_server_without_a_port_gets_the_usual_one() {
        for (said, meant) in [
            ("127.0.0.53", "127.0.0.53:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("ns.bank.example", "ns.bank.example:53"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(super::with_port(said), meant);
        }
    }
}
