// SPDX-License-Identifier: Apache-2.0
//! The committing thread: takes all that is queued, writes it, syncs once, reports, and rewrites the journal when less than
//! half of it is alive.

use crate::ffi::*;
use crate::journal::{self, Frame, Journal, FRAME_DESTROY, FRAME_MARK};
use crate::log::Slot;
use crate::store::{Pending, Store};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

const ENTRIES_IN_FRAME: usize = 64;

impl Store {
    pub fn commit_until_stopped(&self, mut journal: Journal) {
        let mut compacted = 0; // size of the file when it was last rewritten, or could not be
        while let Some((mut batch, cancel)) = self.next_batch() {
            let committed = catch_unwind(AssertUnwindSafe(|| {
                self.write_all(&mut journal, &mut batch, cancel);
                self.sync(&mut journal, &mut batch);
            }));
            if committed.is_err() {
                self.poison("the committing thread panicked; its message is in the standard error");
                batch.iter_mut().for_each(|pending| pending.status = E_FATAL);
            }
            self.report(batch);
            if !self.is_poisoned() && journal.tail >= compacted + self.compact_bytes {
                let _ = catch_unwind(AssertUnwindSafe(|| self.compact(&mut journal)));
                compacted = journal.tail;
            }
        }
        // The mark proves to recovery that all in front of it was on the disk.
        let mut mark = Frame { opcode: FRAME_MARK, ..Default::default() };
        if !self.is_poisoned() && journal.append(&mut mark, &[]).is_ok() {
            let _ = journal.sync();
        }
    }

