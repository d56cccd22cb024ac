//! How many payments may be under way, in all and of one tenant: the bulkhead that keeps one
//! tenant's flood from drowning the others.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};

use crate::sandbox::web::{self, Problem};

/// The most that may be asked for.
const ROOM_MAX: u32 = 1_024;
/// Whose payment it is when nobody says so.
const NOBODY: &str = "retail";

/// How the gateway behaves.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Settings {
    /// How many payments may be under way.
    pub(super) room: u32,
    /// How many of them may be one tenant's.
    pub(super) tenant_room: u32,
    /// Whether the tenants' limit counts.
    pub(super) bulkhead: bool,
    /// How many lines each payment writes to the log.
    pub(super) log_lines: u32,
    /// For how many seconds an address is gone by that the name server does not confirm.
    pub(super) names_kept_s: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    room: Option<u32>,
    tenant_room: Option<u32>,
    bulkhead: Option<bool>,
    log_lines: Option<u32>,
    names_kept_s: Option<u32>,
}

/// Who is in.
#[derive(Debug)]
pub(super) struct Rooms(Mutex<Inside>);

#[derive(Debug)]
struct Inside {
    settings: Settings,
    all: u32,
    /// Tenants that have none in are not in here, so there are never more than payments.
    tenants: BTreeMap<String, u32>,
}

/// A place for one payment, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    rooms: Arc<Rooms>,
    tenant: String,
}

impl Rooms {
    /// Empty, with the usual settings.
    pub(super) fn new() -> Arc<Self> {
        let settings = Settings {
            room: ROOM_MAX,
            tenant_room: ROOM_MAX / 4,
            bulkhead: true,
            log_lines: 1,
            names_kept_s: 600,
        };
        Arc::new(Self(Mutex::new(Inside { settings, all: 0, tenants: BTreeMap::new() })))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().expect("no holder panics")
    }

    /// How it is set.
    pub(super) fn settings(&self) -> Settings {
        self.inside().settings
    }

    /// Lets a tenant's payment in, if there is room.
    pub(super) fn enter(self: &Arc<Self>, headers: &HeaderMap) -> Result<Place, Problem> {
        let tenant = tenant(headers)?;
        let mut inside = self.inside();
        let Settings { room, tenant_room, bulkhead, .. } = inside.settings;
        if inside.all >= room {
            return Err(Problem::unavailable("too many payments are under way"));
        }
        let has = inside.tenants.get(&tenant).copied().unwrap_or(0);
        if bulkhead && has >= tenant_room {
            let said = format!("too many payments of `{tenant}` are under way");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, said));
        }
        inside.all += 1;
        inside.tenants.insert(tenant.clone(), has + 1);
        drop(inside);
        Ok(Place { rooms: Arc::clone(self), tenant })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.rooms.inside();
        inside.all -= 1;
        match inside.tenants.get_mut(&self.tenant) {
            Some(has) if *has > 1 => *has -= 1,
            _ => {
                inside.tenants.remove(&self.tenant);
            }
        }
    }
}

fn tenant(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(said) = headers.get("tenant") else { return Ok(NOBODY.to_owned()) };
    let is_one = |it: &&str| {
        (1..=32).contains(&it.len())
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
    };
    said.to_str().ok().filter(is_one).map(str::to_owned).ok_or_else(|| {
        let said = "`Tenant` is 1 to 32 of A-Z a-z 0-9 -";
        Problem::new(StatusCode::BAD_REQUEST, said)
    })
}

pub(super) async fn show(State(gateway): super::This) -> Json<Settings> {
    Json(gateway.rooms.settings())
}

pub(super) async fn change(
    State(gateway): super::This,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Settings>, Problem> {
    let change: Change = web::read(body)?;
    let over = |it: Option<u32>| it.is_some_and(|it| it > ROOM_MAX);
    let Change { room, tenant_room, log_lines, names_kept_s, .. } = change;
    if [room, tenant_room, log_lines, names_kept_s].into_iter().any(over) {
        return Err(Problem::unprocessable(format!("no number may be more than {ROOM_MAX}")));
    }
    let mut inside = gateway.rooms.inside();
    let was = inside.settings;
    inside.settings = Settings {
        room: change.room.unwrap_or(was.room),
        tenant_room: change.tenant_room.unwrap_or(was.tenant_room),
        bulkhead: change.bulkhead.unwrap_or(was.bulkhead),
        log_lines: change.log_lines.unwrap_or(was.log_lines),
        names_kept_s: change.names_kept_s.unwrap_or(was.names_kept_s),
    };
    tracing::info!(settings = ?inside.settings, "is set differently");
    Ok(Json(inside.settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tenant: &str) -> HeaderMap {
        HeaderMap::from_iter([("tenant".parse().unwrap(), tenant.parse().unwrap())])
    }

    #[test]
    fn one_tenant_s_flood_leaves_room_for_the_others() {
        let rooms = Rooms::new();
        rooms.inside().settings = Settings { room: 4, tenant_room: 2, ..rooms.settings() };
        let flood: Vec<_> = (0..2).map(|_| rooms.enter(&of("flood")).unwrap()).collect();
        let refused = rooms.enter(&of("flood")).unwrap_err();
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        let other = rooms.enter(&HeaderMap::new()).unwrap();
        rooms.inside().settings.bulkhead = false;
        let more = rooms.enter(&of("flood")).unwrap();
        let full = rooms.enter(&of("flood")).unwrap_err();
        assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
        drop((flood, other, more));
        assert_eq!(rooms.inside().all, 0);
        assert!(rooms.inside().tenants.is_empty());
        assert!(rooms.enter(&of("a b")).is_err());
    }
}
