/* SPDX-License-Identifier: Apache-2.0
 * chronik/transport.h - opaque frames between the nodes of a cluster, and bulk streams. A transport never looks into a
 * frame, a hello or a stream header.
 *
 * A *peer* is another node, named by its node id (> 0) and found at an address that the host sets. A *frame* arrives
 * whole, unchanged and at most once, or not at all. A *lane* is a class of urgency: what waits in one lane never delays
 * another lane of a lower number.
 *
 * Host guarantees: a node id is one process at a time; nothing in a callback blocks.
 * Plugin guarantees: no callback from inside a call of the host; it connects, and after a loss connects again with
 *   growing, jittered pauses, for as long as a peer is set, without being asked; queues are bounded in bytes; nothing is
 *   delivered from a connection whose hello the host refused. */
#ifndef CHRONIK_TRANSPORT_H
#define CHRONIK_TRANSPORT_H

#include "plugin.h"

CHR_C_BEGIN

#define CHR_TRANSPORT_1 "chronik.transport/1"

/* Every transport declares these options, which the host fills in from its own configuration unless the operator sets
 * them under [plugins.transport]: "listen" (string, "host:port", port 0 = any free one). */

#define CHR_LANE_CONTROL 0u     /* votes, heartbeats, acknowledgements: small, urgent */
#define CHR_LANE_REPLICATION 1u /* log entries */
#define CHR_LANE_FORWARD 2u     /* requests of clients that another node must answer */
#define CHR_LANE_COUNT 3u

typedef struct chr_stream chr_stream; /* the plugin's own, opaque; valid until on_end returned */

/* Whoever holds one end of a stream. Calls of one stream never overlap. [any], must not block */
typedef struct chr_stream_events {
  uint32_t struct_size;
  uint32_t reserved;
  void* ctx;
  /* The next bytes, in order, within the credit (see stream_credit). bufs live during the call unless retained. */
  void (*on_data)(void* ctx, const chr_buf* bufs, size_t count) CHR_NX;
  void (*on_writable)(void* ctx) CHR_NX; /* after CHR_E_BUSY from stream_write */
  /* The last call, exactly once for every stream, and never from inside stream_close: ctx may be freed here. CHR_OK: the
   * other end closed cleanly, after everything it wrote; otherwise bytes may be missing. At the end that called
   * stream_close: the status that was passed there. */
  void (*on_end)(void* ctx, chr_status status, chr_str message) CHR_NX;
} chr_stream_events;

/* The host's side, passed to start(). [any], non-blocking, from any thread of the plugin. */
typedef struct chr_transport_sink {
  uint32_t struct_size;
  uint32_t reserved;
  void* ctx;
  uint64_t node_id; /* this node, > 0 */
  /* The bytes to present at the beginning of each connection, in either direction: at most `cap` (4096) are written;
   * returns how many. They may differ from call to call. */
  size_t (*hello)(void* ctx, void* out, size_t cap) CHR_NX;
  /* What the other end of a new connection presented. `peer` is the node id it claims; `identity` is the name that its
   * certificate proves, empty without TLS. CHR_OK, or an error whose message is also sent to the other end, and the
   * connection is closed. Another peer than the one that was dialled is refused without asking. */
  chr_status (*on_hello)(void* ctx, uint64_t peer, chr_str identity, chr_str hello, chr_error* err) CHR_NX;
  /* `up` 1: frames flow to this peer. 0: they no longer do, or a connection from it ended; `status` says why:
   * CHR_E_CLOSED its end closed or reset the connection (its process may be gone), CHR_E_TIMEOUT it fell silent,
   * CHR_E_DENIED a hello was refused, by either end, CHR_E_IO anything else. A refusal or a failure to connect is
   * reported once until its text changes. The last call says whether frames flow: if only a connection from the peer ended,
   * 1 follows when the others have proved to work. Nothing is reported of a peer that is not set. Calls of one peer never
   * overlap. */
  void (*on_peer)(void* ctx, uint64_t peer, int32_t up, chr_status status, chr_str why) CHR_NX;
  /* bufs live during the call unless retained. Calls of one (peer, lane) never overlap and keep the order of sending
   * while a connection lasts. CHR_OK: taken. CHR_E_BUSY: not taken; the plugin keeps it, reads no more of this (peer,
   * lane), and delivers it again after resume(). */
  chr_status (*on_frame)(void* ctx, uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count) CHR_NX;
  /* After CHR_E_BUSY from send, unless the connection is lost first, which on_peer says. */
  void (*on_writable)(void* ctx, uint64_t peer, uint32_t lane) CHR_NX;
  /* A peer opens a stream. CHR_OK: *events (which lives until on_end) receives it; the sender has no credit yet. An
   * error refuses it: no event follows. */
  chr_status (*on_stream)(void* ctx, uint64_t peer, chr_str header, chr_stream* stream,
                          const chr_stream_events** events) CHR_NX;
} chr_transport_sink;

