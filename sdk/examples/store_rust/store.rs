// SPDX-License-Identifier: Apache-2.0
//! What an instance holds, and its calls. All lanes share one journal and one committing thread (commit.rs). The mutex is never
//! held during I/O, nor while the host is called.

use crate::ffi::*;
use crate::journal::{self, Frame, FRAME_DESTROY, FRAME_MARK};
use crate::log::{Log, Slot};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::fs::File;
use std::os::raw::c_int;
use std::os::unix::io::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

pub const MAX_LANES: u32 = 64;
pub const MAX_ENTRY_BYTES: u64 = 64 << 20;
pub const MAX_CHECKPOINT_BYTES: u64 = 16 << 20;
const OP_BYTES: u64 = 256; // what an operation costs in flight besides its payload

/// A status and why.
pub struct Failure(pub Status, pub String);
pub type Answer<T> = Result<T, Failure>;

pub fn fail<T>(status: Status, why: &str) -> Answer<T> {
    Err(Failure(status, why.to_string()))
}

// Of libc, which std links anyway.
extern "C" {
    fn flock(fd: c_int, operation: c_int) -> c_int;
    fn fstatvfs(fd: c_int, out: *mut [u64; 16]) -> c_int; // struct statvfs of 64-bit Linux: 11 words, then spare
}
const LOCK_EX_NB: c_int = 2 | 4;

pub struct HostView {
    pub raw: *const Host,
    pub log: HostLog,
    pub task: HostTask,
}
// The services that are kept here are [any].
unsafe impl Send for HostView {}
unsafe impl Sync for HostView {}

pub struct Group {
    pub lane: Option<u32>, // None: closed
    pub dying: bool,       // a destroy is in flight
    pub failed: bool,      // until nothing is in flight, whatever arrives is cancelled
    pub in_flight: usize,
    pub submitted: Log,
    pub completed: Log,
    pub state: HardState,
    pub checkpoint: Option<Slot>,
}

impl Group {
    fn new() -> Group {
        Group {
            lane: None,
            dying: false,
            failed: false,
            in_flight: 0,
            submitted: Log::new(),
            completed: Log::new(),
            state: HardState::default(),
            checkpoint: None,
        }
    }

    /// What has completed becomes visible.
    pub fn apply(&mut self, frame: &Frame) -> Result<(), Status> {
        self.state = frame.state.unwrap_or(self.state);
        match frame.opcode {
            LOG_APPEND if frame.slots.is_empty() => {}
            LOG_APPEND => self.completed.append(frame.index, &frame.slots),
            LOG_TRUNCATE_PREFIX => self.completed.truncate_prefix(frame.index),
            LOG_RESET => self.completed.reset(frame.index, frame.term, frame.offset),
            LOG_CHECKPOINT => self.checkpoint = frame.slots.first().copied(),
            _ => return Err(E_CORRUPT), // written by a later version of this store
        }
        Ok(())
    }
}

/// An accepted operation. `payloads`: the parts of each slot; the bytes are the host's until the completion.
pub struct Pending {
    pub group: u64, // 0: a barrier
    pub lane: u32,
    pub tag: u64,
    pub bytes: u64,
    pub done: Option<Done>, // of a destroy
    pub payloads: Vec<Vec<Buf>>,
    pub frame: Frame,
    pub status: Status,
}
unsafe impl Send for Pending {}

#[derive(Clone, Copy, Default)]
pub struct Lane {
    pub bytes: u64, // accepted and not completed
    pub wants_writable: bool,
}

pub struct State {
    pub groups: BTreeMap<u64, Group>,
    pub queue: Vec<Pending>,
    pub lanes: [Lane; MAX_LANES as usize],
    pub stop_deadline_ns: Option<u64>,
    pub file: Option<Arc<File>>, // a read that is under way keeps the file that compaction has replaced
    pub reads: usize,
    pub stats: LogStats,
    pub sink: Option<LogSink>,
}
unsafe impl Send for State {} // the sink's functions are [any]

