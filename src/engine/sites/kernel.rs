//! What the kernel's texts say of the machine as a whole, and of one process (proc(5)). Pure.

use crate::journal::site::SiteRow;

/// Ticks of the clock in a second, as the kernel tells them to programs on every Linux.
const TICKS: f64 = 100.0;
/// Bytes of a sector in `/proc/diskstats`, whatever the disk's own are.
const SECTOR: f64 = 512.0;
/// Disks that only pass on what others read and write.
const LAYERS: [&str; 7] = ["dm-", "md", "loop", "zram", "ram", "sr", "fd"];
/// Interfaces that only pass on what others carry.
const INNER: [&str; 11] =
    ["veth", "docker", "br-", "virbr", "cni", "flannel", "cali", "tap", "bond", "team", "dummy"];

/// A number, if the kernel could have said it: neither negative nor beyond any counter of its.
fn told(word: &str) -> Option<f64> {
    word.parse::<f64>().ok().filter(|it| (0.0..=1.9e19).contains(it))
}

/// `/proc/stat`: processor time that was not idle, and how many processors there are. What guests
/// use is in user's time already.
pub(super) fn cpu(text: &str, row: &mut SiteRow) -> Option<()> {
    let all = text.lines().find_map(|it| it.strip_prefix("cpu "))?;
    let mut ticks = all.split_ascii_whitespace().map(told);
    let mut next = || ticks.next().flatten();
    let (user, nice, system) = (next()?, next()?, next()?);
    let (_idle, _iowait) = (next()?, next()?);
    let (irq, softirq, steal) = (next()?, next()?, next().unwrap_or(0.0));
    row.cpu_seconds = Some((user + nice + system + irq + softirq + steal) / TICKS);
    let one = |it: &&str| {
        it.strip_prefix("cpu").is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()))
    };
    row.cpus = Some(number(text.lines().filter(one).count()));
    Some(())
}

/// `/proc/meminfo`: memory that new programs cannot have, and all that there is.
pub(super) fn memory(text: &str, row: &mut SiteRow) -> Option<()> {
    let (total, free) = (kilobytes(text, "MemTotal:")?, kilobytes(text, "MemAvailable:")?);
    row.memory_bytes = Some((total - free).max(0.0));
    row.memory_total_bytes = Some(total);
    Some(())
}

/// `/proc/diskstats`: bytes of whole disks.
pub(super) fn disk(text: &str, row: &mut SiteRow) -> Option<()> {
    let (mut read, mut written) = (None, None);
    for line in text.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let sectors = |at: usize| told(fields.get(at)?);
        let name = fields.get(2).copied().unwrap_or_default();
        if name.is_empty() || LAYERS.iter().any(|it| name.starts_with(it)) || is_part(name) {
            continue;
        }
        read = Some(read.unwrap_or(0.0) + sectors(5)? * SECTOR);
        written = Some(written.unwrap_or(0.0) + sectors(9)? * SECTOR);
    }
    (row.disk_read_bytes, row.disk_written_bytes) = (read, written);
    read.map(drop)
}

/// A part of a disk that has a line of its own: `sda1`, `nvme0n1p2`.
fn is_part(name: &str) -> bool {
    let stem = name.trim_end_matches(|it: char| it.is_ascii_digit());
    if stem.len() == name.len() {
        return false;
    }
    let letters = ["sd", "hd", "vd", "xvd"].iter().any(|it| stem.starts_with(it));
    let numbered = ["nvme", "mmcblk"].iter().any(|it| stem.starts_with(it));
    letters || (numbered && stem.ends_with('p'))
}

/// `/proc/net/dev`: bytes of interfaces that lead out of the machine.
pub(super) fn network(text: &str, row: &mut SiteRow) -> Option<()> {
    let (mut received, mut sent) = (None, None);
    for (name, counts) in text.lines().filter_map(|it| it.split_once(':')) {
        let name = name.trim();
        if name == "lo" || name.contains('.') || INNER.iter().any(|it| name.starts_with(it)) {
            continue;
        }
        let bytes: Vec<&str> = counts.split_ascii_whitespace().collect();
        let bytes = |at: usize| told(bytes.get(at)?);
        received = Some(received.unwrap_or(0.0) + bytes(0)?);
        sent = Some(sent.unwrap_or(0.0) + bytes(8)?);
    }
    (row.network_received_bytes, row.network_sent_bytes) = (received, sent);
    received.map(drop)
}

/// What `/proc/PID/stat` says of time, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Times {
    /// Its parent's number.
    pub(super) parent: u32,
    /// When it was started, in seconds since the boot.
    pub(super) started: f64,
    /// Processor time of its own, and of its children that ended and that it waited for.
    pub(super) total: f64,
    /// The latter alone.
    pub(super) waited: f64,
}

