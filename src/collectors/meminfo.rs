//! Memory, from `/proc/meminfo`: every field becomes a metric of its own name.

use super::parse::{number, shorten};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, Type},
    world::roots::{Kept, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About { name: "meminfo", summary: "what memory is used for", needs: &[], example: "" },
    blocks: false,
    health: None,
    make: |_| Box::new(Meminfo::default()),
};

#[derive(Debug, Default)]
struct Meminfo {
    file: Option<Kept>,
    name: String,
    help: String,
}

impl Collector for Meminfo {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let path = roots.proc("meminfo");
        let file = self.file.get_or_insert_with(|| Kept::brief(path.clone()));
        let mut seen = 0;
        for line in file.read()?.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(field) = words.next() else { continue };
            let value = number(&path, words.next())?;
            self.name.clear();
            self.name.push_str("node_memory_");
            push_field(&mut self.name, field);
            let scale = match words.next() {
                Some("kB") => {
                    self.name.push_str("_bytes");
                    1024.0
                }
                None => 1.0,
                Some(unit) => {
                    let why = format!("`{}` is not a unit", shorten(unit));
                    return Err(Blank::odd(path, why));
                }
            };
            let kind = if self.name.ends_with("_total") { Type::Counter } else { Type::Gauge };
            self.help.clear();
            self.help.push_str("Memory information field ");
            self.help.push_str(self.name.strip_prefix("node_memory_").unwrap_or_default());
            self.help.push('.');
            samples.family(&self.name, &self.help, kind).row(&[], value * scale);
            seen += 1;
        }
        if seen == 0 { Err(Blank::odd(path, "it is empty")) } else { Ok(()) }
    }
}

/// `Active(anon):` as `Active_anon`; what a metric's name cannot hold becomes `_`.
fn push_field(name: &mut String, field: &str) {
    for letter in field.trim_end_matches(':').trim_end_matches(')').chars() {
        name.push(if letter.is_ascii_alphanumeric() { letter } else { '_' });
    }
}
