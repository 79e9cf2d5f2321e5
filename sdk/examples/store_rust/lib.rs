// SPDX-License-Identifier: Apache-2.0
//! A durable log store in Rust, without a crate: what the plugin exports. Every entry catches panics, because unwinding into C
//! ends the process; inside, everything is ordinary Rust. README.md walks through it.

mod commit;
mod ffi;
mod journal;
mod log;
mod store;

use ffi::*;
use std::ffi::{c_void, CStr};
use std::mem::size_of;
use std::os::raw::c_char;
use std::os::unix::ffi::OsStrExt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null;
use std::sync::Arc;
use store::{fail, Answer, Failure, HostView, Store};

/// # Safety
/// `data` points to `count` values that outlive the slice; it may be NULL if there are none.
pub unsafe fn slice<'a, T>(data: *const T, count: usize) -> &'a [T] {
    if count == 0 { &[] } else { std::slice::from_raw_parts(data, count) }
}

/// Runs the body of an entry: a failure becomes a status and a text, a panic E_INTERNAL.
fn guard(err: *mut Error, body: impl FnOnce() -> Answer<Status>) -> Status {
    let answer = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| fail(E_INTERNAL, "the plugin panicked"));
    answer.unwrap_or_else(|Failure(status, text)| {
        if !err.is_null() {
            let mut mine = Error { struct_size: 0, code: status, os_errno: 0, flags: 0, message: [0; 232] };
            let size = text.len().min(mine.message.len() - 1);
            mine.message[..size].copy_from_slice(&text.as_bytes()[..size]);
            unsafe { copy_out(err, &mine) };
        }
        status
    })
}

/// Fills in a struct of the caller, which begins with its struct_size, and never a byte beyond that.
unsafe fn copy_out<T>(theirs: *mut T, mine: &T) {
    let size = *(theirs as *const u32) as usize;
    let rest = size.min(size_of::<T>()) - size_of::<u32>();
    let from = (mine as *const T as *const u8).add(size_of::<u32>());
    std::ptr::copy_nonoverlapping(from, (theirs as *mut u8).add(size_of::<u32>()), rest);
}

/// The object behind `self`: one reference of an Arc, which destroy gives back.
fn store_of<'a>(this: *mut c_void) -> &'a Store {
    unsafe { &*(this as *const Store) }
}

fn shared(this: *mut c_void) -> Arc<Store> {
    unsafe {
        Arc::increment_strong_count(this as *const Store);
        Arc::from_raw(this as *const Store)
    }
}

// --- life ----------------------------------------------------------------------------------------------------------------

unsafe fn service<T>(host: *const Host, id: &[u8]) -> Answer<&'static T> {
    let table = ((*host).get_service)(host, id.as_ptr() as *const c_char) as *const T;
    table.as_ref().map_or_else(|| fail(E_UNSUPPORTED, "the host lacks a service that this store needs"), Ok)
}

unsafe fn get_int(host: *const Host, config: &HostConfig, key: &[u8]) -> Answer<u64> {
    let mut value = 0;
    match (config.get_int)(host, key.as_ptr() as *const c_char, &mut value) {
        OK => Ok(value as u64),
        status => fail(status, "the host keeps an option back"),
    }
}

extern "C" fn create(host: *const Host, id: *const c_char, this: *mut *mut c_void, err: *mut Error) -> Status {
    guard(err, || unsafe {
        if CStr::from_ptr(id).to_bytes_with_nul() != LOG_STORE_1 {
            return fail(E_UNSUPPORTED, "this plugin is a chronik.log_store/1");
        }
        let view = HostView { raw: host, log: *service(host, HOST_LOG_1)?, task: *service(host, HOST_TASK_1)? };
        let config: &HostConfig = service(host, HOST_CONFIG_1)?;
        let dir = (config.data_dir)(host);
        let dir = std::ffi::OsStr::from_bytes(slice(dir.data as *const u8, dir.size));
        let inflight = get_int(host, config, b"max_inflight_bytes\0")?;
        let compact = get_int(host, config, b"compact_bytes\0")?;
        *this = Arc::into_raw(Arc::new(Store::new(view, dir.into(), inflight, compact))) as *mut c_void;
        Ok(OK)
    })
}

