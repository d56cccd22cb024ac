//! How much gets through, and how long it takes.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use holdfast::journal::entry::Fact;

use crate::{
    crash::PATIENCE,
    ground::within,
    net::bench::{Standing, Talk, alone, echo},
};

/// A connection that carries all it can, and what came out of it.
struct Flood {
    port: u16,
    came: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Flood {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let at = listener.local_addr().expect("an address");
        let (came, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut near = TcpStream::connect(at).expect("a connection");
        let (mut far, _) = listener.accept().expect("a connection");
        let (count, stop) = (Arc::clone(&came), Arc::clone(&over));
        thread::spawn(move || {
            let mut taken = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = far.read(&mut taken) {
                count.fetch_add(u64::try_from(n).expect("it fits"), Ordering::Relaxed);
            }
        });
        thread::spawn(move || {
            let piece = vec![0; 16 * 1024];
            while !stop.load(Ordering::Relaxed) && near.write_all(&piece).is_ok() {}
        });
        Self { port: at.port(), came, over }
    }

    /// Megabits a second, over so long.
    fn measure(&self, length: Duration) -> f64 {
        let (begun, before) = (Instant::now(), self.came.load(Ordering::Relaxed));
        thread::sleep(length);
        let bytes = self.came.load(Ordering::Relaxed) - before;
        #[expect(clippy::cast_precision_loss, reason = "a test's bytes are few")]
        let bits = (bytes * 8) as f64;
        bits / begun.elapsed().as_secs_f64() / 1e6
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[test]
fn as_much_gets_through_as_was_asked_for() {
    alone("net::rate::as_much_gets_through_as_was_asked_for", || {
        for (mbit, side) in
            [(20.0, "in, local_port"), (8.0, "out, port"), (100.0, "in, local_port")]
        {
            let flood = Flood::new();
            let fault = format!(
                "network_bandwidth: {{ rate: {mbit}mbit, \
                 traffic: {{ direction: {side}: {} }} }}",
                flood.port
            );
            let it = Standing::begin(&fault, || {});
            assert!(it.effect().starts_with("pass"), "{}", it.effect());
            // What may come at once comes first; and whoever sends must find its pace.
            let met = (0..8).any(|_| {
                let got = flood.measure(Duration::from_secs(2));
                println!("{side}: {mbit} mbit/s wanted, {got:.2} measured");
                (got / mbit - 1.0).abs() < 0.05
            });
            assert!(met, "within 5% of {mbit} mbit/s");
            it.kill(|| true);
            let free = || flood.measure(Duration::from_millis(50)) > 2.0 * mbit;
            assert!(within(PATIENCE, free), "it is free again");
        }
    });
}

/// How long bytes take there and back again, in whole.
fn round(at: SocketAddr, bytes: usize, limit: Duration) -> std::io::Result<Duration> {
    let mut near = TcpStream::connect(at)?;
    near.set_read_timeout(Some(limit))?;
    let sent: Vec<u8> = (0_u8..=255).cycle().take(bytes).collect();
    let mut got = vec![0; bytes];
    let begun = Instant::now();
    let mut writer = near.try_clone()?;
    let copy = sent.clone();
    let writes = thread::spawn(move || writer.write_all(&copy));
    near.read_exact(&mut got)?;
    let took = begun.elapsed();
    writes.join().expect("no panic")?;
    assert!(sent == got, "what comes back is what was sent");
    Ok(took)
}

#[test]
fn what_is_late_is_late_by_what_was_asked_for_and_whole() {
    alone("net::rate::what_is_late_is_late_by_what_was_asked_for_and_whole", || {
        let at = echo(Ipv4Addr::LOCALHOST);
        let before = round(at, 8, PATIENCE).expect("all comes back");
        let mut stands = Talk::to(at);
        stands.round();
        let fault = format!(
            "network_delay: {{ delay: 60ms, by: relay, traffic: {{ address: '{at}', direction: both }} }}"
        );
        let it = Standing::begin(&fault, || {
            round(at, 8, PATIENCE).expect("all comes back");
        });
        assert!(it.effect().starts_with("pass"), "{}", it.effect());
        let plan = |it: &Fact| matches!(it, Fact::Intent(it) if it.will.contains("no netem"));
        assert!(it.ground.has(plan), "the plan says by what it is done");
        let late =
            (0..20).map(|_| round(at, 8, PATIENCE).expect("all comes back")).min().expect("some");
        println!("a round took {before:?}, and {late:?} with twice 60 ms");
        // What stood before goes on, and none of it is late.
        assert!(stands.best() < Duration::from_millis(60));
        assert!(
            late >= Duration::from_millis(119) && late < Duration::from_millis(160),
            "{late:?}"
        );
        round(at, 3_000_000, PATIENCE).expect("all comes back");
        it.kill(|| {
            round(at, 8, Duration::from_millis(100)).is_ok_and(|it| it < Duration::from_millis(100))
        });
    });
}
