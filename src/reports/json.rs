//! All evidence, for machines: indented, with rows of measurements on one line each.

use serde::Serialize as _;
use serde_json::ser::{Formatter, Serializer};

use crate::{about::About, evidence::fold::Evidence, report::ReportKind};

/// This form.
pub const KIND: ReportKind = ReportKind {
    about: &About {
        name: "json",
        summary: "all figures and measurements, for machines",
        needs: &[],
        example: "format: json",
    },
    extension: "json",
    render,
};

fn render(evidence: &Evidence) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut to = Serializer::with_formatter(&mut bytes, Rows::default());
    evidence.serialize(&mut to).expect("evidence is plain data");
    bytes.push(b'\n');
    bytes
}

/// Indents all but arrays in arrays, which are rows.
#[derive(Default)]
struct Rows {
    /// What is open, outermost first: whether it is an array, and whether anything is in it yet.
    open: Vec<(bool, bool)>,
    /// How many of the innermost are rows.
    flat: usize,
}

type Out = std::io::Result<()>;

impl Rows {
    fn begin<W: ?Sized + std::io::Write>(&mut self, to: &mut W, array: bool) -> Out {
        let in_array = self.open.last().is_some_and(|it| it.0);
        if self.flat > 0 || (array && in_array) {
            self.flat += 1;
        }
        self.open.push((array, false));
        to.write_all(if array { b"[" } else { b"{" })
    }

    fn end<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> Out {
        let (array, filled) = self.open.pop().unwrap_or_default();
        if self.flat > 0 {
            self.flat -= 1;
        } else if filled {
            self.line(to)?;
        }
        to.write_all(if array { b"]" } else { b"}" })
    }

    fn item<W: ?Sized + std::io::Write>(&mut self, to: &mut W, first: bool) -> Out {
        if let Some(inner) = self.open.last_mut() {
            inner.1 = true;
        }
        if !first {
            to.write_all(b",")?;
        }
        if self.flat == 0 { self.line(to) } else { Ok(()) }
    }

    fn line<W: ?Sized + std::io::Write>(&self, to: &mut W) -> Out {
        to.write_all(b"\n")?;
        self.open.iter().try_for_each(|_| to.write_all(b"  "))
    }
}

impl Formatter for Rows {
    fn begin_array<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> Out {
        self.begin(to, true)
    }

    fn end_array<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> Out {
        self.end(to)
    }

    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, to: &mut W, first: bool) -> Out {
        self.item(to, first)
    }

    fn begin_object<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> Out {
        self.begin(to, false)
    }

    fn end_object<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> Out {
        self.end(to)
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, to: &mut W, first: bool) -> Out {
        self.item(to, first)
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> Out {
        to.write_all(b": ")
    }
}