/// `/proc/PID/stat`, of a process that ended and was not waited for, too.
pub(super) fn times(text: &str) -> Option<Times> {
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_ascii_whitespace().collect();
    let ticks = |field: usize| told(fields.get(field - 3)?);
    let waited = ticks(16)? + ticks(17)?;
    Some(Times {
        parent: fields.get(1)?.parse().ok()?,
        started: ticks(22)? / TICKS,
        total: (ticks(14)? + ticks(15)? + waited) / TICKS,
        waited: waited / TICKS,
    })
}

/// `/proc/PID/io`: bytes that went from and to disks on the process's behalf, and of its children
/// that ended and that it waited for.
pub(super) fn io(text: &str) -> Option<(f64, f64)> {
    let of = |word: &str| text.lines().find_map(|it| it.strip_prefix(word)?.trim().parse().ok());
    Some((of("read_bytes:")?, of("write_bytes:")?))
}

/// `/proc/PID/status`: resident memory in bytes.
pub(super) fn resident(text: &str) -> Option<f64> {
    kilobytes(text, "VmRSS:")
}

fn kilobytes(text: &str, word: &str) -> Option<f64> {
    let said = text.lines().find_map(|it| it.strip_prefix(word))?;
    told(said.trim().trim_end_matches("kB").trim()).map(|it| it * 1024.0)
}

/// Seconds since the boot.
#[expect(clippy::cast_precision_loss, reason = "ticks since the boot fit")]
pub(super) fn of_ticks(ticks: u64) -> f64 {
    ticks as f64 / TICKS
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 processors")]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_as_a_whole_is_read() {
        let mut row = SiteRow::default();
        let stat = "cpu  100 20 30 4000 500 6 7 8 90 0\ncpu0 1 2\ncpu1 3 4\nctxt 5\n";
        cpu(stat, &mut row).unwrap();
        assert_eq!((row.cpu_seconds, row.cpus), (Some(1.71), Some(2.0)));
        memory("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n", &mut row).unwrap();
        assert_eq!(row.memory_bytes, Some(600.0 * 1024.0));
        assert_eq!(row.memory_total_bytes, Some(1000.0 * 1024.0));
        let disks = "8 0 sda 1 0 10 0 1 0 20 0\n8 1 sda1 1 0 9 0 1 0 9 0\n253 0 dm-0 1 0 9 0 1 0 9\n\
                     259 0 nvme0n1 1 0 1 0 1 0 2 0\n259 1 nvme0n1p1 1 0 9 0 1 0 9 0\n";
        disk(disks, &mut row).unwrap();
        assert_eq!(row.disk_read_bytes, Some(11.0 * 512.0));
        assert_eq!(row.disk_written_bytes, Some(22.0 * 512.0));
        let net = "Inter-| Receive\n face |bytes\n  lo: 9 0 0 0 0 0 0 0 9 0\n\
                   eth0: 100 0 0 0 0 0 0 0 200 0\neth0.7: 9 0 0 0 0 0 0 0 9 0\nveth1: 9 0\n";
        network(net, &mut row).unwrap();
        assert_eq!(row.network_received_bytes, Some(100.0));
        assert_eq!(row.network_sent_bytes, Some(200.0));
    }

    #[test]
    fn what_is_not_said_is_not_read() {
        let mut row = SiteRow::default();
        for odd in ["nan", "inf", "1e999", "-1", "x"] {
            assert_eq!(cpu(&format!("cpu  {odd} 1 1 1 1 1 1\n"), &mut row), None, "{odd}");
            assert_eq!(resident(&format!("VmRSS: {odd} kB\n")), None, "{odd}");
        }
        assert_eq!(cpu("", &mut row), None);
        assert_eq!(memory("MemTotal: 1 kB\n", &mut row), None);
        assert_eq!(disk("8 1 sda1 1 0 9 0 1 0 9 0\n", &mut row), None);
        assert_eq!(network("  lo: 9 0 0 0 0 0 0 0 9 0\n", &mut row), None);
        assert_eq!(row, SiteRow::default());
        assert_eq!(io("rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n"), Some((4096.0, 8192.0)));
        assert_eq!(io("rchar: 1\n"), None);
        let line = "77 (a) b (c)) S 12 77 77 0 -1 4 1 0 0 0 5 6 70 80 20 0 1 0 4242 1 1 1";
        let times = times(line).unwrap();
        assert_eq!((times.parent, times.started), (12, 42.42));
        assert_eq!((times.total, times.waited), (1.61, 1.5));
        assert_eq!(resident("VmHWM: 9 kB\nVmRSS:\t     12 kB\n"), Some(12_288.0));
    }
}
