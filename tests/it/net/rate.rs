//! How much gets through, and how long it takes.
#![expect(clippy::print_stdout, reason = "what was measured is said")]

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::net::bench::{Standing, alone};

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
            // What may come at once has come.
            thread::sleep(Duration::from_secs(1));
            let got = flood.measure(Duration::from_secs(4));
            println!("{side}: {mbit} mbit/s wanted, {got:.2} measured: {}", it.effect());
            it.kill(|| flood.measure(Duration::from_millis(50)) > 2.0 * mbit);
        }
    });
}
