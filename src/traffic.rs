//! Which packets an act may touch, as users say it; and the table of rules that a child holds.

use core::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    action::{Effect, Failure, Refusal},
    held::Held,
    units::HOLE,
    world::{
        World,
        linux::net::nft,
        net::{Direction, Exit, Harm, Network, Packets, Protocol, Table, Wait},
    },
};

/// Packets. All that is said must fit, and something must be said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct Traffic {
    address: Option<Address>,
    port: Option<u16>,
    local_port: Option<u16>,
    protocol: Option<Protocol>,
    user: Option<String>,
    cgroup: Option<String>,
    direction: Direction,
    even_ssh: bool,
}

/// As it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The other side: an address, a network as in `10.0.0.0/8`, or an address and a port.
    #[serde(default)]
    address: Option<Address>,
    /// The other side's port.
    #[serde(default)]
    port: Option<u16>,
    /// This machine's port.
    #[serde(default)]
    local_port: Option<u16>,
    #[serde(default)]
    protocol: Option<Protocol>,
    /// The user whose packets leave, by name or number.
    #[serde(default)]
    user: Option<String>,
    /// The control group (version 2), as a path from its root.
    #[serde(default)]
    cgroup: Option<String>,
    #[serde(default)]
    direction: Option<Direction>,
    /// Also what people are logged in by.
    #[serde(default)]
    even_ssh: bool,
}

/// The other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
struct Address {
    network: Network,
    port: Option<u16>,
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let of =
            |address: IpAddr, prefix, port| Self { network: Network { address, prefix }, port };
        let width = |it: IpAddr| if it.is_ipv4() { 32 } else { 128 };
        if text == HOLE {
            return Ok(of(IpAddr::from([127, 0, 0, 1]), 32, None));
        }
        if let Ok(it) = text.parse::<IpAddr>() {
            return Ok(of(it, width(it), None));
        }
        if let Ok(it) = text.parse::<SocketAddr>() {
            return Ok(of(it.ip(), width(it.ip()), Some(it.port())));
        }
        let network = text.split_once('/').and_then(|(address, prefix)| {
            Some((address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?))
        });
        match network {
            Some((_, 0)) => {
                Err(format!("`{text}` is every address there is: write the ones you mean"))
            }
            Some((address, prefix)) if prefix <= width(address) => Ok(of(address, prefix, None)),
            _ => Err(format!(
                "`{text}` is no address: write one as in `10.0.0.7`, `10.0.0.0/8` or `10.0.0.7:5432`"
            )),
        }
    }
}

impl TryFrom<Written> for Traffic {
    type Error = String;

    fn try_from(it: Written) -> Result<Self, String> {
        let Written { address, port, local_port, protocol, user, cgroup, .. } = it;
        let inside = address.and_then(|it| it.port);
        if inside.is_some() && port.is_some() {
            return Err("the other side's port is written twice: leave `port` out".to_owned());
        }
        let port = port.or(inside);
        if port == Some(0) || local_port == Some(0) {
            return Err("there is no port 0: write 1 to 65535".to_owned());
        }
        let empty = |it: &Option<String>| it.as_ref().is_some_and(|it| it.trim().is_empty());
        let said = address.is_some() || port.is_some() || local_port.is_some();
        if empty(&user) || empty(&cgroup) || !(said || user.is_some() || cgroup.is_some()) {
            return Err("this would be all traffic there is: write at least one of `address`, \
                        `port`, `local_port`, `user` and `cgroup`"
                .to_owned());
        }
        if protocol == Some(Protocol::Icmp) && (port.is_some() || local_port.is_some()) {
            return Err("ICMP has no ports: leave `port` and `local_port` out".to_owned());
        }
        let direction = match (it.direction, &user) {
            (Some(Direction::In | Direction::Both), Some(_)) => {
                return Err(
                    "the kernel knows the user of what leaves, and of nothing that comes: \
                            write `direction: out`"
                        .to_owned(),
                );
            }
            (Some(it), _) => it,
            (None, Some(_)) => Direction::Out,
            (None, None) => Direction::Both,
        };
        let even_ssh = it.even_ssh;
        Ok(Self { address, port, local_port, protocol, user, cgroup, direction, even_ssh })
    }
}

