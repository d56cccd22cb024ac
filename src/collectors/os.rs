//! The distribution, from `/etc/os-release`.

use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::{self, Roots, Stamp},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "os",
        summary: "the distribution and its version",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(System::default()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_os_info", "node_os_version"],
    &[Origin::Root("etc/os-release"), Origin::Root("usr/lib/os-release")],
    "the file /etc/os-release, with a VERSION_ID that is a number",
)];

#[derive(Debug, Default)]
struct System {
    /// It is replaced by an upgrade, and read again only then.
    stamp: Option<Stamp>,
    values: [String; KEYS.len()],
}

const FILES: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// Labels in capitals are the file's keys.
const KEYS: [&str; 12] = [
    "build_id",
    "id",
    "id_like",
    "image_id",
    "image_version",
    "name",
    "pretty_name",
    "variant",
    "variant_id",
    "version",
    "version_codename",
    "version_id",
];
const ID: usize = 1;
const ID_LIKE: usize = 2;
const NAME: usize = 5;
const VERSION_ID: usize = 11;

impl Collector for System {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        if !self.learn(roots)? {
            return Ok(());
        }
        let mut labels = [("", ""); KEYS.len()];
        for (label, pair) in labels.iter_mut().zip(KEYS.into_iter().zip(&self.values)) {
            *label = (pair.0, pair.1);
        }
        let help = "A metric with a constant '1' value labeled by build_id, id, id_like, \
                    image_id, image_version, name, pretty_name, variant, variant_id, version, \
                    version_codename, version_id.";
        samples.gauge("node_os_info", help).row(&labels, 1.0);
        let at = |at: usize| self.values.get(at).map_or("", String::as_str);
        let help = "Metric containing the major.minor part of the OS version.";
        samples.gauge("node_os_version", help);
        if let Some(version) = version(at(VERSION_ID)) {
            let labels = [("id", at(ID)), ("id_like", at(ID_LIKE)), ("name", at(NAME))];
            samples.row(&labels, version);
        }
        Ok(())
    }
}

impl System {
    /// Whether there is such a file.
    fn learn(&mut self, roots: &Roots) -> Result<bool, Blank> {
        for file in FILES {
            let path = roots.rooted(file);
            let Some(stamp) = roots::stamp(&path)? else { continue };
            if self.stamp != Some(stamp) {
                let text = roots::read(&path)?;
                for (key, value) in KEYS.iter().zip(&mut self.values) {
                    value.clear();
                    value.push_str(said(&text, key).unwrap_or_default());
                }
                self.stamp = Some(stamp);
            }
            return Ok(true);
        }
        Ok(false)
    }
}

fn said<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    // As in a shell, the last one counts.
    let (_, value) = pairs.rfind(|(name, _)| name.trim().eq_ignore_ascii_case(key))?;
    let value = value.trim();
    let quoted = |mark| value.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    quoted('"').or_else(|| quoted('\'')).or(Some(value))
}

/// `22.04.1` as 22.04.
fn version(text: &str) -> Option<f64> {
    let end = text.match_indices(|letter: char| !letter.is_ascii_digit());
    let mut ends = end.skip_while(|(at, mark)| {
        *mark == "." && text.get(..*at).is_some_and(|before| !before.contains('.'))
    });
    let end = ends.next().map_or(text.len(), |(at, _)| at);
    text.get(..end)?.trim_end_matches('.').parse().ok().filter(|it: &f64| it.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_major_and_minor() {
        assert_eq!(version("22.04.1").map(|it| it.to_string()).as_deref(), Some("22.04"));
        assert_eq!(version("12").map(|it| it.to_string()).as_deref(), Some("12"));
        assert_eq!(version("9-stream").map(|it| it.to_string()).as_deref(), Some("9"));
        assert_eq!(version("rolling"), None);
    }
}
