// SPDX-License-Identifier: Apache-2.0
//! The file: frames one after the other, each with checksums, written by one thread. The format is that of ../store_c,
//! whose README.md has it.

use crate::ffi::{HardState, Status, E_CORRUPT, E_IO};
use crate::log::Slot;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Opcodes beside LOG_*.
pub const FRAME_DESTROY: u32 = 100;
pub const FRAME_MARK: u32 = 101; // says only how far the file is on disk

const MAGIC: u32 = 0x314A_5343; // "CSJ1"
const ALIGN: u64 = 8;
const HEAD: usize = 104;
const ROW: usize = 40;

/// What one frame says. A checkpoint has one slot for its bytes.
#[derive(Default)]
pub struct Frame {
    pub opcode: u32,
    pub group: u64,
    pub state: Option<HardState>,
    pub index: u64, // of the first entry; of TRUNCATE_PREFIX and RESET
    pub term: u64,
    pub offset: i64,
    pub slots: Vec<Slot>,
}

pub struct Journal {
    pub file: Arc<File>,
    pub tail: u64,    // where the next frame goes
    pub durable: u64, // what lies below has been synced
}

// --- CRC-32C, eight bytes a step by eight tables (Kounavis and Berry, ISCC 2005) -----------------------------------------

const fn make_tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ if crc & 1 != 0 { 0x82F6_3B78 } else { 0 };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut row = 1;
    while row < 8 {
        i = 0;
        while i < 256 {
            let before = tables[row - 1][i];
            tables[row][i] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            i += 1;
        }
        row += 1;
    }
    tables
}

static TABLES: [[u32; 256]; 8] = make_tables();

/// CRC-32C of more bytes after those that gave `crc`; 0 to begin with.
pub fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    let mut crc = !crc;
    let mut steps = bytes.chunks_exact(8);
    for step in &mut steps {
        let word = u64::from_le_bytes(step.try_into().unwrap()) ^ u64::from(crc);
        crc = (0..8).fold(0, |sum, i| sum ^ TABLES[7 - i][(word >> (8 * i)) as usize & 0xFF]);
    }
    for byte in steps.remainder() {
        crc = (crc >> 8) ^ TABLES[0][((crc ^ u32::from(*byte)) & 0xFF) as usize];
    }
    !crc
}

// --- writing -----------------------------------------------------------------------------------------------------------

impl Journal {
    /// Writes a frame with the payloads of its slots, each in parts, and fills in `at` and `crc` of its slots. After an error the file is as before, or
    /// the error is not one of a full disk.
    pub fn append(&mut self, frame: &mut Frame, payloads: &[Vec<&[u8]>]) -> io::Result<()> {
        let head_size = HEAD + frame.slots.len() * ROW;
        let mut bytes = vec![0u8; head_size];
        for (i, (slot, payload)) in frame.slots.iter_mut().zip(payloads).enumerate() {
            slot.at = self.tail + bytes.len() as u64;
            slot.crc = 0;
            for part in payload {
                slot.crc = crc32c(slot.crc, part);
                bytes.extend_from_slice(part);
            }
            write_row(&mut bytes[HEAD + i * ROW..][..ROW], slot);
        }
        bytes.resize((bytes.len() as u64).next_multiple_of(ALIGN) as usize, 0);
        write_head(&mut bytes, self, frame);
        let crc = crc32c(0, &bytes[8..head_size]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        if let Err(error) = self.file.write_all_at(&bytes, self.tail) {
            self.file.set_len(self.tail).map_err(|_| io::Error::from(io::ErrorKind::Other))?;
            return Err(error);
        }
        self.tail += bytes.len() as u64;
        Ok(())
    }

    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.durable = self.tail;
        Ok(())
    }
}

fn put(bytes: &mut [u8], at: &mut usize, value: u64, size: usize) {
    bytes[*at..*at + size].copy_from_slice(&value.to_le_bytes()[..size]);
    *at += size;
}

fn write_row(row: &mut [u8], slot: &Slot) {
    let mut at = 0;
    for value in [slot.term, slot.base_offset as u64, slot.max_timestamp as u64] {
        put(row, &mut at, value, 8);
    }
    for value in [slot.offset_count, slot.kind, slot.size, slot.crc] {
        put(row, &mut at, u64::from(value), 4);
    }
}

/// All but the checksum.
fn write_head(bytes: &mut [u8], journal: &Journal, frame: &Frame) {
    let size = bytes.len() as u64;
    let state = frame.state.unwrap_or_default();
    let mut at = 0;
    put(bytes, &mut at, u64::from(MAGIC), 4);
    at += 4;
    for value in [journal.tail, journal.durable, size, frame.group] {
        put(bytes, &mut at, value, 8);
    }
    put(bytes, &mut at, u64::from(frame.opcode), 4);
    put(bytes, &mut at, frame.slots.len() as u64, 4);
    for value in [u64::from(frame.state.is_some()), state.term, state.vote, state.commit, frame.index, frame.term] {
        put(bytes, &mut at, value, 8);
    }
    put(bytes, &mut at, frame.offset as u64, 8);
}