impl std::fmt::Display for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut all = Vec::new();
        all.extend(self.protocol.map(|it| format!("{it:?}").to_uppercase()));
        all.extend(self.address.map(|Address { network: it, .. }| match it.prefix {
            32 if it.address.is_ipv4() => format!("of {}", it.address),
            128 => format!("of {}", it.address),
            prefix => format!("of {}/{prefix}", it.address),
        }));
        all.extend(self.port.map(|it| format!("of the other side's port {it}")));
        all.extend(self.local_port.map(|it| format!("of this machine's port {it}")));
        all.extend(self.user.iter().map(|it| format!("of user {it}")));
        all.extend(self.cgroup.iter().map(|it| format!("of control group {it}")));
        all.push(match self.direction {
            Direction::In => "coming in".to_owned(),
            Direction::Out => "going out".to_owned(),
            Direction::Both => "both ways".to_owned(),
        });
        f.write_str(&all.join(", "))
    }
}

impl Traffic {
    /// Which way.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The other side, if that was said.
    pub fn network(&self) -> Option<Network> {
        self.address.map(|it| it.network)
    }

    /// Whether it is told by the group of its sockets.
    pub fn is_of_a_group(&self) -> bool {
        self.cgroup.is_some()
    }

    /// What carries it, if that was said.
    pub fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// As the kernel tells them. What people are logged in by is spared, unless it is named and
    /// its name was meant.
    pub fn packets(&self, world: &World) -> Result<Packets, Refusal> {
        let logins = world.net.login_ports()?;
        let login = self.local_port.or(self.port).filter(|it| logins.contains(it));
        let spared = match (login, self.even_ssh) {
            (_, true) => Vec::new(),
            (None, false) => logins,
            (Some(port), false) => {
                return Err(Refusal::NotReady(format!(
                    "people log in by port {port}: if you mean it, write `even_ssh: true`"
                )));
            }
        };
        Ok(Packets {
            network: self.network(),
            port: self.port,
            local_port: self.local_port,
            protocol: self.protocol,
            user: self.user.as_deref().map(|it| number_of(it, world)).transpose()?,
            cgroup: self.cgroup.clone(),
            spared,
        })
    }

    /// As [`Traffic::packets`], for connections: they are TCP, and go both ways.
    pub fn connections(&self, world: &World) -> Result<Packets, Refusal> {
        if !matches!(self.protocol, None | Some(Protocol::Tcp)) {
            return Err(Refusal::NotReady("only TCP has connections: leave `protocol` out".into()));
        }
        if self.cgroup.is_some() {
            return Err(Refusal::NotReady(
                "the kernel does not tell the control group of a connection: name it by its \
                 ports, address or user"
                    .into(),
            ));
        }
        self.packets(world)
    }

    /// Where those that leave are best met.
    fn exit(&self, harm: Harm) -> Exit {
        let socket = self.cgroup.is_some() || harm == Harm::Refuse;
        if socket { Exit::Socket } else { Exit::Device }
    }
}

/// A user's number: a number is one, and a name is looked up.
fn number_of(user: &str, world: &World) -> Result<u32, Refusal> {
    if let Ok(it) = user.parse() {
        return Ok(it);
    }
    let bytes = world.host.read("/etc/passwd")?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let found = text.lines().find_map(|it| {
        let mut fields = it.split(':');
        (fields.next()? == user).then(|| fields.nth(1)?.parse().ok())?
    });
    found.ok_or_else(|| {
        Refusal::NotReady(format!("no user `{user}` is in /etc/passwd: write the user's number"))
    })
}

/// A table of rules that a child of ours holds. All that going back needs, and all that was chosen.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldTable {
    children: Held,
    table: Table,
}

impl HeldTable {
    /// What the kernel would be asked for, which it has said that it can do.
    pub fn plan(traffic: &Traffic, harm: Harm, world: &World) -> Result<Self, Refusal> {
        let packets = traffic.packets(world)?;
        Self::of((packets, traffic.direction, traffic.exit(harm)), harm, world)
    }

    /// The same, for packets that are known already.
    pub fn of(
        (packets, direction, exit): (Packets, Direction, Exit),
        harm: Harm,
        world: &World,
    ) -> Result<Self, Refusal> {
        let name = Table::name_of(&world.mark);
        Self::rehearsed(Table { name, packets, direction, exit, harm, inlet: None }, world)
    }

