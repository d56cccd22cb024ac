//! Everything outside: time, chance, files, processes and sockets come in through here.

pub mod roots;
