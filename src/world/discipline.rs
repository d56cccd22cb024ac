//! How the kernel's clock is disciplined, from `adjtimex(2)`.

use std::io;

/// What the kernel says of its clock, in its own units.
#[derive(Debug, Clone, Copy)]
pub struct Discipline {
    /// The clock follows a reference.
    pub is_synchronised: bool,
    /// The kernel's own words.
    pub said: libc::timex,
}

/// Asks, and changes nothing. Any process may.
#[expect(unsafe_code, reason = "the one system call that no safe library of good standing wraps")]
pub fn discipline() -> io::Result<Discipline> {
    // SAFETY: `timex` is made of integers alone, for which zeros are valid; zero `modes` ask and
    // set nothing.
    let mut said: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `timex` of ours, which nobody else sees during the call.
    let state = unsafe { libc::adjtimex(&raw mut said) };
    match state {
        -1 => Err(io::Error::last_os_error()),
        state => Ok(Discipline { is_synchronised: state != libc::TIME_ERROR, said }),
    }
}
