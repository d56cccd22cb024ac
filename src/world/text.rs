//! The program's own file, as far as it lies in memory.
#![expect(clippy::disallowed_methods, reason = "this is the wall: the program looks at itself")]

use std::{fs, io};

use rustix::mm::{Advice, madvise};

/// Lets go of the pages of this program's code and constants that start-up alone needed: reading
/// flags, linking, making collectors, setting up TLS. The kernel keeps the file in its cache, so
/// that whatever is needed again comes back by a fault that reads no disk. They are never written
/// to, so nothing is lost.
///
/// Answers how many bytes were looked at.
#[expect(unsafe_code, reason = "no safe library gives pages back")]
pub fn forget_start() -> io::Result<usize> {
    let exe = fs::read_link("/proc/self/exe")?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut looked = 0;
    for (start, end) in maps.lines().filter_map(|it| unwritten(it, &exe.to_string_lossy())) {
        let length = end.saturating_sub(start);
        // SAFETY: the range is a whole mapping of this program's file which nobody writes to: its
        // code, or the segment at its beginning. The linker leaves nothing in them to be relocated,
        // so the pages are the file's own, and the kernel maps them again when they are next read.
        unsafe { madvise(start as *mut _, length, Advice::LinuxDontNeed) }?;
        looked += length;
    }
    Ok(looked)
}

/// The range of a line of `/proc/PID/maps`, if it is a file's code, or the constants before it.
/// Those behind it may have been relocated when the program was loaded, and are nobody's but ours.
fn unwritten(line: &str, file: &str) -> Option<(usize, usize)> {
    let (range, rest) = line.split_once(' ')?;
    let is_unwritten = rest.starts_with("r-xp ") || rest.starts_with("r--p 00000000 ");
    if !is_unwritten || !rest.ends_with(file) {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::unwritten;

    #[test]
    fn only_what_nobody_writes_to_is_taken() {
        let of = |line| unwritten(line, "/bin/it");
        let line = "55d0c0a00000-55d0c0a02000 r-xp 00001000 fe:00 42    /bin/it";
        assert_eq!(of(line), Some((0x55d0_c0a0_0000, 0x55d0_c0a0_2000)));
        let line = "1000-2000 r--p 00000000 fe:00 42    /bin/it";
        assert_eq!(of(line), Some((0x1000, 0x2000)));
        // Relocated, and no longer as the file has them.
        assert_eq!(of("1000-2000 r--p 00001000 fe:00 42    /bin/it"), None);
        assert_eq!(of("1000-2000 rw-p 00000000 fe:00 42    /bin/it"), None);
        assert_eq!(of("55d0c0a00000-55d0c0a02000 r-xp 00001000 fe:00 42    /lib/libc.so.6"), None);
        assert_eq!(of("7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0     [vdso]"), None);
        assert_eq!(of("nonsense"), None);
    }

    #[test]
    fn a_program_goes_on_after_it_forgot_its_start() {
        assert!(super::forget_start().unwrap() > 0);
        assert_eq!(format!("{:?}", vec![1, 2, 3]), "[1, 2, 3]");
    }
}
