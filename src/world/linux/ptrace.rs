//! `ptrace(2)`, as far as threads are held still and their system calls harmed by it.
//!
//! Libraries of good standing cannot pass real-time signals on to a tracee, nor leave it stopped
//! when somebody else stopped it; both would harm a target in ways that nobody asked for.
#![expect(unsafe_code, reason = "no safe library passes real-time signals on, or listens")]

use std::{ffi::c_void, mem::size_of, ptr};

use rustix::{
    io::Errno,
    process::{Pid, WaitOptions},
};

use crate::world::calls::Call;

/// A thread is traced, and nothing more.
pub(super) const ALONE: usize = 0;
/// `PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE`: stops at calls can be told from others, and new
/// threads are traced, too.
pub(super) const CALLS: usize = 0x1 | 0x8;
/// `__WALL`: threads of others are waited for, too.
pub(super) const WALL: WaitOptions = WaitOptions::from_bits_retain(0x4000_0000);
/// `NT_PRSTATUS`.
const GENERAL: usize = 1;
/// `PTRACE_GET_SYSCALL_INFO` (Linux 5.3).
const CALL_INFO: libc::c_uint = 0x420e;

/// `AUDIT_ARCH_*` of this program: a target of another kind has other numbers.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

/// Where a thread is stopped at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Before it is done: its number.
    Entry(i64),
    /// After.
    Exit,
    /// None of these, or a call of another architecture's.
    Elsewhere,
}

/// The one door to the system call. `data` is a number, or a pointer to what outlives the call.
fn ptrace(
    request: libc::c_uint,
    thread: Pid,
    address: usize,
    data: *mut c_void,
) -> Result<i64, Errno> {
    // SAFETY: every caller is in this file. Memory is touched only by requests that take a pointer
    // in `data`, and those are given one to a value of the right size that lives on the caller's
    // stack meanwhile; `address` is a size or a constant, and never a pointer.
    let done = unsafe { libc::ptrace(request, thread.as_raw_nonzero().get(), address, data) };
    if done == -1 {
        let why = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&why).unwrap_or(Errno::IO));
    }
    Ok(done)
}

fn number(it: usize) -> *mut c_void {
    ptr::without_provenance_mut(it)
}

/// A thread that stopped, as its status tells it: by which signal, and for which event of ours.
/// None if it has ended.
pub(super) fn stopped(status: i32) -> Option<(i32, i32)> {
    (status & 0xff == 0x7f).then_some((status >> 8 & 0xff, status >> 16))
}

/// Begins to trace a thread, which goes on meanwhile: [`ALONE`] or its [`CALLS`].
pub(super) fn seize(thread: Pid, options: usize) -> Result<(), Errno> {
    ptrace(libc::PTRACE_SEIZE, thread, 0, number(options)).map(drop)
}

/// Lets a thread that is stopped go, with a signal if one was on its way.
pub(super) fn detach(thread: Pid, signal: usize) -> Result<(), Errno> {
    ptrace(libc::PTRACE_DETACH, thread, 0, number(signal)).map(drop)
}

/// Has it stop.
pub(super) fn interrupt(thread: Pid) -> Result<(), Errno> {
    ptrace(libc::PTRACE_INTERRUPT, thread, 0, number(0)).map(drop)
}

/// Lets it go on to its next call, with a signal if one was on its way.
pub(super) fn resume(thread: Pid, signal: usize) -> Result<(), Errno> {
    ptrace(libc::PTRACE_SYSCALL, thread, 0, number(signal)).map(drop)
}

/// Leaves it stopped, as somebody wanted it, until somebody wakes it.
pub(super) fn listen(thread: Pid) -> Result<(), Errno> {
    ptrace(libc::PTRACE_LISTEN, thread, 0, number(0)).map(drop)
}

/// Where it is stopped.
pub(super) fn at(thread: Pid) -> Result<At, Errno> {
    // `struct ptrace_syscall_info`: its kind, its architecture, and then its number at byte 24.
    let mut info = [0_u64; 16];
    let taken = ptrace(CALL_INFO, thread, size_of_val(&info), (&raw mut info).cast())?;
    let [head, _, _, call, ..] = info;
    let [kind, _, _, _, a, b, c, d] = head.to_ne_bytes();
    let known = u32::from_ne_bytes([a, b, c, d]) == ARCH && taken >= 32;
    Ok(match kind {
        1 if known => At::Entry(call.cast_signed()),
        2 => At::Exit,
        _ => At::Elsewhere,
    })
}

fn registers(thread: Pid) -> Result<libc::user_regs_struct, Errno> {
    // SAFETY: the registers are integers alone, for which zeros are valid.
    let mut all: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let length = size_of::<libc::user_regs_struct>();
    let mut vector = libc::iovec { iov_base: (&raw mut all).cast(), iov_len: length };
    ptrace(libc::PTRACE_GETREGSET, thread, GENERAL, (&raw mut vector).cast())?;
    Ok(all)
}

fn set_registers(thread: Pid, mut all: libc::user_regs_struct) -> Result<(), Errno> {
    let length = size_of::<libc::user_regs_struct>();
    let mut vector = libc::iovec { iov_base: (&raw mut all).cast(), iov_len: length };
    ptrace(libc::PTRACE_SETREGSET, thread, GENERAL, (&raw mut vector).cast()).map(drop)
}

/// At its entry: the call is not done, and answers with this error. True if its exit must be met,
/// too: see [`answer`].
#[cfg(target_arch = "x86_64")]
pub(super) fn refuse(thread: Pid, _: Call, error: i32) -> Result<bool, Errno> {
    let mut all = registers(thread)?;
    // A call with number -1 is not done, and leaves the answer alone that stands already: should
    // we die now, the target still gets the error that was meant.
    all.orig_rax = u64::MAX;
    all.rax = i64::from(-error).cast_unsigned();
    set_registers(thread, all).map(|()| false)
}

/// The same: a call whose descriptor or path is none is not done, and its answer is replaced when
/// it has failed.
#[cfg(target_arch = "aarch64")]
pub(super) fn refuse(thread: Pid, call: Call, _: i32) -> Result<bool, Errno> {
    let mut all = registers(thread)?;
    let [descriptor, path, ..] = &mut all.regs;
    match call {
        Call::Openat => *path = 0,
        _ => *descriptor = u64::MAX,
    }
    set_registers(thread, all).map(|()| true)
}

/// At its exit: replaces its answer.
pub(super) fn answer(thread: Pid, error: i32) -> Result<(), Errno> {
    let mut all = registers(thread)?;
    let answer = i64::from(-error).cast_unsigned();
    #[cfg(target_arch = "x86_64")]
    {
        all.rax = answer;
    }
    #[cfg(target_arch = "aarch64")]
    {
        let [first, ..] = &mut all.regs;
        *first = answer;
    }
    set_registers(thread, all)
}