extern "C" fn start(this: *mut c_void, sink: *const c_void, _: Done, err: *mut Error) -> Status {
    guard(err, || shared(this).start(unsafe { *(sink as *const LogSink) }).map(|()| OK))
}

extern "C" fn stop(this: *mut c_void, timeout_ns: u64, _: Done) -> Status {
    guard(std::ptr::null_mut(), || {
        store_of(this).stop(timeout_ns);
        Ok(OK)
    })
}

extern "C" fn destroy(this: *mut c_void) {
    guard(std::ptr::null_mut(), || {
        drop(unsafe { Arc::from_raw(this as *const Store) });
        Ok(OK)
    });
}

// --- the interface; the handle of a group is its id ------------------------------------------------------------------------

extern "C" fn caps(this: *mut c_void, out: *mut LogCaps) -> Status {
    guard(std::ptr::null_mut(), || {
        let caps = LogCaps {
            flags: CAP_DURABLE,
            max_entry_bytes: store::MAX_ENTRY_BYTES,
            max_inflight_bytes: store_of(this).max_inflight_bytes,
            max_checkpoint_bytes: store::MAX_CHECKPOINT_BYTES,
            max_groups: u64::from(u32::MAX),
            max_lanes: store::MAX_LANES,
            ..Default::default()
        };
        unsafe { copy_out(out, &caps) };
        Ok(OK)
    })
}

extern "C" fn list_groups(this: *mut c_void, each: extern "C" fn(*mut c_void, u64), ctx: *mut c_void, err: *mut Error) -> Status {
    guard(err, || {
        store_of(this).check_alive()?;
        let ids: Vec<u64> = store_of(this).lock().groups.keys().copied().collect();
        ids.into_iter().for_each(|id| each(ctx, id));
        Ok(OK)
    })
}

extern "C" fn open_group(
    this: *mut c_void, id: u64, lane: u32, create: i32, group: *mut *mut c_void, bounds: *mut LogBounds, err: *mut Error,
) -> Status {
    guard(err, || {
        let mine = store_of(this).open_group(id, lane, create != 0)?;
        unsafe {
            copy_out(bounds, &mine);
            *group = id as *mut c_void;
        }
        Ok(OK)
    })
}

extern "C" fn close_group(this: *mut c_void, group: *mut c_void) {
    guard(std::ptr::null_mut(), || {
        store_of(this).close_group(group as u64);
        Ok(OK)
    });
}

extern "C" fn destroy_group(this: *mut c_void, id: u64, done: Done) -> Status {
    guard(std::ptr::null_mut(), || store_of(this).destroy_group(id, done))
}

extern "C" fn submit(this: *mut c_void, lane: u32, ops: *const LogOp, count: usize, accepted: *mut usize) -> Status {
    guard(std::ptr::null_mut(), || unsafe {
        *accepted = 0;
        let (taken, status) = store_of(this).submit(lane, slice(ops, count));
        *accepted = taken;
        Ok(status)
    })
}

extern "C" fn bounds(this: *mut c_void, group: *mut c_void, out: *mut LogBounds) -> Status {
    guard(std::ptr::null_mut(), || {
        let with_state = |group: &store::Group| LogBounds { hard_state: group.state, ..group.completed.bounds() };
        let mine = store_of(this).with_group(group as u64, with_state)?;
        unsafe { copy_out(out, &mine) };
        Ok(OK)
    })
}

