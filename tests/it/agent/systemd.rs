//! Units of systemd: over a real message bus from a systemd of ours, and by their control groups.
#![expect(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use holdfast::world::bus::{
    wire::{Kind, Message},
    writer::Writer,
};

use super::{node_exporter_at, page, scrape, value};
use crate::beside::{Family, get, machine, parse, state, tool, until};

/// A message bus that does not outlive its test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a bus where the machine's own would be.
fn daemon(tool: &Path, machine: &Path) -> (Daemon, PathBuf) {
    let folder = machine.join("root/run/dbus");
    fs::create_dir_all(&folder).unwrap();
    let socket = folder.join("system_bus_socket");
    drop(fs::remove_file(&socket));
    let config = format!(
        "<busconfig><type>test</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\"/><allow own=\"*\"/>\
         <allow receive_sender=\"*\"/></policy></busconfig>",
        socket.display()
    );
    let file = machine.join("bus.conf");
    fs::write(&file, config).unwrap();
    let child = Command::new(tool)
        .arg(format!("--config-file={}", file.display()))
        .args(["--nofork", "--nopidfile", "--nosyslog"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon(child);
    until("the bus listens", || UnixStream::connect(&socket).ok());
    (daemon, socket)
}

/// Name, load state, active state.
const UNITS: [(&str, &str, &str); 9] = [
    ("pay.service", "loaded", "active"),
    ("ledger.service", "loaded", "failed"),
    ("once.service", "loaded", "inactive"),
    ("absent.service", "not-found", "inactive"),
    ("pay.socket", "loaded", "active"),
    ("nightly.timer", "loaded", "active"),
    ("-.mount", "loaded", "active"),
    ("boot.device", "loaded", "activating"),
    ("a\\x2db.service", "loaded", "deactivating"),
];

/// As systemd writes a unit's name in a path.
fn object(unit: &str) -> String {
    let mut path = "/org/freedesktop/systemd1/unit/".to_owned();
    for byte in unit.bytes() {
        if byte.is_ascii_alphanumeric() {
            path.push(char::from(byte));
        } else {
            path.extend(["_".to_owned(), format!("{byte:02x}")]);
        }
    }
    path
}

/// What a property of a unit or of the manager is: a text, or a number of 32 or 64 bits.
fn property(path: &str, name: &str) -> Option<(&'static str, &'static str, u64)> {
    let is = |unit: &str| path == object(unit);
    Some(match name {
        "SystemState" => ("s", "degraded", 0),
        "Version" => ("s", "252.38-1~deb12u1", 0),
        "Virtualization" => ("s", "kvm", 0),
        "Type" if is("once.service") => ("s", "oneshot", 0),
        "Type" => ("s", "notify", 0),
        "Restart" if is("pay.service") => ("s", "on-failure", 0),
        "Restart" => ("s", "no", 0),
        "NRestarts" => ("u", "", if is("pay.service") { 7 } else { 0 }),
        "NAccepted" => ("u", "", 40),
        "NConnections" => ("u", "", 3),
        "NRefused" => ("u", "", 2),
        "LastTriggerUSec" => ("t", "", 1_700_000_000_500_000),
        _ => return None,
    })
}

/// Our own systemd on the bus.
struct Systemd {
    stream: UnixStream,
    inbox: Vec<u8>,
    serial: u32,
}

impl Systemd {
    fn on(socket: &Path) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        let user = rustix::process::geteuid().as_raw().to_string();
        let user: String = user.chars().flat_map(|digit| ['3', digit]).collect();
        write!(stream, "\0AUTH EXTERNAL {user}\r\n").unwrap();
        let mut welcome = [0; 512];
        let length = stream.read(&mut welcome).unwrap();
        assert!(welcome[..length].starts_with(b"OK "));
        stream.write_all(b"BEGIN\r\n").unwrap();
        let mut systemd = Self { stream, inbox: Vec::new(), serial: 0 };
        systemd.tell_bus("Hello", "", Writer::default());
        let mut name = Writer::default();
        name.text("org.freedesktop.systemd1");
        name.number(0);
        systemd.tell_bus("RequestName", "su", name);
        systemd
    }

    fn tell_bus(&mut self, member: &str, signature: &str, body: Writer) {
        self.send(Message {
            path: "/org/freedesktop/DBus".to_owned(),
            interface: "org.freedesktop.DBus".to_owned(),
            destination: "org.freedesktop.DBus".to_owned(),
            member: member.to_owned(),
            signature: signature.to_owned(),
            body: body.bytes,
            ..Message::default()
        });
        while self.next().unwrap().kind != Kind::Answer {}
    }

    fn send(&mut self, message: Message) {
        self.serial += 1;
        let message = Message { serial: self.serial, ..message };
        // Who asked may have given up, as when its test is over.
        drop(self.stream.write_all(&message.bytes()));
    }

    fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, length)) = Message::read(&self.inbox).unwrap() {
                self.inbox.drain(..length);
                return Some(message);
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.inbox.extend(&piece[..length]),
            }
        }
    }

    /// Answers until the bus is gone; `mute` after so many answers.
    fn serve(mut self, mut mute: u32) {
        while let Some(question) = self.next() {
            if question.kind != Kind::Call {
                continue;
            }
            if mute == 0 {
                continue;
            }
            mute -= 1;
            let mut body = Writer::default();
            let signature = if question.member == "ListUnits" {
                body.array(8, |out| UNITS.iter().for_each(|unit| put(out, *unit)));
                Some("a(ssssssouso)")
            } else {
                let mut args = question.reader();
                let (_, name) = (args.text().unwrap(), args.text().unwrap());
                property(&question.path, &name).map(|(kind, text, number)| {
                    body.signature(kind);
                    match kind {
                        "s" => body.text(text),
                        "u" => body.number(u32::try_from(number).unwrap()),
                        _ => body.long(number),
                    }
                    "v"
                })
            };
            let error = "org.freedesktop.DBus.Error.UnknownProperty";
            self.send(Message {
                kind: if signature.is_some() { Kind::Answer } else { Kind::Error },
                answers: question.serial,
                destination: question.sender,
                error: if signature.is_some() { "" } else { error }.to_owned(),
                signature: signature.unwrap_or_default().to_owned(),
                body: body.bytes,
                ..Message::default()
            });
        }
    }
}

