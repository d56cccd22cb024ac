//! A file of the machine that a collector reads at every scrape.

use std::path::Path;

use crate::{
    collector::Blank,
    world::roots::{Kept, Roots, Unread},
};

/// A file below `/proc` or `/sys`.
#[derive(Debug)]
pub(crate) struct File {
    below: Below,
    inside: &'static str,
    has_long_lines: bool,
    kept: Option<Kept>,
}

#[derive(Debug, Clone, Copy)]
enum Below {
    Proc,
    Sys,
}

impl File {
    /// A file of `/proc`, in which no line is longer than a kilobyte, or that the kernel gives as
    /// one piece.
    pub(crate) fn proc(inside: &'static str) -> Self {
        Self { below: Below::Proc, inside, has_long_lines: false, kept: None }
    }

    /// A file of `/proc` with lines of any length.
    pub(crate) fn proc_of_long_lines(inside: &'static str) -> Self {
        Self { has_long_lines: true, ..Self::proc(inside) }
    }

    /// A file of `/sys`.
    pub(crate) fn sys(inside: &'static str) -> Self {
        Self { below: Below::Sys, ..Self::proc(inside) }
    }

    fn at(&mut self, roots: &Roots) -> &mut Kept {
        self.kept.get_or_insert_with(|| {
            let path = match self.below {
                Below::Proc => roots.proc(self.inside),
                Below::Sys => roots.sys(self.inside),
            };
            if self.has_long_lines { Kept::new(path) } else { Kept::brief(path) }
        })
    }

    /// What it says.
    pub(crate) fn read(&mut self, roots: &Roots) -> Result<Text<'_>, Unread> {
        let kept = self.at(roots);
        kept.read()?;
        Ok(Text { path: kept.path(), text: kept.last() })
    }

    /// What it says, or nothing where the kernel lacks the feature.
    pub(crate) fn read_if_there(&mut self, roots: &Roots) -> Result<Option<Text<'_>>, Unread> {
        match self.read(roots) {
            Ok(text) => Ok(Some(text)),
            Err(why) if why.is_absent() => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Its lines, of a table that may be long. None where the kernel lacks the feature.
    pub(crate) fn lines(
        &mut self,
        roots: &Roots,
        mut each: impl FnMut(&str) -> Option<()>,
    ) -> Result<bool, Blank> {
        let mut odd = false;
        let kept = self.at(roots);
        match kept.lines(|line| odd |= each(line).is_none()) {
            Ok(()) if odd => Err(Blank::odd(kept.path(), "a line makes no sense")),
            Ok(()) => Ok(true),
            Err(why) if why.is_absent() => Ok(false),
            Err(why) => Err(why.into()),
        }
    }
}

/// What a file says, and which file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

impl Text<'_> {
    /// It is a number.
    pub(crate) fn number(self) -> Result<f64, Blank> {
        super::parse::number(self.path, self.text.split_ascii_whitespace().next())
    }

    /// It makes no sense.
    pub(crate) fn odd(self, why: &str) -> Blank {
        Blank::odd(self.path, why)
    }
}

/// Puts the pieces together where the last name was.
pub(crate) fn join<'a>(into: &'a mut String, pieces: &[&str]) -> &'a str {
    into.clear();
    into.extend(pieces.iter().copied());
    into
}
