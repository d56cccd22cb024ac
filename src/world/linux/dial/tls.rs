//! TLS handshakes that go through whatever the certificate is worth, and say what it is worth.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio_rustls::TlsConnector;

use super::tcp::{BYE_MAX, connect};
use crate::world::dial::{DialError, Handshake, Shown};

pub(super) async fn handshake(it: Handshake) -> Result<Shown, DialError> {
    let strict = verifier(it.trusted.as_deref())?;
    let witness = Arc::new(Witness { strict, seen: Mutex::default() });
    let config = builder()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Witness>::clone(&witness))
        .with_no_client_auth();
    let name = ServerName::try_from(it.name.clone())
        .map_err(|_| DialError::NotACall(format!("`{}` is no name of a server", it.name)))?;
    let stream = connect(&it.to).await?;
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|why| DialError::NoAnswer(why.to_string()))?;
    let protocol = stream.get_ref().1.protocol_version();
    let protocol = protocol.and_then(|it| it.as_str()).unwrap_or("unknown").replace('_', ".");
    // Polite, and no more: what was to be seen was seen.
    let bye = tokio::io::AsyncWriteExt::shutdown(&mut stream);
    if !matches!(tokio::time::timeout(BYE_MAX, bye).await, Ok(Ok(()))) {
        tracing::trace!("{} did not wait for the end", it.to);
    }
    let (chain, doubt) = std::mem::take(&mut *lock(&witness.seen));
    Ok(Shown { protocol, chain, doubt })
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, DialError> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|why| DialError::NotACall(why.to_string()))
}

/// A configuration that takes only certificates to be trusted.
pub(super) fn strict(trusted: Option<&[u8]>) -> Result<ClientConfig, DialError> {
    let verifier = verifier(trusted)?;
    Ok(builder()?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn verifier(trusted: Option<&[u8]>) -> Result<Arc<dyn ServerCertVerifier>, DialError> {
    let unable = |why: String| DialError::NotACall(why);
    let Some(pem) = trusted else {
        let own = rustls_platform_verifier::Verifier::new(provider());
        return Ok(Arc::new(own.map_err(|why| unable(why.to_string()))?));
    };
    let mut roots = RootCertStore::empty();
    for it in CertificateDer::pem_slice_iter(pem) {
        let it = it.map_err(|why| unable(format!("the authorities are no PEM: {why}")))?;
        roots.add(it).map_err(|why| unable(format!("no authority: {why}")))?;
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    Ok(built.map_err(|why| unable(format!("no authority to trust: {why}")))?)
}

type Seen = (Vec<Vec<u8>>, Option<String>);

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes what it is shown, and what a strict one says of it, and lets it pass. Nothing is ever sent
/// over such a connection.
#[derive(Debug)]
struct Witness {
    strict: Arc<dyn ServerCertVerifier>,
    seen: Mutex<Seen>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.strict.verify_server_cert(own, between, name, stapled, now);
        let chain = std::iter::once(own).chain(between).map(|it| it.to_vec()).collect();
        *lock(&self.seen) = (chain, judged.err().map(|why| sentence(&why)));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls12_signature(message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls13_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

fn sentence(why: &Error) -> String {
    match why {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "nobody that we trust has signed it".to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "it has expired".to_owned(),
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "it is not valid yet".to_owned(),
        other => other.to_string(),
    }
}
