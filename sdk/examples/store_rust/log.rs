// SPDX-License-Identifier: Apache-2.0
//! One log without its bytes: where each entry's payload is, and the rules that an operation must keep. A group has two: of
//! what was submitted, which new operations are checked against, and of what has completed, which is read.

use crate::ffi::*;
use std::collections::VecDeque;

/// An entry, or a checkpoint's bytes. `at`: where the payload begins in the journal.
#[derive(Clone, Copy, Default)]
pub struct Slot {
    pub term: u64,
    pub base_offset: i64,
    pub max_timestamp: i64,
    pub at: u64,
    pub offset_count: u32,
    pub kind: u32,
    pub size: u32,
    pub crc: u32,
}

#[derive(Clone)]
pub struct Log {
    pub first: u64, // index of the first entry
    pub prev_term: u64,
    pub first_offset: i64,
    pub bytes: u64, // of all payloads
    pub slots: VecDeque<Slot>,
}

impl Log {
    pub fn new() -> Log {
        Log { first: 1, prev_term: 0, first_offset: 0, bytes: 0, slots: VecDeque::new() }
    }

    /// Last index + 1.
    pub fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    pub fn at(&self, index: u64) -> &Slot {
        &self.slots[(index - self.first) as usize]
    }

    fn term_before(&self, index: u64) -> u64 {
        if index == self.first { self.prev_term } else { self.at(index - 1).term }
    }

    /// Where the entry begins, or would begin.
    fn offset_at(&self, index: u64) -> i64 {
        if index == self.first {
            return self.first_offset;
        }
        let before = self.at(index - 1);
        before.base_offset + i64::from(before.offset_count)
    }

    /// Whether the operation keeps the rules of chr_log_op.
    pub fn allows(&self, op: &LogOp, entries: &[LogEntry]) -> bool {
        match op.opcode {
            LOG_APPEND => self.allows_append(entries, !op.hard_state.is_null()),
            LOG_TRUNCATE_PREFIX => op.index <= self.end(),
            LOG_RESET => op.index > 0 && op.offset >= 0,
            LOG_CHECKPOINT => true,
            _ => false,
        }
    }

    fn allows_append(&self, entries: &[LogEntry], has_state: bool) -> bool {
        let Some(first) = entries.first() else { return has_state };
        if first.index < self.first || first.index > self.end() {
            return false;
        }
        let mut term = self.term_before(first.index);
        let mut offset = self.offset_at(first.index);
        for (i, entry) in entries.iter().enumerate() {
            if entry.index != first.index + i as u64 || entry.term < term || entry.base_offset != offset {
                return false;
            }
            term = entry.term;
            offset += i64::from(entry.offset_count);
        }
        true
    }

    /// Drops the old suffix.
    pub fn append(&mut self, index: u64, slots: &[Slot]) {
        while self.end() > index {
            self.bytes -= self.slots.pop_back().map_or(0, |slot| u64::from(slot.size));
        }
        self.bytes += slots.iter().map(|slot| u64::from(slot.size)).sum::<u64>();
        self.slots.extend(slots);
    }

    pub fn truncate_prefix(&mut self, index: u64) {
        if index <= self.first {
            return;
        }
        self.prev_term = self.term_before(index);
        self.first_offset = self.offset_at(index);
        self.bytes -= self.slots.drain(..(index - self.first) as usize).map(|slot| u64::from(slot.size)).sum::<u64>();
        self.first = index;
    }

    pub fn reset(&mut self, index: u64, prev_term: u64, next_offset: i64) {
        *self = Log { first: index, prev_term, first_offset: next_offset, ..Log::new() };
    }

    /// Where a read begins; `what.end_index` or more: nothing matches. A scan: a store for large logs keeps an index.
    pub fn find(&self, what: &LogRead) -> Result<u64, Status> {
        if what.by > BY_MAX_TIMESTAMP || what.end_index > self.end() {
            return Err(E_INVALID);
        }
        if what.by == BY_INDEX {
            let index = what.key as u64;
            return if index < self.first || index > self.end() { Err(E_RANGE) } else { Ok(index) };
        }
        if what.by == BY_OFFSET && what.key < self.first_offset {
            return Err(E_RANGE);
        }
        let mut data = (self.first..what.end_index).filter(|index| self.at(*index).offset_count > 0);
        let found = match what.by {
            BY_OFFSET => data.find(|i| self.at(*i).base_offset + i64::from(self.at(*i).offset_count) > what.key),
            BY_MAX_TIMESTAMP => data.reduce(|best, i| {
                if self.at(i).max_timestamp > self.at(best).max_timestamp { i } else { best }
            }),
            _ => data.find(|i| self.at(*i).max_timestamp >= what.key),
        };
        Ok(found.unwrap_or(u64::MAX))
    }

    pub fn terms(&self) -> Vec<LogTerm> {
        let mut rows: Vec<LogTerm> = Vec::new();
        for (i, slot) in self.slots.iter().enumerate() {
            if rows.last().map_or(true, |row| row.term != slot.term) {
                rows.push(LogTerm { term: slot.term, first_index: self.first + i as u64, first_offset: slot.base_offset });
            }
        }
        rows
    }

    pub fn bounds(&self) -> LogBounds {
        LogBounds {
            first_index: self.first,
            last_index: self.end() - 1,
            prev_term: self.prev_term,
            last_term: self.term_before(self.end()),
            first_offset: self.first_offset,
            next_offset: self.offset_at(self.end()),
            bytes: self.bytes,
            ..Default::default()
        }
    }
}
