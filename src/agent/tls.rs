//! TLS as the web configuration asks for it: certificate, clients, versions.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};

use super::client_certs::{Anybody, Named};
use crate::{
    manifest::{diagnostic::Diagnostic, unread::Placed},
    world::roots,
};

/// `tls_server_config`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    #[serde(default)]
    cert_file: Option<Placed<PathBuf>>,
    #[serde(default)]
    key_file: Option<Placed<PathBuf>>,
    #[serde(default)]
    cert: Option<Placed<String>>,
    #[serde(default)]
    key: Option<Placed<String>>,
    #[serde(default, alias = "client_auth")]
    client_auth_type: Option<Placed<ClientAuth>>,
    #[serde(default)]
    client_ca_file: Option<Placed<PathBuf>>,
    #[serde(default)]
    client_ca: Option<Placed<String>>,
    #[serde(default)]
    client_allowed_sans: Vec<Placed<String>>,
    #[serde(default)]
    min_version: Option<Placed<Version>>,
    #[serde(default)]
    max_version: Option<Placed<Version>>,
    #[serde(default)]
    cipher_suites: Vec<Placed<String>>,
    /// Always so here: the server's order counts.
    #[serde(default, rename = "prefer_server_cipher_suites")]
    _prefer_server_cipher_suites: Option<bool>,
    #[serde(default)]
    curve_preferences: Vec<Placed<Curve>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum ClientAuth {
    #[serde(alias = "")]
    NoClientCert,
    RequestClientCert,
    #[serde(alias = "RequireClientCert")]
    RequireAnyClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Version {
    TLS10,
    TLS11,
    TLS12,
    TLS13,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Curve {
    CurveP256,
    CurveP384,
    CurveP521,
    X25519,
}

/// What is made of the file: its folder, the files that it named, and what is wrong with it.
struct Reading<'a> {
    folder: &'a Path,
    files: &'a mut Vec<PathBuf>,
    out: &'a mut Vec<Diagnostic>,
}

impl Reading<'_> {
    fn complain<T>(&mut self, what: impl Into<String>, at: &Placed<T>, help: &str) {
        self.out.push(Diagnostic::new(what, at.place, help));
    }

    /// The PEM text, from a file or as it stands; both at once are a mistake.
    fn pem(
        &mut self,
        file: Option<&Placed<PathBuf>>,
        text: Option<&Placed<String>>,
    ) -> Option<Placed<Vec<u8>>> {
        let file = file.filter(|it| !it.value.as_os_str().is_empty());
        let text = text.filter(|it| !it.value.is_empty());
        match (file, text) {
            (Some(_), Some(text)) => {
                self.complain("the file is named already", text, "give one of the two");
                None
            }
            (Some(file), None) => {
                let path = self.folder.join(&file.value);
                self.files.push(path.clone());
                match roots::read_bytes(&path) {
                    Ok(value) => Some(Placed { place: file.place, value }),
                    Err(why) => {
                        let help = "name a file that this user may read";
                        self.complain(format!("could not {why}"), file, help);
                        None
                    }
                }
            }
            (None, text) => text.map(|it| {
                let value = it.value.clone().into_bytes();
                Placed { place: it.place, value }
            }),
        }
    }

    fn certificates(&mut self, pem: &Placed<Vec<u8>>) -> Vec<CertificateDer<'static>> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.value).collect();
        let all = all.unwrap_or_default();
        if all.is_empty() {
            self.complain("there is no certificate in it", pem, "give certificates in PEM");
        }
        all
    }
}

/// Makes the server's configuration, or complains.
pub(crate) fn make(
    written: &Placed<Written>,
    folder: &Path,
    files: &mut Vec<PathBuf>,
    out: &mut Vec<Diagnostic>,
) -> Option<ServerConfig> {
    let Written { cert_file, cert, key_file, key, .. } = &written.value;
    let mut reading = Reading { folder, files, out };
    let before = reading.out.len();
    let chain = reading.pem(cert_file.as_ref(), cert.as_ref());
    let secret = reading.pem(key_file.as_ref(), key.as_ref());
    let told = reading.out.len() > before;
    let (Some(chain), Some(secret)) = (chain, secret) else {
        if !told {
            let help = "name both with `cert_file: …` and `key_file: …`";
            reading.complain("TLS needs a certificate and its key", written, help);
        }
        return None;
    };
    let certificates = reading.certificates(&chain);
    let Ok(private) = PrivateKeyDer::from_pem_slice(&secret.value) else {
        reading.complain("there is no private key in it", &secret, "give a key in PEM");
        return None;
    };
    let provider = Arc::new(provider(&written.value, &mut reading));
    let versions = versions(&written.value, &mut reading);
    let verifier = verifier(&written.value, &provider, &mut reading);
    if reading.out.len() > before {
        return None;
    }
    let made = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .and_then(|it| {
            let it = match verifier {
                Some(verifier) => it.with_client_cert_verifier(verifier),
                None => it.with_no_client_auth(),
            };
            it.with_single_cert(certificates, private)
        });
    match made {
        Ok(mut config) => {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Some(config)
        }
        Err(why) => {
            let help = "the key must be the certificate's, of a kind that TLS 1.2 or 1.3 knows";
            reading.complain(format!("could not use it: {why}"), &secret, help);
            None
        }
    }
}