// --- reading -----------------------------------------------------------------------------------------------------------

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// The bytes of a slot, checked.
pub fn read_slot(file: &File, slot: &Slot, to: &mut [u8]) -> Result<(), Status> {
    match file.read_exact_at(to, slot.at) {
        Ok(()) if crc32c(0, to) == slot.crc => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(E_IO),
        _ => Err(E_CORRUPT),
    }
}

/// The head of a frame with its rows; None: there is none.
fn read_head(file: &File, at: u64, file_size: u64) -> io::Result<Option<Vec<u8>>> {
    if file_size - at < HEAD as u64 {
        return Ok(None);
    }
    let mut head = vec![0u8; HEAD];
    file.read_exact_at(&mut head, at)?;
    let size = HEAD as u64 + u64::from(u32_at(&head, 44)) * ROW as u64;
    let left = file_size - at;
    if u32_at(&head, 0) != MAGIC || u64_at(&head, 8) != at || size > left || u64_at(&head, 24) > left {
        return Ok(None);
    }
    head.resize(size as usize, 0);
    file.read_exact_at(&mut head, at)?;
    Ok(if crc32c(0, &head[8..]) == u32_at(&head, 4) { Some(head) } else { None })
}

/// A frame whose payloads were checked, and its size; None: there is none.
fn read_frame(file: &File, at: u64, file_size: u64) -> Result<Option<(Frame, u64)>, Status> {
    let Some(head) = read_head(file, at, file_size).map_err(|_| E_IO)? else { return Ok(None) };
    let word = |i: usize| u64_at(&head, i);
    let state = HardState { term: word(56), vote: word(64), commit: word(72) };
    let mut frame = Frame {
        opcode: u32_at(&head, 40),
        group: word(32),
        state: if word(48) != 0 { Some(state) } else { None },
        index: word(80),
        term: word(88),
        offset: word(96) as i64,
        slots: Vec::new(),
    };
    let mut payload = at + head.len() as u64;
    let mut bytes = Vec::new();
    for row in head[HEAD..].chunks_exact(ROW) {
        let slot = Slot {
            term: u64_at(row, 0),
            base_offset: u64_at(row, 8) as i64,
            max_timestamp: u64_at(row, 16) as i64,
            at: payload,
            offset_count: u32_at(row, 24),
            kind: u32_at(row, 28),
            size: u32_at(row, 32),
            crc: u32_at(row, 36),
        };
        bytes.resize(slot.size as usize, 0);
        match read_slot(file, &slot, &mut bytes) {
            Ok(()) => {}
            Err(E_CORRUPT) => return Ok(None),
            Err(status) => return Err(status),
        }
        payload += u64::from(slot.size);
        frame.slots.push(slot);
    }
    Ok(Some((frame, word(24))))
}

/// A bad frame at `bad` is a torn write unless a later frame says that it had been synced. The frames of one commit reach the
/// disk in any order, so that a later frame alone proves nothing.
fn is_damage(file: &File, bad: u64, file_size: u64) -> io::Result<bool> {
    let mut chunk = vec![0u8; 1 << 16];
    let mut at = bad + ALIGN;
    while at + HEAD as u64 <= file_size {
        let size = chunk.len().min((file_size - at) as usize);
        file.read_exact_at(&mut chunk[..size], at)?;
        for i in (0..size.saturating_sub(3)).step_by(ALIGN as usize) {
            if u32_at(&chunk, i) == MAGIC {
                if let Some(head) = read_head(file, at + i as u64, file_size)? {
                    if u64_at(&head, 16) > bad {
                        return Ok(true);
                    }
                }
            }
        }
        at += size.next_multiple_of(ALIGN as usize) as u64;
    }
    Ok(false)
}

/// Reads everything from the beginning and calls `apply` for each frame. A torn write at the end is cut off. An error comes
/// with the place in the file; E_CORRUPT: something in front of what had been synced does not fit its checksum.
pub fn replay(file: Arc<File>, mut apply: impl FnMut(Frame) -> Result<(), Status>) -> Result<Journal, (Status, u64)> {
    let file_size = file.metadata().map_err(|_| (E_IO, 0))?.len();
    let mut tail = 0;
    while tail < file_size {
        let Some((frame, size)) = read_frame(&file, tail, file_size).map_err(|status| (status, tail))? else { break };
        apply(frame).map_err(|status| (status, tail))?;
        tail += size;
    }
    if tail < file_size {
        if is_damage(&file, tail, file_size).map_err(|_| (E_IO, tail))? {
            return Err((E_CORRUPT, tail));
        }
        file.set_len(tail).map_err(|_| (E_IO, tail))?;
    }
    Ok(Journal { file, tail, durable: 0 })
}
