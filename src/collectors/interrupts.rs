//! Interrupts by processor and device, from `/proc/interrupts`.

use super::{
    file::{File, Text, join},
    parse::{is_digits, number},
};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    pattern::Sieve,
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "interrupts",
        summary: "interrupts by processor and device",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |setup| {
        let sieve = setup.patterns.sieve("interrupts.name", None);
        let words = Words { devices: String::new(), whole: String::new(), sieve };
        Box::new(Interrupts { file: File::proc_of_long_lines("interrupts"), words })
    },
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] =
    &[Export::of(&["node_interrupts_total"], &[Origin::Proc("interrupts")], "procfs")];

#[derive(Debug)]
struct Interrupts {
    file: File,
    words: Words,
}

#[derive(Debug)]
struct Words {
    devices: String,
    whole: String,
    sieve: Sieve,
}

/// More would be a burden to whoever stores them: then those that never happened are left out.
const ROWS_MAX: usize = 8192;

impl Collector for Interrupts {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let Some(said) = self.file.read_if_there(roots)? else { return Ok(()) };
        let (heading, rest) =
            said.text.split_once('\n').ok_or_else(|| said.odd("it has no line of processors"))?;
        let cpus: Vec<&str> =
            heading.split_ascii_whitespace().filter_map(|it| it.strip_prefix("CPU")).collect();
        let is_large = rest.lines().count() * cpus.len() > ROWS_MAX;
        let before = samples.series();
        samples.counter("node_interrupts_total", "Interrupt details.");
        for line in rest.lines() {
            show_line(said, line, (&cpus, is_large), &mut self.words, samples)?;
            if samples.series() - before > ROWS_MAX {
                return Err(said.odd("more than 8192 of its counts are not zero"));
            }
        }
        Ok(())
    }
}

fn show_line(
    said: Text<'_>,
    line: &str,
    (cpus, only_used): (&[&str], bool),
    words_of: &mut Words,
    samples: &mut Samples,
) -> Result<(), Blank> {
    let (name, rest) =
        line.trim_start().split_once(':').ok_or_else(|| said.odd("a line has no name"))?;
    let Words { devices, whole, sieve } = words_of;
    let mut words = rest.split_ascii_whitespace();
    let counts = words.clone().take(cpus.len());
    let mut words = words.by_ref().skip(cpus.len());
    // Errors (`ERR`, `MIS`) are counted once for all processors, and not shown.
    let Some(first) = words.next() else { return Ok(()) };
    devices.clear();
    let is_device = is_digits(name);
    if !is_device {
        devices.push_str(first);
    }
    for word in words {
        if !devices.is_empty() {
            devices.push(' ');
        }
        devices.push_str(word);
    }
    let (info, devices) = if is_device { (first, &**devices) } else { (&**devices, "") };
    if !sieve.is_open() && !sieve.lets_through(join(whole, &[name, ";", info, ";", devices])) {
        return Ok(());
    }
    for (cpu, count) in cpus.iter().zip(counts) {
        let count = number(said.path, Some(count))?;
        if count > 0.0 || !only_used {
            let labels = [("cpu", *cpu), ("devices", devices), ("info", info), ("type", name)];
            samples.row(&labels, count);
        }
    }
    Ok(())
}