pub struct Store {
    pub host: HostView,
    pub dir: PathBuf,
    pub max_inflight_bytes: u64,
    pub compact_bytes: u64,
    poisoned: AtomicBool,
    poisoning: Mutex<()>, // the one that is held while the host is called: its fatal()
    pub state: Mutex<State>,
    pub work: Condvar, // the queue is not empty, or it stops
    quiet: Condvar,    // a read has ended
    committer: Mutex<Option<(JoinHandle<()>, File)>>, // with the lock on the directory
}

impl Store {
    pub fn new(host: HostView, dir: PathBuf, max_inflight_bytes: u64, compact_bytes: u64) -> Store {
        let state = State {
            groups: BTreeMap::new(),
            queue: Vec::new(),
            lanes: [Lane::default(); MAX_LANES as usize],
            stop_deadline_ns: None,
            file: None,
            reads: 0,
            stats: LogStats::default(),
            sink: None,
        };
        Store {
            host,
            dir,
            max_inflight_bytes,
            compact_bytes,
            poisoned: AtomicBool::new(false),
            poisoning: Mutex::new(()),
            state: Mutex::new(state),
            work: Condvar::new(),
            quiet: Condvar::new(),
            committer: Mutex::new(None),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn now(&self) -> u64 {
        (self.host.task.mono_ns)(self.host.raw)
    }

    /// The instance is over: nobody knows what is on the disk.
    pub fn poison(&self, why: &str) {
        let _one = self.poisoning.lock();
        if !self.is_poisoned() {
            (self.host.log.fatal)(self.host.raw, E_IO, Str::of(why));
            self.poisoned.store(true, Ordering::SeqCst); // LS-21: no call answers E_FATAL before the host has heard
        }
    }

    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }

    pub fn check_alive(&self) -> Answer<()> {
        if self.is_poisoned() { fail(E_FATAL, "the store is poisoned; its log says why") } else { Ok(()) }
    }

    // --- life ----------------------------------------------------------------------------------------------------------

    pub fn start(self: &Arc<Self>, sink: LogSink) -> Answer<()> {
        let io = |what: &'static str| move |error: std::io::Error| Failure(E_IO, format!("{what}: {error}"));
        let dir = File::open(&self.dir).map_err(io("the data directory cannot be opened"))?;
        if unsafe { flock(dir.as_raw_fd(), LOCK_EX_NB) } != 0 {
            return fail(E_BUSY, "another process uses this directory");
        }
        let _ = std::fs::remove_file(self.dir.join("journal.new")); // a compaction that did not come to its end
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(self.dir.join("journal"));
        let file = Arc::new(file.map_err(io("the journal cannot be opened"))?);
        let mut groups = BTreeMap::new();
        let mut journal = journal::replay(file.clone(), |frame| replayed(&mut groups, frame)).map_err(|(status, at)| {
            let text = "the journal is damaged or unreadable at byte";
            Failure(status, format!("{text} {at}; restore it, or remove the replica"))
        })?;
        // What was read may never have been synced, if the process was killed; the host relies on it from now on.
        journal.sync().and_then(|()| dir.sync_all()).map_err(io("the journal cannot be synced"))?;
        {
            let mut state = self.lock();
            state.groups = groups;
            state.file = Some(file);
            state.sink = Some(sink);
        }
        let store = self.clone();
        let thread = std::thread::Builder::new().spawn(move || store.commit_until_stopped(journal));
        *self.committer.lock().unwrap() = Some((thread.map_err(io("no thread"))?, dir));
        Ok(())
    }

    pub fn stop(&self, timeout_ns: u64) {
        self.lock().stop_deadline_ns = Some(self.now().saturating_add(timeout_ns));
        self.work.notify_one();
        if let Some((thread, lock)) = self.committer.lock().unwrap().take() {
            let _ = thread.join(); // it catches its panics
            drop(lock);
        }
        let mut state = self.lock();
        while state.reads > 0 {
            state = self.quiet.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    pub fn bytes_free(&self) -> u64 {
        const FRSIZE: usize = 1;
        const BAVAIL: usize = 4;
        let mut disk = [0u64; 16];
        let known = self.committer.lock().map_or(false, |running| {
            running.as_ref().map_or(false, |(_, dir)| unsafe { fstatvfs(dir.as_raw_fd(), &mut disk) == 0 })
        });
        if known { disk[BAVAIL] * disk[FRSIZE] } else { 0 }
    }

    // --- groups --------------------------------------------------------------------------------------------------------

    pub fn open_group(&self, id: u64, lane: u32, create: bool) -> Answer<LogBounds> {
        self.check_alive()?;
        if id == 0 || lane >= MAX_LANES {
            return fail(E_INVALID, "ids begin at 1, lanes end at 63");
        }
        let mut state = self.lock();
        if !create && !state.groups.contains_key(&id) {
            return fail(E_NOT_FOUND, "there is no such group");
        }
        // In memory only: its first operation brings it to the disk.
        let group = state.groups.entry(id).or_insert_with(Group::new);
        if group.lane.is_some() || group.dying {
            return fail(E_EXISTS, "the group is open, or being destroyed");
        }
        group.lane = Some(lane);
        group.submitted = group.completed.clone();
        Ok(LogBounds { hard_state: group.state, ..group.completed.bounds() })
    }

    pub fn close_group(&self, id: u64) {
        if let Some(group) = self.lock().groups.get_mut(&id) {
            group.lane = None;
        }
    }

    pub fn destroy_group(&self, id: u64, done: Done) -> Answer<Status> {
        self.check_alive()?;
        let mut state = self.lock();
        let Some(group) = state.groups.get_mut(&id) else { return Ok(OK) };
        if group.lane.is_some() || group.dying {
            return fail(E_INVALID, "the group is open, or being destroyed");
        }
        group.dying = true;
        group.in_flight = 1;
        let frame = Frame { opcode: FRAME_DESTROY, group: id, ..Default::default() };
        let done = Some(done);
        state.queue.push(Pending { group: id, lane: 0, tag: 0, bytes: 0, done, payloads: Vec::new(), frame, status: OK });
        self.work.notify_one();
        Ok(PENDING)
    }

    pub fn with_group<T>(&self, id: u64, body: impl FnOnce(&Group) -> T) -> Answer<T> {
        self.check_alive()?;
        match self.lock().groups.get(&id) {
            Some(group) => Ok(body(group)),
            None => fail(E_INVALID, "the group is not open"),
        }
    }

    // --- submit --------------------------------------------------------------------------------------------------------

    /// How many were accepted, and the status of the call.
    pub fn submit(&self, lane: u32, ops: &[LogOp]) -> (usize, Status) {
        if self.is_poisoned() {
            return (0, E_FATAL);
        }
        let mut state = self.lock();
        for (accepted, op) in ops.iter().enumerate() {
            let status = self.submit_one(&mut state, lane, op);
            if status != PENDING {
                self.work.notify_one();
                return (accepted, status);
            }
        }
        self.work.notify_one();
        (ops.len(), PENDING)
    }

    fn submit_one(&self, state: &mut State, lane: u32, op: &LogOp) -> Status {
        let entries = unsafe { crate::slice(op.entries, op.entry_count as usize) };
        let id = op.group as u64;
        if op.flags != 0 || lane >= MAX_LANES || (op.opcode == LOG_BARRIER) != (id == 0) {
            return E_INVALID;
        }
        if op.opcode != LOG_APPEND && (!entries.is_empty() || !op.hard_state.is_null()) {
            return E_INVALID;
        }
        let pending = match copy(lane, op, entries) {
            Some(pending) => pending,
            None => return E_INVALID,
        };
        let open = state.groups.get(&id).filter(|group| group.lane == Some(lane));
        // A failed group cancels what arrives: the host built it on operations that are gone.
        if id != 0 && !open.map_or(false, |group| group.failed || group.submitted.allows(op, entries)) {
            return E_INVALID;
        }
        let busy = &mut state.lanes[lane as usize];
        if busy.bytes > 0 && busy.bytes + pending.bytes > self.max_inflight_bytes {
            busy.wants_writable = true;
            return E_BUSY;
        }
        busy.bytes += pending.bytes;
        if let Some(group) = state.groups.get_mut(&id) {
            group.in_flight += 1;
            match op.opcode {
                _ if group.failed => {}
                LOG_APPEND if !entries.is_empty() => group.submitted.append(pending.frame.index, &pending.frame.slots),
                LOG_TRUNCATE_PREFIX => group.submitted.truncate_prefix(op.index),
                LOG_RESET => group.submitted.reset(op.index, op.term, op.offset),
                _ => {}
            }
        }
        state.queue.push(pending);
        PENDING
    }

    // --- reads ---------------------------------------------------------------------------------------------------------

    /// Looks the entries up; a task of the host's fetches their bytes. OK: nothing matches.
    pub fn read(self: &Arc<Self>, id: u64, what: &LogRead) -> Answer<Status> {
        self.check_alive()?;
        let reading = {
            let mut state = self.lock();
            let Some(group) = state.groups.get(&id) else { return fail(E_INVALID, "the group is not open") };
            let first = group.completed.find(what).map_err(|status| Failure(status, String::new()))?;
            let mut slots: Vec<Slot> = Vec::new();
            let mut bytes = 0;
            for index in first..what.end_index.max(first) {
                let slot = group.completed.at(index);
                let full = bytes + u64::from(slot.size) > what.max_bytes
                    || (what.max_entries != 0 && slots.len() == what.max_entries as usize);
                if full && !slots.is_empty() {
                    break;
                }
                bytes += u64::from(slot.size);
                slots.push(*slot);
            }
            let (Some(file), Some(lane)) = (state.file.clone(), group.lane) else { return fail(E_INVALID, "not open") };
            if slots.is_empty() {
                return Ok(OK);
            }
            state.reads += 1;
            Box::new(Reading { store: self.clone(), file, lane, tag: what.tag, first, slots })
        };
        let raw = Box::into_raw(reading) as *mut c_void;
        if (self.host.task.post_blocking)(self.host.raw, fetch, raw) != OK {
            drop(unsafe { Box::from_raw(raw as *mut Reading) });
            self.lock().reads -= 1;
            return fail(E_INTERNAL, "the host takes no task");
        }
        Ok(PENDING)
    }

    /// [control], so it may wait for the disk.
    pub fn checkpoint(&self, id: u64) -> Answer<Buf> {
        let Some(slot) = self.with_group(id, |group| group.checkpoint)? else {
            return fail(E_NOT_FOUND, "there is no checkpoint");
        };
        let file = self.lock().file.clone();
        let file = file.ok_or_else(|| Failure(E_INVALID, "not started".to_string()))?;
        match Block::read(&file, 0, &[slot]) {
            Ok(block) => Ok(block.bufs[0]),
            Err(status) => fail(status, "the checkpoint cannot be read"),
        }
    }
}

fn replayed(groups: &mut BTreeMap<u64, Group>, frame: Frame) -> Result<(), Status> {
    match frame.opcode {
        FRAME_MARK => Ok(()),
        FRAME_DESTROY => {
            groups.remove(&frame.group);
            Ok(())
        }
        _ => groups.entry(frame.group).or_insert_with(Group::new).apply(&frame),
    }
}

/// The operation with arrays of our own; None: something in it is too large.
fn copy(lane: u32, op: &LogOp, entries: &[LogEntry]) -> Option<Pending> {
    let mut slots = Vec::with_capacity(entries.len());
    let mut payloads = Vec::with_capacity(entries.len());
    let mut bytes = OP_BYTES;
    for entry in entries {
        let parts = unsafe { crate::slice(entry.bufs, entry.buf_count as usize) }.to_vec();
        let size = parts.iter().map(|part| part.size as u64).sum::<u64>();
        if size > MAX_ENTRY_BYTES || entry.reserved != 0 {
            return None;
        }
        slots.push(Slot {
            term: entry.term,
            base_offset: entry.base_offset,
            max_timestamp: entry.max_timestamp,
            offset_count: entry.offset_count,
            kind: entry.kind,
            size: size as u32,
            ..Default::default()
        });
        payloads.push(parts);
        bytes += size;
    }
    if op.opcode == LOG_CHECKPOINT {
        if op.blob.size as u64 > MAX_CHECKPOINT_BYTES {
            return None;
        }
        slots.push(Slot { size: op.blob.size as u32, ..Default::default() });
        payloads.push(vec![op.blob]);
        bytes += op.blob.size as u64;
    }
    let frame = Frame {
        opcode: op.opcode,
        group: op.group as u64,
        state: unsafe { op.hard_state.as_ref() }.copied(),
        index: entries.first().map_or(op.index, |entry| entry.index),
        term: op.term,
        offset: op.offset,
        slots,
    };
    Some(Pending { group: op.group as u64, lane, tag: op.tag, bytes, done: None, payloads, frame, status: OK })
}

// --- bytes for the host --------------------------------------------------------------------------------------------------

struct Reading {
    store: Arc<Store>,
    file: Arc<File>,
    lane: u32,
    tag: u64,
    first: u64, // index of slots[0]
    slots: Vec<Slot>,
}

/// Entries, views and bytes of one answer; freed with the last reference.
#[repr(C)]
struct Block {
    owner: Owner,
    refs: AtomicUsize,
    entries: Vec<LogEntry>,
    bufs: Vec<Buf>,
    bytes: Vec<u8>,
}

extern "C" fn retain(owner: *mut Owner) {
    unsafe { &*(owner as *mut Block) }.refs.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn release(owner: *mut Owner) {
    let block = owner as *mut Block;
    if unsafe { &*block }.refs.fetch_sub(1, Ordering::SeqCst) == 1 {
        drop(unsafe { Box::from_raw(block) });
    }
}

impl Block {
    /// With one reference, which is the receiver's.
    fn read(file: &File, first: u64, slots: &[Slot]) -> Result<&'static Block, Status> {
        let mut bytes = vec![0u8; slots.iter().map(|slot| slot.size as usize).sum()];
        let mut at = 0;
        for slot in slots {
            journal::read_slot(file, slot, &mut bytes[at..at + slot.size as usize])?;
            at += slot.size as usize;
        }
        let owner = Owner { retain, release };
        let block = Block { owner, refs: AtomicUsize::new(1), entries: Vec::new(), bufs: Vec::new(), bytes };
        let block = Box::leak(Box::new(block));
        let owner: *mut Owner = &mut block.owner;
        let mut at = 0;
        for slot in slots {
            let data = block.bytes[at..].as_ptr() as *const c_void;
            block.bufs.push(Buf { data, size: slot.size as usize, owner });
            at += slot.size as usize;
        }
        for (i, slot) in slots.iter().enumerate() {
            block.entries.push(LogEntry {
                index: first + i as u64,
                term: slot.term,
                base_offset: slot.base_offset,
                max_timestamp: slot.max_timestamp,
                offset_count: slot.offset_count,
                kind: slot.kind,
                buf_count: 1,
                reserved: 0,
                bufs: &block.bufs[i],
            });
        }
        Ok(block)
    }
}

extern "C" fn fetch(arg: *mut c_void) {
    let reading = unsafe { Box::from_raw(arg as *mut Reading) };
    let store = reading.store.clone();
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Block::read(&reading.file, reading.first, &reading.slots)
    }));
    let (status, slice, why) = match answer.unwrap_or(Err(E_INTERNAL)) {
        Ok(block) => {
            let owner = &block.owner as *const Owner as *mut Owner;
            (OK, LogSlice { entries: block.entries.as_ptr(), count: block.entries.len(), owner }, "")
        }
        Err(status) => {
            let none = LogSlice { entries: std::ptr::null(), count: 0, owner: std::ptr::null_mut() };
            (status, none, "the journal's bytes could not be read, or fail their checksum")
        }
    };
    let sink = store.lock().sink;
    if let Some(sink) = sink {
        (sink.on_read)(sink.ctx, reading.lane, reading.tag, status, slice, Str::of(why));
    }
    store.lock().reads -= 1;
    store.quiet.notify_one();
}