    /// What is queued, and whether it is too late to write it. None: it is stopped.
    fn next_batch(&self) -> Option<(Vec<Pending>, bool)> {
        let mut state = self.lock();
        while state.queue.is_empty() && state.stop_deadline_ns.is_none() {
            state = self.work.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        if state.queue.is_empty() {
            return None;
        }
        let batch = std::mem::take(&mut state.queue);
        let deadline = state.stop_deadline_ns;
        drop(state);
        Some((batch, deadline.map_or(false, |deadline| self.now() >= deadline)))
    }

    fn write_all(&self, journal: &mut Journal, batch: &mut [Pending], cancel: bool) {
        for pending in batch {
            let failed = self.lock().groups.get(&pending.group).map_or(false, |group| group.failed);
            pending.status = if self.is_poisoned() {
                E_FATAL
            } else if cancel || failed {
                E_CANCELLED
            } else if pending.group == 0 {
                OK
            } else {
                self.write(journal, pending)
            };
            if pending.status < 0 {
                if let Some(group) = self.lock().groups.get_mut(&pending.group) {
                    group.failed = true;
                }
            }
        }
    }

    fn write(&self, journal: &mut Journal, pending: &mut Pending) -> Status {
        let part = |buf: &Buf| unsafe { crate::slice(buf.data as *const u8, buf.size) };
        let payloads: Vec<Vec<&[u8]>> = pending.payloads.iter().map(|parts| parts.iter().map(part).collect()).collect();
        match journal.append(&mut pending.frame, &payloads) {
            Ok(()) => OK,
            Err(error) if is_full(&error) => E_NO_SPACE, // the host tries again later; nothing of it is in the file
            Err(error) => {
                self.poison(&format!("the journal cannot be written: {error}"));
                E_FATAL
            }
        }
    }

    /// One sync for everything that was written. After a failed one nobody knows what is on the disk, and trying again would
    /// lie: the instance is over (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
    fn sync(&self, journal: &mut Journal, batch: &mut [Pending]) {
        if journal.durable != journal.tail && !self.is_poisoned() {
            let begin = self.now();
            let synced = journal.sync();
            let took = self.now() - begin;
            let mut state = self.lock();
            state.stats.syncs += 1;
            state.stats.sync_ns_total += took;
            state.stats.sync_ns_max = state.stats.sync_ns_max.max(took);
            drop(state);
            if synced.is_err() {
                self.poison("fdatasync failed; what it should have written is unknown");
            }
        }
        if self.is_poisoned() {
            batch.iter_mut().for_each(|pending| pending.status = E_FATAL);
        }
    }

    /// In the order of submission, one call for each run of one lane and status.
    fn report(&self, batch: Vec<Pending>) {
        let Some(sink) = self.lock().sink else { return };
        let mut run: Vec<LogCqe> = Vec::new();
        let mut of = (0, OK); // lane and status of the run
        let flush = |run: &mut Vec<LogCqe>, (lane, status): (u32, Status)| {
            if !run.is_empty() {
                (sink.on_complete)(sink.ctx, lane, run.as_ptr(), run.len(), Str::of(why(status)));
                run.clear();
            }
        };
        for pending in batch {
            if of != (pending.lane, pending.status) || pending.done.is_some() {
                flush(&mut run, of);
                of = (pending.lane, pending.status);
            }
            let cqe = self.finish(&pending);
            match pending.done {
                Some(done) => (done.call)(done.ctx, done.tag, pending.status, Str::of(why(pending.status))),
                None => run.push(cqe),
            }
        }
        flush(&mut run, of);
        for lane in 0..crate::store::MAX_LANES {
            let mut state = self.lock();
            let busy = &mut state.lanes[lane as usize];
            let writable = busy.wants_writable && busy.bytes <= self.max_inflight_bytes / 2;
            busy.wants_writable &= !writable;
            drop(state);
            if writable {
                (sink.on_writable)(sink.ctx, lane);
            }
        }
    }

    /// Makes one operation visible.
    fn finish(&self, pending: &Pending) -> LogCqe {
        let mut state = self.lock();
        let state = &mut *state;
        state.lanes[pending.lane as usize].bytes -= pending.bytes;
        let mut cqe = LogCqe { tag: pending.tag, last_index: 0, status: pending.status, reserved: 0 };
        let Some(group) = state.groups.get_mut(&pending.group) else { return cqe };
        let destroys = pending.frame.opcode == FRAME_DESTROY;
        if pending.status == OK && !destroys {
            let _ = group.apply(&pending.frame); // its opcode was checked by submit
            cqe.last_index = group.completed.end() - 1;
            state.stats.appends += u64::from(pending.frame.opcode == LOG_APPEND);
        }
        group.in_flight -= 1;
        if group.in_flight == 0 && group.failed {
            group.failed = false;
            group.submitted = group.completed.clone();
        }
        group.dying &= !destroys;
        if destroys && pending.status == OK {
            state.groups.remove(&pending.group);
        }
        cqe
    }

    // --- compaction ----------------------------------------------------------------------------------------------------

    /// What is alive goes to a new file, which then replaces the journal. Appends wait meanwhile.
    fn compact(&self, journal: &mut Journal) {
        let alive: u64 = self.lock().groups.values().map(|g| 512 + g.completed.bytes + 64 * g.completed.slots.len() as u64).sum();
        if journal.tail <= 2 * alive {
            return;
        }
        let path = self.dir.join("journal.new");
        let (new, places) = match self.write_alive(journal, &path) {
            Ok(written) => written,
            Err(_) => {
                let _ = std::fs::remove_file(path); // the old journal is as it was; try again when it has grown
                return;
            }
        };
        let renamed = std::fs::rename(path, self.dir.join("journal"));
        if renamed.and_then(|()| File::open(&self.dir)?.sync_all()).is_err() {
            return self.poison("the compacted journal could not take the place of the old one");
        }
        let mut state = self.lock();
        for (id, slots, checkpoint) in places {
            if let Some(group) = state.groups.get_mut(&id) {
                group.completed.slots = slots;
                group.checkpoint = checkpoint;
            }
        }
        state.file = Some(new.file.clone());
        *journal = new;
    }

    /// The new file, synced, and the new places of every group's entries and checkpoint. Only this thread changes what has
    /// completed, so it may look at one group after the other.
    #[allow(clippy::type_complexity)]
    fn write_alive(
        &self,
        old: &Journal,
        path: &std::path::Path,
    ) -> io::Result<(Journal, Vec<(u64, VecDeque<Slot>, Option<Slot>)>)> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        let mut new = Journal { file: Arc::new(file), tail: 0, durable: 0 };
        let mut places = Vec::new();
        let ids: Vec<u64> = self.lock().groups.keys().copied().collect();
        for id in ids {
            let Some((log, state, checkpoint)) =
                self.lock().groups.get(&id).map(|group| (group.completed.clone(), group.state, group.checkpoint))
            else {
                continue;
            };
            let mut reset = Frame { opcode: LOG_RESET, group: id, state: Some(state), ..Default::default() };
            (reset.index, reset.term, reset.offset) = (log.first, log.prev_term, log.first_offset);
            new.append(&mut reset, &[])?;
            let mut moved = VecDeque::with_capacity(log.slots.len());
            let slots: Vec<Slot> = log.slots.into_iter().collect();
            for chunk in slots.chunks(ENTRIES_IN_FRAME) {
                let index = log.first + moved.len() as u64;
                let frame = Frame { opcode: LOG_APPEND, group: id, index, slots: chunk.to_vec(), ..Default::default() };
                moved.extend(copy_frame(old, &mut new, frame)?);
            }
            let checkpoint = match checkpoint {
                Some(slot) => {
                    let frame = Frame { opcode: LOG_CHECKPOINT, group: id, slots: vec![slot], ..Default::default() };
                    copy_frame(old, &mut new, frame)?.first().copied()
                }
                None => None,
            };
            places.push((id, moved, checkpoint));
        }
        new.durable = new.tail; // true as soon as the file has its name
        new.append(&mut Frame { opcode: FRAME_MARK, ..Default::default() }, &[])?;
        new.sync()?;
        Ok((new, places))
    }
}

/// Appends a frame whose bytes come from the old file; returns its slots with their new places.
fn copy_frame(old: &Journal, new: &mut Journal, mut frame: Frame) -> io::Result<Vec<Slot>> {
    let mut payloads = Vec::new();
    for slot in &frame.slots {
        let mut bytes = vec![0u8; slot.size as usize];
        journal::read_slot(&old.file, slot, &mut bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        payloads.push(bytes);
    }
    let parts: Vec<Vec<&[u8]>> = payloads.iter().map(|bytes| vec![bytes.as_slice()]).collect();
    new.append(&mut frame, &parts)?;
    Ok(frame.slots)
}

fn is_full(error: &io::Error) -> bool {
    const ENOSPC: i32 = 28;
    const EDQUOT: i32 = 122;
    matches!(error.raw_os_error(), Some(ENOSPC) | Some(EDQUOT))
}

fn why(status: Status) -> &'static str {
    match status {
        OK => "",
        E_NO_SPACE => "the disk is full",
        E_FATAL => "the store is poisoned; its log says why",
        _ => "an earlier operation of the group failed, or the store stops",
    }
}
