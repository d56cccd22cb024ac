//! A folder of devices in `/sys`, each of which has the same files.

use std::path::Path;

use super::parse::shorten;
use crate::{
    collector::Blank,
    world::roots::{self, Kept, Roots, Unread},
};

/// The devices of a class.
#[derive(Debug)]
pub(crate) struct Class {
    folder: &'static str,
    files: &'static [&'static str],
    devices: Vec<Device>,
}

/// One of them. Its files stay open.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) name: String,
    files: Vec<Attribute>,
}

#[derive(Debug)]
enum Attribute {
    /// The device has no such file, and will not get one.
    Absent,
    File(Kept),
}

impl Class {
    pub(crate) fn new(folder: &'static str, files: &'static [&'static str]) -> Self {
        Self { folder, files, devices: Vec::new() }
    }

    /// Who is there now, of those who are wanted, in the order of their names.
    pub(crate) fn look(
        &mut self,
        roots: &Roots,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<&mut [Device], Unread> {
        let folder = roots.sys(self.folder);
        let names = match roots::list(&folder) {
            Err(why) if why.is_absent() => Vec::new(),
            names => names?,
        };
        let mut old = std::mem::take(&mut self.devices).into_iter().peekable();
        for name in names.into_iter().filter(|name| wanted(name)) {
            while old.next_if(|device| device.name < name).is_some() {}
            let known = old.next_if(|device| device.name == name);
            let device =
                known.unwrap_or_else(|| Device::new(&folder.join(&name), name, self.files));
            self.devices.push(device);
        }
        Ok(&mut self.devices)
    }
}

impl Device {
    fn new(folder: &Path, name: String, files: &[&str]) -> Self {
        let file = |inside: &&str| Attribute::File(Kept::brief(folder.join(inside)));
        Self { name, files: files.iter().map(file).collect() }
    }

    /// Looks at one of its files, by its place in the list.
    pub(crate) fn look(&mut self, at: usize) {
        if let Some(attribute) = self.files.get_mut(at)
            && let Attribute::File(kept) = attribute
            && kept.read().is_err_and(|why| why.is_missing())
        {
            *attribute = Attribute::Absent;
        }
    }

    /// What one of its files says now. Nothing when there is none, or when it says nothing now,
    /// or not to us.
    pub(crate) fn text(&mut self, at: usize) -> Option<&str> {
        self.look(at);
        match self.files.get(at)? {
            Attribute::File(kept) => kept.is_fresh().then(|| kept.last().trim_ascii()),
            Attribute::Absent => None,
        }
    }

    /// What the file said when it was looked at last; empty when it said nothing.
    pub(crate) fn last(&self, at: usize) -> &str {
        match self.files.get(at) {
            Some(Attribute::File(kept)) => kept.last().trim_ascii(),
            Some(Attribute::Absent) | None => "",
        }
    }

    /// What one of its files says, as a number: decimal, or hexadecimal after `0x`.
    pub(crate) fn number(&mut self, at: usize) -> Result<Option<f64>, Blank> {
        self.look(at);
        self.last_number(at)
    }

    /// The same of a file that always says the same: it is not read again once it was read.
    pub(crate) fn number_once(&mut self, at: usize) -> Result<Option<f64>, Blank> {
        let is_known = matches!(self.files.get(at), Some(Attribute::File(kept)) if kept.is_fresh());
        if is_known { self.last_number(at) } else { self.number(at) }
    }

    /// The same, when it was looked at last.
    pub(crate) fn last_number(&self, at: usize) -> Result<Option<f64>, Blank> {
        let Some(Attribute::File(kept)) = self.files.get(at) else { return Ok(None) };
        if !kept.is_fresh() {
            return Ok(None);
        }
        let text = kept.last().trim_ascii();
        let number = match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok().map(f64::from),
            None => text.parse::<f64>().ok().filter(|it| it.is_finite()),
        };
        let odd = || Blank::odd(kept.path(), format!("`{}` is not a number", shorten(text)));
        number.ok_or_else(odd).map(Some)
    }
}
