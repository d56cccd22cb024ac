//! What the kernel tells over netlink is what its files say.

use std::{
    io::Read as _,
    net::{TcpListener, TcpStream},
};

use holdfast::{
    agent::{
        negotiate::Format,
        scrape::{Entry, Filter, Scrape},
    },
    collector::{CollectorKind, Setup},
    collectors::{netclass, tcpstat},
    world::roots::Roots,
};

use crate::beside::{PATIENCE, until};

/// The page of one collector again and again, without what changes by itself.
fn pages(kind: &'static CollectorKind, roots: Roots) -> impl FnMut() -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let entries = vec![Entry::of(kind, &Setup::default())];
    let mut scrape = Scrape::new(entries, roots, PATIENCE).unwrap();
    move || {
        let page = runtime.block_on(scrape.page(&Filter::All, Format::Text)).unwrap();
        let rows = page.lines().filter(|it| it.starts_with("node_"));
        let rows = rows.filter(|it| !it.contains("_duration_seconds") && !it.contains("_build_"));
        rows.collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn network_devices_are_the_same_over_netlink_and_in_files() {
    let empty = tempfile::tempdir().unwrap();
    let mut asked = pages(&netclass::KIND, Roots::default());
    // A /proc that is none leaves the files.
    let mut read = pages(&netclass::KIND, Roots::new(empty.path(), "/sys", "/"));
    until("a moment in which no device changes", || {
        let (asked, read) = (asked(), read());
        assert!(read.contains("node_network_up{device=\"lo\"}"), "{read}");
        (asked == read).then_some(())
    });
}

#[test]
fn connections_are_the_same_over_netlink_and_in_files() {
    let empty = tempfile::tempdir().unwrap();
    let mut asked = pages(&tcpstat::KIND, Roots::default());
    let mut read = pages(&tcpstat::KIND, Roots::new("/proc", empty.path(), "/"));
    // One connection of each family, one that is half closed, and one that waits after its end.
    let four = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = || {
        let near = TcpStream::connect(four.local_addr().unwrap()).unwrap();
        (near, four.accept().unwrap().0)
    };
    let (open, half, ended) = (connect(), connect(), connect());
    half.0.shutdown(std::net::Shutdown::Write).unwrap();
    drop(ended.0);
    let mut far = ended.1;
    assert_eq!(far.read(&mut [0]).unwrap(), 0);
    drop(far);
    let six = TcpListener::bind("[::1]:0").ok();
    until("a moment in which no connection comes or goes", || {
        let (asked, read) = (asked(), read());
        let states = ["established", "close_wait", "fin_wait2", "listen"];
        let all = states.iter().all(|it| asked.contains(&format!("state=\"{it}\"")));
        (all && asked == read).then_some(())
    });
    drop((open, half, six));
}