fn put(out: &mut Writer, (name, load, active): (&str, &str, &str)) {
    out.align(8);
    for text in [name, "A unit.", load, active, "sub", "", &object(name)] {
        out.text(text);
    }
    out.number(0);
    out.text("");
    out.text("/");
}

/// A machine whose systemd answers.
pub(super) fn on(tool: &Path, machine: &Path) -> impl Drop + use<> {
    let (daemon, socket) = daemon(tool, machine);
    serve(&socket, u32::MAX);
    daemon
}

fn serve(socket: &Path, mute: u32) {
    let systemd = Systemd::on(socket);
    std::thread::spawn(move || systemd.serve(mute));
}

fn rows(page: &BTreeMap<String, Family>, name: &str) -> Vec<String> {
    page.get(name).map_or_else(Vec::new, |family| {
        family.rows.iter().map(|(labels, value)| format!("{labels} {value}")).collect()
    })
}

const SUCCESS: &str = "{collector=\"systemd\"}";

#[test]
fn units_are_told_over_the_message_bus() {
    let Some(tool) = tool("dbus-daemon", "dbus-daemon") else { return };
    let (machine, state) = (machine(), state());
    let (daemon, socket) = daemon(&tool, machine.path());
    serve(&socket, u32::MAX);
    let mut scrape = scrape(machine.path(), state.path());
    let seen = parse(&page(&mut scrape));
    let success = value(&seen, "node_scrape_collector_success", SUCCESS);
    assert_eq!(success, Some(1.0));
    let is = |name: &str, labels: &str| value(&seen, name, labels);
    let unit = "node_systemd_unit_state";
    assert_eq!(seen[unit].rows.len(), 6 * 5, "those that are loaded, without mounts and devices");
    let failed = "{name=\"ledger.service\",state=\"failed\",type=\"notify\"}";
    assert_eq!(is(unit, failed), Some(1.0));
    let active = "{name=\"ledger.service\",state=\"active\",type=\"notify\"}";
    assert_eq!(is(unit, active), Some(0.0));
    let once = "{name=\"once.service\",state=\"inactive\",type=\"oneshot\"}";
    assert_eq!(is(unit, once), Some(1.0));
    let socket_state = "{name=\"pay.socket\",state=\"active\",type=\"\"}";
    assert_eq!(is(unit, socket_state), Some(1.0));
    let odd = "{name=\"a\\\\x2db.service\",state=\"deactivating\",type=\"notify\"}";
    assert_eq!(is(unit, odd), Some(1.0));
    let states = ["activating\"} 1", "active\"} 4", "deactivating\"} 1", "failed\"} 1"];
    let all = rows(&seen, "node_systemd_units");
    assert!(states.iter().all(|it| all.contains(&format!("{{state=\"{it}"))), "{all:?}");
    assert!(all.contains(&"{state=\"inactive\"} 2".to_owned()), "also those not shown: {all:?}");
    let restarts = rows(&seen, "node_systemd_service_restart_total");
    assert!(restarts.contains(&"{name=\"pay.service\"} 7".to_owned()), "{restarts:?}");
    assert_eq!(restarts.len(), 4);
    let of_socket = "{name=\"pay.socket\"}";
    for (name, count) in [("accepted_connections_total", 40.0), ("current_connections", 3.0)] {
        assert_eq!(is(&format!("node_systemd_socket_{name}"), of_socket), Some(count));
    }
    assert_eq!(is("node_systemd_socket_refused_connections_total", of_socket), Some(2.0));
    let timer = is("node_systemd_timer_last_trigger_seconds", "{name=\"nightly.timer\"}");
    assert_eq!(timer, Some(1_700_000_000.5));
    assert_eq!(is("node_systemd_system_running", ""), Some(0.0));
    assert_eq!(is("node_systemd_version", "{version=\"252.38-1~deb12u1\"}"), Some(252.38));
    let kvm = "{virtualization_type=\"kvm\"}";
    assert_eq!(is("node_systemd_virtualization_info", kvm), Some(1.0));
    assert_eq!(is("holdfast_systemd_units_source_info", "{source=\"dbus\"}"), Some(1.0));

    // The bus is started anew, and the connection that was kept is of no use any more.
    drop(daemon);
    let (_daemon, socket) = self::daemon(&tool, machine.path());
    serve(&socket, u32::MAX);
    let again = parse(&page(&mut scrape));
    assert_eq!(rows(&again, unit), rows(&seen, unit));
}

