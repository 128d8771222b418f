//! CPU time of another process, from `/proc` (Linux; elsewhere the figures are missing).

use std::fs;

#[derive(Clone, Copy, Default)]
pub struct Cpu {
    /// Nanoseconds that the main thread, in Node the JavaScript thread, has run.
    pub main: u64,
    /// The same of all threads.
    pub process: u64,
}

pub fn cpu(pid: u32) -> Option<Cpu> {
    let main = thread(pid, pid)?;
    let mut process = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let Some(tid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        process += thread(pid, tid).unwrap_or(0);
    }
    Some(Cpu { main, process })
}

fn thread(pid: u32, tid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}
