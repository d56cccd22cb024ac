//! What a collector can bring: names, where each comes from, and what it takes to have it.
//!
//! Every collector says so beside its code; `holdfast agent doctor` holds it against the machine.

use std::path::{Path, PathBuf};

use crate::{
    about::About,
    world::roots::{self, Roots, Unread},
};

/// What a collector says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// Its visiting card.
    pub about: &'static About,
    /// What it can bring, and what that takes.
    pub exports: &'static [Export],
}

/// Families of metrics that come from one corner, and so are there or missing together.
#[derive(Debug, Clone, Copy)]
pub struct Export {
    /// Names. `*` stands for a piece that the machine says: `node_hwmon_temp_*`.
    pub names: &'static [&'static str],
    /// Where they come from; any one of these is enough. None: from the agent itself.
    pub from: &'static [Origin],
    /// What gives them where they are missing: kernel, option, driver, device or setting.
    pub takes: &'static str,
}

impl Export {
    /// An entry of a collector's list.
    pub const fn of(
        names: &'static [&'static str],
        from: &'static [Origin],
        takes: &'static str,
    ) -> Self {
        Self { names, from, takes }
    }

    /// Whether a family of this name is among them.
    pub fn names_it(&self, name: &str) -> bool {
        self.names.iter().any(|it| fits(it, name))
    }

    /// Why nothing came of it, by a look at the machine.
    pub fn lack(&self, roots: &Roots) -> Lack {
        let looks = self.from.iter().map(|it| it.look(roots));
        // What is there says more than what is not.
        looks
            .reduce(|one, other| if other.says_more(&one) { other } else { one })
            .unwrap_or(Lack::Nothing)
    }
}

/// A corner of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A file or folder below `/proc`; `*` within a name stands for any.
    Proc(&'static str),
    /// A file or folder below `/sys`.
    Sys(&'static str),
    /// A file or folder of the root file system.
    Root(&'static str),
    /// A word in a file below `/proc`.
    Word(&'static str, &'static str),
}

/// Why a name is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// There is no such file.
    Absent(String),
    /// The file does not have this word.
    Wordless(String, &'static str),
    /// The file is there, and says nothing of it.
    Silent(String),
    /// The file is there, but not for us.
    Denied(String),
    /// The file is there, and the kernel has what it tells of switched off.
    Off(String),
    /// The file cannot be read for another reason, as the speed of a link that is down.
    Broken(String, String),
    /// It does not come from a file.
    Nothing,
}

/// So many paths are looked at for one pattern.
const PATHS_MAX: usize = 4096;

impl Origin {
    fn look(self, roots: &Roots) -> Lack {
        let (pattern, word) = match self {
            Self::Proc(it) => (roots.proc(it), None),
            Self::Sys(it) => (roots.sys(it), None),
            Self::Root(it) => (roots.rooted(it), None),
            Self::Word(it, word) => (roots.proc(it), Some(word)),
        };
        let shown = pattern.display().to_string();
        let paths = expand(&pattern);
        let mut lack = Lack::Absent(shown);
        for path in paths {
            let next = read(&path, word);
            if next.says_more(&lack) {
                lack = next;
            }
        }
        lack
    }
}

impl Lack {
    /// The sentence, as it completes "missing: …".
    pub fn sentence(&self) -> String {
        match self {
            Self::Absent(path) => format!("there is no `{path}`"),
            Self::Wordless(path, word) => format!("`{path}` has no `{word}`"),
            Self::Silent(path) => format!("`{path}` is there, and has none"),
            Self::Denied(path) => format!("permission to read `{path}` is denied"),
            Self::Off(path) => format!("`{path}` is there, and switched off"),
            Self::Broken(path, why) => format!("`{path}` cannot be read: {why}"),
            Self::Nothing => "nothing of the kind was seen".to_owned(),
        }
    }

    /// Somebody could put it right on this machine.
    pub fn is_amiss(&self) -> bool {
        matches!(self, Self::Denied(_))
    }

    fn says_more(&self, than: &Self) -> bool {
        let weight = |it: &Self| match it {
            Self::Nothing => 0,
            Self::Absent(_) => 1,
            Self::Wordless(..) => 2,
            Self::Silent(_) => 3,
            Self::Broken(..) => 4,
            Self::Off(_) => 5,
            Self::Denied(_) => 6,
        };
        weight(self) > weight(than)
    }
}

fn read(path: &Path, word: Option<&'static str>) -> Lack {
    let shown = path.display().to_string();
    let silent = Lack::Silent(shown.clone());
    // A folder is there when its names can be listed.
    let outcome = match roots::list(path) {
        Ok(_) => return silent,
        Err(why) if why.is_denied() => Err(why),
        Err(_) => roots::read(path),
    };
    match (outcome, word) {
        (Ok(text), Some(word)) if !text.contains(word) => Lack::Wordless(shown, word),
        (Ok(_), _) => silent,
        (Err(why), _) if is_missing(&why) => Lack::Absent(shown),
        (Err(why), _) if why.is_absent() => Lack::Off(shown),
        (Err(why), _) if why.is_denied() => Lack::Denied(shown),
        (Err(why), _) => Lack::Broken(shown, why.why.to_string()),
    }
}

/// No such file, or none can be there.
fn is_missing(why: &Unread) -> bool {
    why.is_missing() || why.why.kind() == std::io::ErrorKind::NotADirectory
}

/// The paths that fit a pattern: each `*` in a component stands for anything but `/`.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut all = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_os_str();
        match part.to_str().filter(|it| it.contains('*')) {
            None => all.iter_mut().for_each(|it| it.push(part)),
            Some(part) => {
                let fitting = |folder: &PathBuf| {
                    let names = roots::list(folder).unwrap_or_default();
                    let folder = folder.clone();
                    names.into_iter().filter(|it| fits(part, it)).map(move |it| folder.join(it))
                };
                all = all.iter().flat_map(fitting).take(PATHS_MAX).collect();
            }
        }
    }
    all
}

/// Whether a text fits a pattern in which `*` stands for one letter or more.
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    let mut starts = rest.char_indices().map(|(at, letter)| at + letter.len_utf8());
    starts.any(|at| rest.get(at..).is_some_and(|it| fits(after, it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_something() {
        assert!(fits("node_load1", "node_load1") && !fits("node_load1", "node_load15"));
        assert!(fits("a_*_b", "a_x_b") && fits("a_*_b", "a_x_y_b") && fits("a*", "ab"));
        assert!(!fits("a_*_b", "a__b") && !fits("a*", "a") && !fits("a*", "b"));
    }
}