#[test]
fn the_same_systemd_says_the_same_to_node_exporter() {
    let Some(theirs) = tool("prometheus-node-exporter", "prometheus-node-exporter") else { return };
    let Some(tool) = tool("dbus-daemon", "dbus-daemon") else { return };
    let (machine, state) = (machine(), state());
    let (_daemon, socket) = daemon(&tool, machine.path());
    serve(&socket, u32::MAX);
    let ours = parse(&page(&mut scrape(machine.path(), state.path())));
    let bus = format!("unix:path={}", socket.display());
    let theirs = node_exporter_at(
        Command::new(theirs).env("DBUS_SYSTEM_BUS_ADDRESS", bus),
        &[
            "--collector.systemd".to_owned(),
            "--collector.systemd.enable-restarts-metrics".to_owned(),
        ],
    );
    let theirs = parse(&get(theirs.address, "/metrics").body);
    let of_systemd = |page: &BTreeMap<String, Family>| -> Vec<String> {
        let names = page.iter().filter(|(name, _)| name.starts_with("node_systemd_"));
        // Debian's lacks this one, and newer ones have it.
        names
            .filter(|(name, _)| *name != "node_systemd_virtualization_info")
            .flat_map(|(name, it)| {
                rows(page, name).into_iter().map(move |row| format!("{name} {} {row}", it.kind))
            })
            .collect()
    };
    assert_eq!(of_systemd(&ours), of_systemd(&theirs));
    assert!(of_systemd(&ours).len() > 40);
}

#[test]
fn a_systemd_that_stops_answering_costs_its_collector_and_nothing_else() {
    let Some(tool) = tool("dbus-daemon", "dbus-daemon") else { return };
    let (machine, state) = (machine(), state());
    let (_daemon, socket) = daemon(&tool, machine.path());
    serve(&socket, 2);
    let mut scrape = scrape(machine.path(), state.path());
    for _ in 0..2 {
        let page = parse(&page(&mut scrape));
        assert_eq!(value(&page, "node_scrape_collector_success", SUCCESS), Some(0.0));
        assert!(page.contains_key("node_load1") && !page.contains_key("node_systemd_units"));
    }
}

#[test]
fn without_a_bus_or_without_systemd_on_it_control_groups_say_which_services_run() {
    let (machine, state) = (machine(), state());
    let group = machine.path().join("sys/fs/cgroup/system.slice/pay.service");
    let user = machine.path().join("sys/fs/cgroup/user.slice/user-1.slice/own.service");
    for folder in [&group, &user] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(machine.path().join("sys/fs/cgroup/cgroup.controllers"), "cpu memory\n").unwrap();
    let mut scrape = scrape(machine.path(), state.path());
    let check = |page: BTreeMap<String, Family>| {
        assert_eq!(value(&page, "node_scrape_collector_success", SUCCESS), Some(1.0));
        let unit = "node_systemd_unit_state";
        let active = "{name=\"pay.service\",state=\"active\",type=\"\"}";
        assert_eq!(value(&page, unit, active), Some(1.0));
        assert!(page[unit].rows.keys().all(|it| !it.contains("own.service")));
        assert!(!page.contains_key("node_systemd_units"), "how many failed is not known");
        let source = value(&page, "holdfast_systemd_units_source_info", "{source=\"cgroup\"}");
        assert_eq!(source, Some(1.0));
    };
    check(parse(&page(&mut scrape)));
    let Some(tool) = tool("dbus-daemon", "dbus-daemon") else { return };
    let (daemon, socket) = daemon(&tool, machine.path());
    check(parse(&page(&mut scrape)));
    // Its socket outlives it.
    drop(daemon);
    assert!(socket.exists());
    check(parse(&page(&mut scrape)));
}