/// Ciphers and curves: all the good ones, or those of them that were named.
fn provider(written: &Written, reading: &mut Reading<'_>) -> CryptoProvider {
    let mut provider = ring::default_provider();
    if let Some(first) = written.cipher_suites.first() {
        let named = |suite: &rustls::SupportedCipherSuite| {
            // The file names what TLS 1.2 may use; those of TLS 1.3 cannot be chosen, as in Go.
            let name = format!("{:?}", suite.suite());
            let plain = |it: &str| it.trim_end_matches("_SHA256").to_owned();
            name.starts_with("TLS13_")
                || written.cipher_suites.iter().any(|it| plain(&it.value) == plain(&name))
        };
        provider.cipher_suites.retain(named);
        let is_12 = |it: &rustls::SupportedCipherSuite| it.tls13().is_none();
        if !provider.cipher_suites.iter().any(is_12) {
            let help = "name one of ECDHE with AES-GCM or CHACHA20, or leave `cipher_suites` out";
            reading.complain("none of these is offered: they are weak", first, help);
        }
    }
    if let Some(first) = written.curve_preferences.first() {
        let named = |group: &&'static dyn rustls::crypto::SupportedKxGroup| {
            let curve = match group.name() {
                rustls::NamedGroup::X25519 => Curve::X25519,
                rustls::NamedGroup::secp256r1 => Curve::CurveP256,
                rustls::NamedGroup::secp384r1 => Curve::CurveP384,
                _ => return false,
            };
            written.curve_preferences.iter().any(|it| it.value == curve)
        };
        provider.kx_groups.retain(named);
        if provider.kx_groups.is_empty() {
            let help = "name X25519, CurveP256 or CurveP384";
            reading.complain("none of these curves is offered", first, help);
        }
    }
    provider
}

fn versions(
    written: &Written,
    reading: &mut Reading<'_>,
) -> Vec<&'static SupportedProtocolVersion> {
    let least = written.min_version.as_ref().map_or(Version::TLS12, |it| it.value);
    let most = written.max_version.as_ref().map_or(Version::TLS13, |it| it.value);
    let all = [(Version::TLS12, &TLS12), (Version::TLS13, &TLS13)];
    let versions: Vec<_> =
        all.into_iter().filter(|(it, _)| (least..=most).contains(it)).map(|it| it.1).collect();
    if versions.is_empty()
        && let Some(at) = written.max_version.as_ref().or(written.min_version.as_ref())
    {
        let help = "write TLS12 or TLS13; older ones are broken, and not offered";
        reading.complain("no version of TLS is left", at, help);
    }
    versions
}

fn verifier(
    written: &Written,
    provider: &Arc<CryptoProvider>,
    reading: &mut Reading<'_>,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let ca = reading.pem(written.client_ca_file.as_ref(), written.client_ca.as_ref());
    let auth = written.client_auth_type.as_ref();
    let (mandatory, verified) = match auth.map_or(ClientAuth::NoClientCert, |it| it.value) {
        ClientAuth::NoClientCert => {
            if let Some(ca) = &ca {
                let help = "add `client_auth_type: RequireAndVerifyClientCert`";
                reading.complain("nobody is held against this authority", ca, help);
            }
            return None;
        }
        ClientAuth::RequestClientCert => (false, false),
        ClientAuth::RequireAnyClientCert => (true, false),
        ClientAuth::VerifyClientCertIfGiven => (false, true),
        ClientAuth::RequireAndVerifyClientCert => (true, true),
    };
    let any = || Anybody { mandatory, provider: Arc::clone(provider) };
    if !verified {
        return Some(Arc::new(any()));
    }
    let Some(ca) = ca else {
        if let Some(auth) = auth {
            let help = "name it with `client_ca_file: …`";
            reading.complain("this needs the authority of the clients", auth, help);
        }
        return None;
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(reading.certificates(&ca));
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if mandatory { builder } else { builder.allow_unauthenticated() };
    let inner = match builder.build() {
        Ok(it) => it,
        Err(why) => {
            let what = format!("could not use it: {why}");
            reading.complain(what, &ca, "give the certificate of an authority");
            return None;
        }
    };
    let names = names(written, reading);
    if names.is_empty() { Some(inner) } else { Some(Arc::new(Named { inner, names })) }
}

fn names(written: &Written, reading: &mut Reading<'_>) -> Vec<ServerName<'static>> {
    let mut names = Vec::new();
    for name in &written.client_allowed_sans {
        if let Ok(it) = ServerName::try_from(name.value.clone()) {
            names.push(it);
        } else {
            let help = "write a DNS name or an IP address";
            reading.complain("this is no name that can be checked", name, help);
        }
    }
    names
}