#define CHR_TRANSPORT_CAP_ENCRYPTED 1u /* what leaves the process is encrypted and peers are authenticated */
typedef struct chr_transport_caps {
  uint32_t struct_size;
  uint32_t flags;            /* CHR_TRANSPORT_CAP_* */
  uint64_t max_frame_bytes;  /* at least 2 MiB */
  uint64_t max_queued_bytes; /* per (peer, lane); one frame is always taken when nothing is queued */
  uint64_t max_header_bytes; /* of a stream; at least 4096 */
} chr_transport_caps;

typedef struct chr_transport {
  uint32_t struct_size;
  uint32_t reserved;
  /* Valid after create. [control] */
  chr_status (*caps)(void* self, chr_transport_caps* out) CHR_NX;
  /* Where it listens, NUL-terminated: "127.0.0.1:41233". After start. [control] */
  chr_status (*bound_address)(void* self, char* out, size_t cap) CHR_NX;
  /* Adds a peer, or moves it to another address (queued frames are dropped). Resolving a name happens later, at each
   * attempt to connect. CHR_E_INVALID: not "host:port", or the id is 0 or this node's. [control] */
  chr_status (*set_peer)(void* self, uint64_t peer, chr_str address, chr_error* err) CHR_NX;
  /* Drops its connections, queued frames and streams (on_end, CHR_E_CLOSED); no on_peer follows. Frames that it still
   * sends to us are delivered: whom we dial is not whom we listen to. Unknown peers are fine. [control] */
  chr_status (*remove_peer)(void* self, uint64_t peer) CHR_NX;
  /* CHR_OK: queued. The bytes of bufs with an owner are retained by the plugin and must not change until it releases
   * them; others are copied. Frames of one thread to one (peer, lane) keep their order. CHR_E_BUSY: the queue is full,
   * wait for on_writable. CHR_E_CLOSED: not connected, nothing was queued. CHR_E_NOT_FOUND: no such peer.
   * CHR_E_INVALID: empty, too large, or no such lane. [io] from any thread */
  chr_status (*send)(void* self, uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count) CHR_NX;
  /* The (peer, lane) whose frame was refused with CHR_E_BUSY goes on. [any] */
  void (*resume)(void* self, uint64_t peer, uint32_t lane) CHR_NX;
  /* Opens a stream in both directions. `events` lives until on_end. CHR_OK: *out is open, both ends without credit.
   * CHR_E_CLOSED, CHR_E_NOT_FOUND as send, CHR_E_INVALID for a header above the cap, CHR_E_BUSY with too many streams;
   * then no event follows. If the other end's on_stream refuses, on_end says so
   * with its status. [any] */
  chr_status (*stream_open)(void* self, uint64_t peer, chr_str header, const chr_stream_events* events,
                            chr_stream** out) CHR_NX;
  /* As send; CHR_E_BUSY: no credit or the queue is full, nothing was taken. CHR_E_INVALID: more than 1 MiB at once. Calls
   * of one stream never overlap. [any] */
  chr_status (*stream_write)(void* self, chr_stream* stream, const chr_buf* bufs, size_t count) CHR_NX;
  /* The receiver may be sent this many more bytes; a write is admitted while credit is left, so up to 1 MiB more may
   * come. [any] */
  void (*stream_credit)(void* self, chr_stream* stream, uint64_t bytes) CHR_NX;
  /* CHR_OK: a clean end of both directions, after everything this end wrote; otherwise at once. Nothing but on_end
   * follows. Once for a stream, and not after on_end. [any] */
  void (*stream_close)(void* self, chr_stream* stream, chr_status status) CHR_NX;
  /* --- end of 1.0: append below, never reorder --- */
} chr_transport;
#define CHR_TRANSPORT_1_0_SIZE (offsetof(chr_transport, stream_close) + sizeof(void (*)(void)))

CHR_C_END
#endif
