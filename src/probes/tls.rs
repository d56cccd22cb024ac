//! What is a server's certificate worth?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use x509_cert::{
    Certificate,
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use crate::{
    about::About,
    probe::{Blind, Datum, Probe, Reading, needed},
    units::Span,
    world::{
        World,
        dial::{DialError, Handshake},
    },
};

/// Shakes hands with `address` and looks at the certificates that it shows. They are held against
/// `ca` (a PEM file), or against the authorities that this machine trusts.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// As `host:port`.
    address: String,
    /// The name that the certificate must bear; the host of `address` unless it is said.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    ca: Option<String>,
    #[serde(default = "two_seconds")]
    timeout: Span,
}

fn two_seconds() -> Span {
    Span::millis(2_000)
}

impl Probe for Tls {
    const ABOUT: &'static About = &About {
        name: "tls",
        summary: "shakes hands and looks at the certificates: their days, names and signers",
        needs: &[],
        example: "address: api.bank.example:443\nname: api.bank.example\n\
                  ca: /etc/ssl/bank.pem\ntimeout: 2s\n",
    };
    const READINGS: &'static [&'static str] = &[
        "open",
        "trusted",
        "days",
        "protocol",
        "names",
        "subject",
        "issuer",
        "chain",
        "latency_ms",
        "error",
    ];

    async fn look(&self, world: &World) -> Result<Reading, Blind> {
        let trusted = match &self.ca {
            None => None,
            Some(path) => Some(needed(path, world)?),
        };
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |it| it.0);
        let name = self.name.as_deref().unwrap_or(host).trim_matches(['[', ']']).to_owned();
        let (to, timeout) = (self.address.clone(), self.timeout.duration());
        let from = world.clock.now_us();
        let shown = world.dial.handshake(Handshake { to, name, trusted, timeout }).await;
        let mut reading = BTreeMap::from([("latency_ms", Datum::since(from, world))]);
        match shown {
            Ok(shown) => {
                reading.insert("open", Datum::Number(1.0));
                reading.insert("trusted", Datum::count(u64::from(shown.doubt.is_none())));
                reading.insert("protocol", Datum::Text(shown.protocol));
                reading.insert("chain", Datum::count(shown.chain.len()));
                reading.extend(shown.doubt.map(|why| ("error", Datum::Text(why))));
                let now_us = world.clock.stamp().wall_us;
                reading.extend(certificates(&shown.chain, now_us).map_err(Blind)?);
            }
            Err(why @ (DialError::NotConnected(_) | DialError::NoAnswer(_))) => {
                reading.insert("open", Datum::Number(0.0));
                reading.insert("trusted", Datum::Number(0.0));
                reading.insert("error", Datum::Text(why.to_string()));
            }
            Err(DialError::NotACall(why)) => return Err(Blind(why)),
        }
        Ok(Reading(reading))
    }
}

/// Whose the first certificate is, and how many days the first of all has left.
fn certificates(chain: &[Vec<u8>], now_us: u64) -> Result<Vec<(&'static str, Datum)>, String> {
    let read = |der: &Vec<u8>| {
        Certificate::from_der(der).map_err(|why| format!("a certificate cannot be read: {why}"))
    };
    let all = chain.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let Some(own) = all.first() else { return Err("no certificate was shown".to_owned()) };
    let ends = all.iter().map(|it| it.tbs_certificate.validity.not_after.to_unix_duration());
    let left = ends.min().unwrap_or_default().as_secs_f64()
        - std::time::Duration::from_micros(now_us).as_secs_f64();
    let own = &own.tbs_certificate;
    Ok(vec![
        ("days", Datum::Number(left / 86_400.0)),
        ("subject", Datum::Text(own.subject.to_string())),
        ("issuer", Datum::Text(own.issuer.to_string())),
        ("names", Datum::Text(names(own).join(" "))),
    ])
}

/// The names that the certificate is for.
fn names(own: &x509_cert::TbsCertificate) -> Vec<String> {
    let Ok(Some((_, SubjectAltName(names)))) = own.get::<SubjectAltName>() else {
        return Vec::new();
    };
    let text = |it: &GeneralName| match it {
        GeneralName::DnsName(it) | GeneralName::UniformResourceIdentifier(it) => {
            Some(it.to_string())
        }
        GeneralName::IpAddress(it) => address(it.as_bytes()),
        _ => None,
    };
    names.iter().filter_map(text).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(|it| core::net::Ipv4Addr::from(it).to_string());
    let sixteen = <[u8; 16]>::try_from(bytes).map(|it| core::net::Ipv6Addr::from(it).to_string());
    four.or(sixteen).ok()
}
