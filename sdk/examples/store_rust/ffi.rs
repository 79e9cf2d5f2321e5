// SPDX-License-Identifier: Apache-2.0
//! The headers of chronik in Rust, as far as a log store needs them: abi.h, host.h, plugin.h, log_store.h. Names are those of
//! the headers without `chr_`. The assertions at the end fail to compile where a layout differs from version 1.0.

use std::ffi::c_void;
use std::mem::size_of;
use std::os::raw::c_char;

pub type Status = i32;
pub const OK: Status = 0;
pub const PENDING: Status = 1;
pub const E_INVALID: Status = -1;
pub const E_NOT_FOUND: Status = -2;
pub const E_EXISTS: Status = -3;
pub const E_BUSY: Status = -4;
pub const E_RANGE: Status = -5;
pub const E_CORRUPT: Status = -6;
pub const E_IO: Status = -7;
pub const E_NO_SPACE: Status = -8;
pub const E_CANCELLED: Status = -10;
pub const E_UNSUPPORTED: Status = -11;
pub const E_INTERNAL: Status = -16;
pub const E_FATAL: Status = -17;

pub const ABI_EPOCH: u32 = 1;
pub const LOG_STORE_1: &[u8] = b"chronik.log_store/1\0";
pub const HOST_LOG_1: &[u8] = b"chronik.host.log/1\0";
pub const HOST_CONFIG_1: &[u8] = b"chronik.host.config/1\0";
pub const HOST_TASK_1: &[u8] = b"chronik.host.task/1\0";

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    pub data: *const c_char,
    pub size: usize,
}

impl Str {
    pub fn of(text: &str) -> Str {
        Str { data: text.as_ptr() as *const c_char, size: text.len() }
    }
}

#[repr(C)]
pub struct Error {
    pub struct_size: u32,
    pub code: Status,
    pub os_errno: i32,
    pub flags: u32,
    pub message: [u8; 232],
}