extern "C" fn terms(this: *mut c_void, group: *mut c_void, out: *mut LogTerm, cap: usize, count: *mut usize) -> Status {
    guard(std::ptr::null_mut(), || unsafe {
        let rows = store_of(this).with_group(group as u64, |group| group.completed.terms())?;
        *count = rows.len();
        rows.iter().take(cap).enumerate().for_each(|(i, row)| *out.add(i) = *row);
        Ok(OK)
    })
}

extern "C" fn read(this: *mut c_void, group: *mut c_void, what: *const LogRead, out: *mut LogSlice) -> Status {
    guard(std::ptr::null_mut(), || unsafe {
        *out = LogSlice { entries: null(), count: 0, owner: std::ptr::null_mut() };
        shared(this).read(group as u64, &*what)
    })
}

extern "C" fn checkpoint(this: *mut c_void, group: *mut c_void, out: *mut Buf, err: *mut Error) -> Status {
    guard(err, || {
        let blob = store_of(this).checkpoint(group as u64)?;
        unsafe { *out = blob };
        Ok(OK)
    })
}

extern "C" fn stats(this: *mut c_void, out: *mut LogStats) -> Status {
    guard(std::ptr::null_mut(), || {
        let bytes_free = store_of(this).bytes_free();
        let state = store_of(this).lock();
        let stats = LogStats {
            bytes_free,
            groups: state.groups.len() as u64,
            bytes_used: state.groups.values().map(|group| group.completed.bytes).sum(),
            inflight_bytes: state.lanes.iter().map(|lane| lane.bytes).sum(),
            ..state.stats
        };
        drop(state);
        unsafe { copy_out(out, &stats) };
        Ok(OK)
    })
}

// --- the descriptor ----------------------------------------------------------------------------------------------------------

/// A constant with pointers in it, which nobody writes.
struct Constant<T>(T);
unsafe impl<T> Sync for Constant<T> {}

const fn text(literal: &'static [u8]) -> *const c_char {
    literal.as_ptr() as *const c_char
}

static OPTIONS: Constant<[Opt; 2]> = Constant([
    Opt {
        key: text(b"max_inflight_bytes\0"),
        kind: text(b"bytes\0"),
        dflt: text(b"8MiB\0"),
        range: text(b"4KiB..1GiB\0"),
        doc: text(b"Per lane: how much may wait to be written before submit answers CHR_E_BUSY.\0"),
        flags: 0,
    },
    Opt {
        key: text(b"compact_bytes\0"),
        kind: text(b"bytes\0"),
        dflt: text(b"64MiB\0"),
        range: text(b"64KiB..1024GiB\0"),
        doc: text(b"The journal is rewritten after it has grown by this much, if less than half of it is alive.\0"),
        flags: 0,
    },
]);

static TABLE: LogStore = LogStore {
    struct_size: size_of::<LogStore>() as u32,
    reserved: 0,
    caps,
    list_groups,
    open_group,
    close_group,
    destroy_group,
    submit,
    bounds,
    terms,
    read,
    checkpoint,
    stats,
};

static INTERFACES: Constant<[Iface; 1]> =
    Constant([Iface { id: text(LOG_STORE_1), table: &TABLE as *const LogStore as *const c_void }]);

static PLUGIN: Constant<Plugin> = Constant(Plugin {
    struct_size: size_of::<Plugin>() as u32,
    abi_epoch: ABI_EPOCH,
    id: text(b"chronik.example.store_rust\0"),
    version: text(b"1.0.0\0"),
    vendor: text(b"chronik\0"),
    license: text(b"Apache-2.0\0"),
    url: text(b"\0"),
    built_with: text(b"rustc, no crates\0"),
    options: OPTIONS.0.as_ptr(),
    option_count: 2,
    iface_count: 1,
    ifaces: INTERFACES.0.as_ptr(),
    validate: None,
    create: Some(create),
    start: Some(start),
    stop: Some(stop),
    destroy: Some(destroy),
    reconfigure: None,
    get_extension: None,
});

#[no_mangle]
pub extern "C" fn chronik_plugin_main_v1() -> *const Plugin {
    &PLUGIN.0
}
