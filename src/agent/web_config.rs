//! `--web.config.file`: TLS, users and headers, in the format of Prometheus's exporter-toolkit.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::http::{HeaderName, HeaderValue};
use serde::Deserialize;
use tokio_rustls::rustls::ServerConfig;

use super::{
    settings_file::{self, Refused},
    tls,
};
use crate::manifest::{diagnostic::Diagnostic, unread::Placed};

/// What the file asks for.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// With TLS, and how.
    pub tls: Option<Arc<ServerConfig>>,
    /// Users and the bcrypt hashes of their passwords. None: everybody is welcome.
    pub users: BTreeMap<String, String>,
    /// Headers that every answer has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The files that it was made of.
    pub files: Vec<PathBuf>,
}

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    tls_server_config: Option<Placed<tls::Written>>,
    #[serde(default)]
    http_server_config: Option<Http>,
    #[serde(default)]
    basic_auth_users: Option<BTreeMap<String, Placed<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    /// HTTP/2 is never forced on a client, so that both answers are right.
    #[serde(default, rename = "http2")]
    _http2: Option<bool>,
    #[serde(default)]
    headers: Option<Headers>,
}

/// The headers that the toolkit knows; empty ones are not sent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Headers {
    #[serde(default, rename = "Content-Security-Policy")]
    content_security_policy: Option<Placed<String>>,
    #[serde(default, rename = "X-Frame-Options")]
    x_frame_options: Option<Placed<String>>,
    #[serde(default, rename = "X-Content-Type-Options")]
    x_content_type_options: Option<Placed<String>>,
    #[serde(default, rename = "X-XSS-Protection")]
    x_xss_protection: Option<Placed<String>>,
    #[serde(default, rename = "Strict-Transport-Security")]
    strict_transport_security: Option<Placed<String>>,
}

/// A password that takes longer to check than this would hold up everybody.
const COST_MAX: u32 = 20;

/// Reads the file and the certificates that it names, relative to its own folder.
pub fn load(path: &Path) -> Result<Policy, Refused> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut policy = settings_file::load_secret(path, |written: Written, out| {
        let mut policy = Policy::default();
        if let Some(tls) = &written.tls_server_config {
            let made = tls::make(tls, folder, &mut policy.files, out);
            policy.tls = made.map(Arc::new);
        }
        if let Some(headers) = written.http_server_config.and_then(|it| it.headers) {
            policy.headers = headers_of(headers, out);
        }
        for (user, hash) in written.basic_auth_users.unwrap_or_default() {
            check(&user, &hash, out);
            policy.users.insert(user, hash.value);
        }
        Some(policy)
    })?;
    policy.files.push(path.to_owned());
    Ok(policy)
}

fn check(user: &str, hash: &Placed<String>, out: &mut Vec<Diagnostic>) {
    let help = "make one with `htpasswd -nBC 10 \"\" | tr -d ':\\n'`";
    match hash.value.parse::<bcrypt::HashParts>() {
        Err(_) => {
            let what = format!("the password of `{user}` is not a bcrypt hash");
            out.push(Diagnostic::new(what, hash.place, help));
        }
        Ok(parts) if parts.get_cost() > COST_MAX => {
            let what = format!("cost {} takes far too long to check", parts.get_cost());
            out.push(Diagnostic::new(what, hash.place, help));
        }
        Ok(_) => {}
    }
}

fn headers_of(written: Headers, out: &mut Vec<Diagnostic>) -> Vec<(HeaderName, HeaderValue)> {
    let all = [
        ("content-security-policy", written.content_security_policy),
        ("x-frame-options", written.x_frame_options),
        ("x-content-type-options", written.x_content_type_options),
        ("x-xss-protection", written.x_xss_protection),
        ("strict-transport-security", written.strict_transport_security),
    ];
    let mut headers = Vec::new();
    for (name, said) in all {
        let Some(said) = said.filter(|it| !it.value.is_empty()) else { continue };
        if let Ok(value) = said.value.parse() {
            headers.push((HeaderName::from_static(name), value));
        } else {
            let help = "write visible letters of ASCII only";
            out.push(Diagnostic::new("this cannot stand in a header", said.place, help));
        }
    }
    headers
}
