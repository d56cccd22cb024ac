//! Who may come in: the web configuration, read again whenever one of its files changes.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::{
    settings_file::Refused,
    web_config::{self, Policy},
};
use crate::world::roots::{self, Stamp};

/// Passwords that are checked at the same time. Checking is slow on purpose, and must not take all
/// processors.
const CHECKS_AT_ONCE: usize = 1;
/// Messages that are taken in at the same time: each may need its full length of memory.
const MESSAGES_AT_ONCE: usize = 16;
/// The hash of a password that nobody has: whoever names an unknown user waits just as long.
const NOBODY: &str = "$2b$10$5uKVxYFJ3qKfGHzAPVYgqeQpUTaXo3RcU3JDp9rOaCqW.3qYBrfAu";

/// The doorkeeper.
pub(crate) struct Guard {
    file: Option<PathBuf>,
    now: Mutex<Now>,
    checks: Semaphore,
    messages: Semaphore,
}

struct Now {
    policy: Arc<Policy>,
    stamps: Vec<Option<Stamp>>,
    /// For each user, the digest of the password that was right.
    known: BTreeMap<String, [u8; 32]>,
}

impl Guard {
    /// With the policy of a file; without one, everybody is welcome.
    pub(crate) fn new(file: Option<PathBuf>) -> Result<Self, Refused> {
        let policy = file.as_deref().map(web_config::load).transpose()?.unwrap_or_default();
        let stamps = stamps(&policy);
        let now = Now { policy: Arc::new(policy), stamps, known: BTreeMap::new() };
        Ok(Self {
            file,
            now: Mutex::new(now),
            checks: Semaphore::new(CHECKS_AT_ONCE),
            messages: Semaphore::new(MESSAGES_AT_ONCE),
        })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policy of this moment. A changed file that makes no sense leaves the old one in force.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        let mut now = self.now();
        if let Some(file) = &self.file {
            let fresh = stamps(&now.policy);
            if fresh != now.stamps {
                now.stamps = fresh;
                match web_config::load(file) {
                    Ok(policy) => {
                        tracing::info!(file = %file.display(), "read the web configuration again");
                        now.stamps = stamps(&policy);
                        now.policy = Arc::new(policy);
                        now.known.clear();
                    }
                    Err(why) => tracing::error!("the old web configuration stays: could not {why}"),
                }
            }
        }
        Arc::clone(&now.policy)
    }

    async fn lets_in(&self, policy: &Policy, headers: &HeaderMap) -> bool {
        let said = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
        let Some((user, password)) = said.and_then(credentials) else { return false };
        let hash = policy.users.get(&user).map_or(NOBODY, String::as_str).to_owned();
        let digest = digest(&hash, &password);
        if self.now().known.get(&user) == Some(&digest) {
            return true;
        }
        let Ok(_turn) = self.checks.acquire().await else { return false };
        let check = move || bcrypt::verify(password, &hash).unwrap_or(false);
        let right = tokio::task::spawn_blocking(check).await.unwrap_or(false);
        let is_user = policy.users.contains_key(&user);
        if right && is_user {
            self.now().known.insert(user, digest);
        }
        right && is_user
    }
}

fn stamps(policy: &Policy) -> Vec<Option<Stamp>> {
    policy.files.iter().map(|file| roots::stamp(file).ok().flatten()).collect()
}

fn digest(hash: &str, password: &str) -> [u8; 32] {
    Sha256::new().chain_update(hash).chain_update([0]).chain_update(password).finalize().into()
}

/// User and password of a basic `Authorization` header.
pub fn credentials(said: &str) -> Option<(String, String)> {
    let (scheme, coded) = said.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(BASE64_STANDARD.decode(coded.trim()).ok()?).ok()?;
    let (user, password) = plain.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Asks everybody for a password, if there are any, and sees to the headers of the answer.
pub(crate) async fn check(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let policy = guard.policy();
    let welcome = policy.users.is_empty() || guard.lets_in(&policy, request.headers()).await;
    let mut answer = if !welcome {
        let ask = (header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        (StatusCode::UNAUTHORIZED, [ask], "Unauthorized\n").into_response()
    } else if request.method() == Method::POST {
        match guard.messages.acquire().await {
            Ok(_turn) => next.run(request).await,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    } else {
        next.run(request).await
    };
    for (name, value) in &policy.headers {
        answer.headers_mut().insert(name, value.clone());
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_a_password_but_it_takes_as_long_to_check() {
        assert!(matches!(bcrypt::verify("secret", NOBODY), Ok(false)));
    }

    #[test]
    fn only_basic_credentials_that_can_be_read_are_read() {
        let alice = Some(("alice".to_owned(), "a:b".to_owned()));
        assert_eq!(credentials(&format!("bAsIc {}", BASE64_STANDARD.encode("alice:a:b"))), alice);
        for bad in ["", "Basic", "Basic !", "Bearer YTpi", "Basic YWxpY2U="] {
            assert_eq!(credentials(bad), None, "{bad}");
        }
    }
}
