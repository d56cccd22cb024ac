//! Who may come in: the web configuration, read again whenever one of its files changes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};
use tokio::{sync::Semaphore, time::Instant};

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
/// How often it is asked whether a file has changed, and how long that may take.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_MAX: Duration = Duration::from_secs(2);
/// The hash of a password that nobody has: whoever names an unknown user waits just as long.
const NOBODY: &str = "$2b$10$5uKVxYFJ3qKfGHzAPVYgqeQpUTaXo3RcU3JDp9rOaCqW.3qYBrfAu";

/// The doorkeeper.
pub(crate) struct Guard {
    file: Option<PathBuf>,
    now: Mutex<Now>,
    checks: Semaphore,
    messages: Semaphore,
}

type Stamps = Vec<Option<Stamp>>;

struct Now {
    policy: Arc<Policy>,
    stamps: Stamps,
    looked: Instant,
    /// For each user, the digest of the password that was right.
    known: BTreeMap<String, [u8; 32]>,
}

impl Guard {
    /// With the policy of a file; without one, everybody is welcome.
    pub(crate) fn new(file: Option<PathBuf>) -> Result<Self, Refused> {
        let policy = file.as_deref().map(web_config::load).transpose()?.unwrap_or_default();
        let stamps = stamps(&policy);
        let (policy, known) = (Arc::new(policy), BTreeMap::new());
        let now = Now { policy, stamps, looked: Instant::now(), known };
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

    /// The policy of this moment. Whether its files have changed is asked once a second at most,
    /// and on another thread: a slow disk holds nobody up. A changed file that makes no sense
    /// leaves the old one in force.
    pub(crate) async fn policy(&self) -> Arc<Policy> {
        let (old, stamps) = {
            let mut now = self.now();
            let is_due = now.looked.elapsed() >= LOOK_EVERY;
            let (Some(_), true) = (&self.file, is_due) else { return Arc::clone(&now.policy) };
            now.looked = Instant::now();
            (Arc::clone(&now.policy), now.stamps.clone())
        };
        let file = self.file.clone().unwrap_or_default();
        let look = tokio::task::spawn_blocking(move || look(&file, &old, &stamps));
        match tokio::time::timeout(LOOK_MAX, look).await {
            Ok(Ok(Some((stamps, policy)))) => self.take(stamps, policy),
            Ok(Ok(None) | Err(_)) => {}
            Err(_) => {
                tracing::warn!("the web configuration cannot be looked at: the old one stays");
            }
        }
        Arc::clone(&self.now().policy)
    }

    fn take(&self, stamps: Stamps, policy: Result<Policy, Refused>) {
        let mut now = self.now();
        now.stamps = stamps;
        match policy {
            Ok(policy) => {
                tracing::info!("read the web configuration again");
                now.policy = Arc::new(policy);
                now.known.clear();
            }
            Err(why) => tracing::error!("the old web configuration stays: could not {why}"),
        }
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

/// What is new, if something is.
fn look(file: &Path, old: &Policy, before: &Stamps) -> Option<(Stamps, Result<Policy, Refused>)> {
    let fresh = stamps(old);
    if fresh == *before {
        return None;
    }
    let policy = web_config::load(file);
    Some((policy.as_ref().map_or(fresh, stamps), policy))
}

fn stamps(policy: &Policy) -> Stamps {
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
    let policy = guard.policy().await;
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