#[repr(C)]
pub struct Owner {
    pub retain: extern "C" fn(*mut Owner),
    pub release: extern "C" fn(*mut Owner),
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Buf {
    pub data: *const c_void,
    pub size: usize,
    pub owner: *mut Owner,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Done {
    pub call: extern "C" fn(*mut c_void, u64, Status, Str),
    pub ctx: *mut c_void,
    pub tag: u64,
}

// --- host.h ----------------------------------------------------------------------------------------------------------

#[repr(C)]
pub struct Host {
    pub struct_size: u32,
    pub abi_epoch: u32,
    pub ctx: *mut c_void,
    pub name: *const c_char,
    pub version: *const c_char,
    pub get_service: extern "C" fn(*const Host, *const c_char) -> *const c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct HostLog {
    pub struct_size: u32,
    pub reserved: u32,
    pub enabled: extern "C" fn(*const Host, i32) -> i32,
    pub write: extern "C" fn(*const Host, i32, Str, *const c_char, i32),
    pub fatal: extern "C" fn(*const Host, Status, Str),
}

#[repr(C)]
pub struct HostConfig {
    pub struct_size: u32,
    pub reserved: u32,
    pub get_str: extern "C" fn(*const Host, *const c_char, *mut Str) -> Status,
    pub get_int: extern "C" fn(*const Host, *const c_char, *mut i64) -> Status,
    pub get_f64: extern "C" fn(*const Host, *const c_char, *mut f64) -> Status,
    pub data_dir: extern "C" fn(*const Host) -> Str,
}

pub type TaskFn = extern "C" fn(*mut c_void);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct HostTask {
    pub struct_size: u32,
    pub reserved: u32,
    pub mono_ns: extern "C" fn(*const Host) -> u64,
    pub wall_ns: extern "C" fn(*const Host) -> u64,
    pub post: extern "C" fn(*const Host, TaskFn, *mut c_void) -> Status,
    pub post_blocking: extern "C" fn(*const Host, TaskFn, *mut c_void) -> Status,
    pub timer: extern "C" fn(*const Host, u64, u64, TaskFn, *mut c_void, *mut u64) -> Status,
    pub timer_cancel: extern "C" fn(*const Host, u64),
}

// --- plugin.h --------------------------------------------------------------------------------------------------------

#[repr(C)]
pub struct Opt {
    pub key: *const c_char,
    pub kind: *const c_char,
    pub dflt: *const c_char,
    pub range: *const c_char,
    pub doc: *const c_char,
    pub flags: u64,
}

#[repr(C)]
pub struct Iface {
    pub id: *const c_char,
    pub table: *const c_void,
}

#[repr(C)]
pub struct Plugin {
    pub struct_size: u32,
    pub abi_epoch: u32,
    pub id: *const c_char,
    pub version: *const c_char,
    pub vendor: *const c_char,
    pub license: *const c_char,
    pub url: *const c_char,
    pub built_with: *const c_char,
    pub options: *const Opt,
    pub option_count: u32,
    pub iface_count: u32,
    pub ifaces: *const Iface,
    pub validate: Option<extern "C" fn(*const Host, *mut Error) -> Status>,
    pub create: Option<extern "C" fn(*const Host, *const c_char, *mut *mut c_void, *mut Error) -> Status>,
    pub start: Option<extern "C" fn(*mut c_void, *const c_void, Done, *mut Error) -> Status>,
    pub stop: Option<extern "C" fn(*mut c_void, u64, Done) -> Status>,
    pub destroy: Option<extern "C" fn(*mut c_void)>,
    pub reconfigure: Option<extern "C" fn(*mut c_void, *const *const c_char, usize, *mut Error) -> Status>,
    pub get_extension: Option<extern "C" fn(*mut c_void, *const c_char) -> *const c_void>,
}

// --- log_store.h -----------------------------------------------------------------------------------------------------

pub const LOG_APPEND: u32 = 1;
pub const LOG_TRUNCATE_PREFIX: u32 = 2;
pub const LOG_RESET: u32 = 3;
pub const LOG_BARRIER: u32 = 4;
pub const LOG_CHECKPOINT: u32 = 5;
pub const BY_INDEX: u32 = 0;
pub const BY_OFFSET: u32 = 1;
pub const BY_MAX_TIMESTAMP: u32 = 3;
pub const CAP_DURABLE: u32 = 1;

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct HardState {
    pub term: u64,
    pub vote: u64,
    pub commit: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LogEntry {
    pub index: u64,
    pub term: u64,
    pub base_offset: i64,
    pub max_timestamp: i64,
    pub offset_count: u32,
    pub kind: u32,
    pub buf_count: u32,
    pub reserved: u32,
    pub bufs: *const Buf,
}

#[repr(C)]
pub struct LogOp {
    pub opcode: u32,
    pub flags: u32,
    pub group: *mut c_void,
    pub tag: u64,
    pub entries: *const LogEntry,
    pub entry_count: u64,
    pub hard_state: *const HardState,
    pub index: u64,
    pub term: u64,
    pub offset: i64,
    pub blob: Buf,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LogCqe {
    pub tag: u64,
    pub last_index: u64,
    pub status: Status,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct LogRead {
    pub struct_size: u32,
    pub by: u32,
    pub key: i64,
    pub end_index: u64,
    pub max_bytes: u64,
    pub max_entries: u32,
    pub reserved: u32,
    pub tag: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LogSlice {
    pub entries: *const LogEntry,
    pub count: usize,
    pub owner: *mut Owner,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LogSink {
    pub struct_size: u32,
    pub reserved: u32,
    pub ctx: *mut c_void,
    pub on_complete: extern "C" fn(*mut c_void, u32, *const LogCqe, usize, Str),
    pub on_writable: extern "C" fn(*mut c_void, u32),
    pub on_read: extern "C" fn(*mut c_void, u32, u64, Status, LogSlice, Str),
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct LogBounds {
    pub struct_size: u32,
    pub reserved: u32,
    pub first_index: u64,
    pub last_index: u64,
    pub prev_term: u64,
    pub last_term: u64,
    pub first_offset: i64,
    pub next_offset: i64,
    pub hard_state: HardState,
    pub bytes: u64,
    pub fault_lo: u64,
    pub fault_hi: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LogTerm {
    pub term: u64,
    pub first_index: u64,
    pub first_offset: i64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct LogCaps {
    pub struct_size: u32,
    pub flags: u32,
    pub max_entry_bytes: u64,
    pub max_inflight_bytes: u64,
    pub max_checkpoint_bytes: u64,
    pub max_groups: u64,
    pub max_lanes: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct LogStats {
    pub struct_size: u32,
    pub reserved: u32,
    pub groups: u64,
    pub bytes_used: u64,
    pub bytes_free: u64,
    pub inflight_bytes: u64,
    pub appends: u64,
    pub syncs: u64,
    pub sync_ns_total: u64,
    pub sync_ns_max: u64,
}

type Each = extern "C" fn(*mut c_void, u64);

#[repr(C)]
pub struct LogStore {
    pub struct_size: u32,
    pub reserved: u32,
    pub caps: extern "C" fn(*mut c_void, *mut LogCaps) -> Status,
    pub list_groups: extern "C" fn(*mut c_void, Each, *mut c_void, *mut Error) -> Status,
    pub open_group:
        extern "C" fn(*mut c_void, u64, u32, i32, *mut *mut c_void, *mut LogBounds, *mut Error) -> Status,
    pub close_group: extern "C" fn(*mut c_void, *mut c_void),
    pub destroy_group: extern "C" fn(*mut c_void, u64, Done) -> Status,
    pub submit: extern "C" fn(*mut c_void, u32, *const LogOp, usize, *mut usize) -> Status,
    pub bounds: extern "C" fn(*mut c_void, *mut c_void, *mut LogBounds) -> Status,
    pub terms: extern "C" fn(*mut c_void, *mut c_void, *mut LogTerm, usize, *mut usize) -> Status,
    pub read: extern "C" fn(*mut c_void, *mut c_void, *const LogRead, *mut LogSlice) -> Status,
    pub checkpoint: extern "C" fn(*mut c_void, *mut c_void, *mut Buf, *mut Error) -> Status,
    pub stats: extern "C" fn(*mut c_void, *mut LogStats) -> Status,
}

const _: () = assert!(size_of::<Error>() == 248 && size_of::<Buf>() == 24 && size_of::<Done>() == 24);
const _: () = assert!(size_of::<Host>() == 40 && size_of::<HostLog>() == 32 && size_of::<HostConfig>() == 40);
const _: () = assert!(size_of::<HostTask>() == 56 && size_of::<Opt>() == 48 && size_of::<Iface>() == 16);
const _: () = assert!(size_of::<Plugin>() == 136 && size_of::<LogEntry>() == 56 && size_of::<LogOp>() == 96);
const _: () = assert!(size_of::<LogCqe>() == 24 && size_of::<LogRead>() == 48 && size_of::<LogSlice>() == 24);
const _: () = assert!(size_of::<LogSink>() == 40 && size_of::<LogBounds>() == 104 && size_of::<LogTerm>() == 24);
const _: () = assert!(size_of::<LogCaps>() == 48 && size_of::<LogStats>() == 72 && size_of::<LogStore>() == 96);