    fn rehearsed(mut table: Table, world: &World) -> Result<Self, Refusal> {
        if let Err(why) = world.net.rehearse(&table) {
            // An older kernel can meet at the socket what it cannot meet at the device.
            table.exit = Exit::Socket;
            world.net.rehearse(&table).map_err(|_| why)?;
        }
        Ok(Self { children: Held::of(world), table })
    }

    /// The same, for packets that the kernel is to keep waiting; says why if it cannot.
    pub fn waiting(traffic: &Traffic, it: &Wait, world: &World) -> Result<Self, Refusal> {
        let harm = Harm::Wait { class: it.class, through: None };
        let (name, exit) = (Table::name_of(&world.mark), traffic.exit(harm));
        let packets = traffic.packets(world)?;
        let inlet = it.inlet.clone().map(|inlet| (inlet, it.roads.entries.clone()));
        Self::rehearsed(
            Table { name, packets, direction: traffic.direction, exit, harm, inlet },
            world,
        )
    }

    /// What a person must know of it before.
    pub fn note(&self) -> &'static str {
        let leaves = matches!(self.table.direction, Direction::Out | Direction::Both);
        match (self.table.exit, self.table.harm) {
            (Exit::Socket, Harm::Lose(_) | Harm::Limit { .. }) if leaves => {
                " (who sends a datagram that is lost is told so by the kernel)"
            }
            _ => "",
        }
    }

    /// How a person takes it away.
    pub fn by_hand(&self) -> Vec<String> {
        vec![self.children.by_hand()]
    }

    /// Has a child of the fault `kind` hold it, which is told `more`.
    pub async fn stand(
        &self,
        kind: &str,
        more: &impl Serialize,
        world: &World,
    ) -> Result<(), Failure> {
        let args = [serde_json::to_string(&self.table)?, serde_json::to_string(more)?];
        self.children.stand(kind, &args, world).await
    }

    /// Whether packets came to harm: waits a while for one to come by.
    pub async fn effect(&self, what: &str, world: &World) -> Result<Effect, Failure> {
        self.children.counted(what, world).await
    }

    /// Takes it away.
    pub async fn end(&self, world: &World) -> Result<(), Failure> {
        self.children.end(world).await
    }
}

/// What the child of [`HeldTable::stand`] was given.
pub fn given<T: DeserializeOwned>(args: &[String]) -> Result<(Table, T), String> {
    let [table, more] = args else { return Err("no table was given".to_owned()) };
    let no = |why| format!("the table cannot be read: {why}");
    Ok((serde_json::from_str(table).map_err(no)?, serde_json::from_str(more).map_err(no)?))
}

/// What a child does that holds a table alone, and nothing beside it.
pub fn hold(args: &[String]) -> Result<Infallible, String> {
    let (table, ()) = given(args)?;
    nft::hold(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Traffic, String> {
        serde_json::from_str(text).map_err(|it| it.to_string())
    }

    #[test]
    fn what_is_said_is_what_is_meant() {
        let it = read(r#"{ "address": "10.0.0.7:5432", "protocol": "tcp" }"#).unwrap();
        assert_eq!(it.to_string(), "TCP, of 10.0.0.7, of the other side's port 5432, both ways");
        let it = read(r#"{ "address": "fd00::/8", "user": "kyc" }"#).unwrap();
        assert_eq!(it.to_string(), "of fd00::/8, of user kyc, going out");
    }

    #[test]
    fn nothing_is_everything_by_accident() {
        for (text, why) in [
            ("{}", "all traffic there is"),
            (r#"{ "protocol": "tcp" }"#, "all traffic there is"),
            (r#"{ "user": "" }"#, "all traffic there is"),
            (r#"{ "cgroup": " ", "port": 1 }"#, "all traffic there is"),
            (r#"{ "address": "0.0.0.0/0" }"#, "every address there is"),
            (r#"{ "address": "10.0.0.0/33" }"#, "is no address"),
            (r#"{ "address": "db" }"#, "is no address"),
            (r#"{ "port": 0 }"#, "no port 0"),
            (r#"{ "address": "1.2.3.4:5", "port": 5 }"#, "twice"),
            (r#"{ "user": "a", "direction": "in" }"#, "of nothing that comes"),
            (r#"{ "port": 7, "protocol": "icmp" }"#, "ICMP has no ports"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
