// SPDX-License-Identifier: Apache-2.0
// What the nodes of a cluster call on each other. README.md says which connection carries which call.
namespace cpp chronik_transport_thrift.rpc

// The first call on each connection. A session is five of them with the same `session`, numbered by `lane`.
struct Hello {
  1: i32 version
  2: i64 node_id
  3: i64 wanted_id // whom the dialler means to reach
  4: i64 session   // chosen at random by the dialler
  5: i32 lane      // 0 control, 1 replication, 2 forward, 3 push, 4 pull
  6: i64 max_frame_bytes
  7: bool checksums // whether checksums are computed from here on
  8: binary hello   // the host's
  9: i64 checksum
}

struct Welcome {
  1: i32 status // 0, or why the dialler is refused
  2: string text
  3: i64 node_id
  4: i64 max_frame_bytes
  5: binary hello
  6: i64 checksum
}

enum StreamEventKind {
  OPEN = 1,   // bytes: the header. Only from the end that dialled; ids only grow
  DATA = 2,   // bytes: 1 byte to 1 MiB
  CREDIT = 3, // value: how many bytes more
  CLOSE = 4   // value: the status, bytes: a text
}

struct StreamEvent {
  1: i64 stream
  2: StreamEventKind kind
  3: i64 value
  4: binary bytes
}

struct StreamEvents {
  1: list<StreamEvent> events
  2: i64 checksum
}

service Node {
  Welcome greet(1: Hello hello)
  // The dialler refuses the listener. The last call.
  void refuse(1: i32 status, 2: string text)

  // Lanes 0 to 2. Returns how many frames the host has not taken yet; then only `rest` may follow, until it returns 0. An
  // answer comes within a third of the idle timeout, so it is the receiver's sign of life as well.
  i32 deliver(1: list<binary> frames, 2: i64 checksum)
  i32 rest()

  // Lane 3: what the dialler has to say of streams.
  void push(1: StreamEvents events)
  // Lane 4: what the listener has to say, or nothing after a third of the idle timeout.
  StreamEvents pull()
}
