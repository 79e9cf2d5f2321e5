// SPDX-License-Identifier: Apache-2.0
// The life of an instance, and what the plugin exports.
#include <chronik/log_store.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store.h"

void CopyOut(void* theirs, const void* mine, size_t size) {
  uint32_t their_size;
  memcpy(&their_size, theirs, sizeof(their_size));
  const size_t copied = their_size < size ? their_size : size;
  memcpy((char*)theirs + sizeof(their_size), (const char*)mine + sizeof(their_size), copied - sizeof(their_size));
}

chr_status Fail(chr_error* err, chr_status status, const char* text) {
  if (err == NULL) return status;
  chr_error mine = {.code = status, .os_errno = errno};
  snprintf(mine.message, sizeof(mine.message), "%s", text);
  CopyOut(err, &mine, sizeof(mine));
  return status;
}

/* --- what is said of the store ------------------------------------------------------------------------------------ */

static chr_status Caps(void* self, chr_log_caps* out) {
  chr_log_caps caps = {.flags = CHR_LOG_CAP_DURABLE, .max_entry_bytes = kMaxEntryBytes, .max_lanes = kMaxLanes};
  caps.max_inflight_bytes = ((const store*)self)->max_inflight_bytes;
  caps.max_checkpoint_bytes = kMaxCheckpointBytes;
  caps.max_groups = UINT32_MAX;
  CopyOut(out, &caps, sizeof(caps));
  return CHR_OK;
}

static chr_status Stats(void* self, chr_log_stats* out) {
  store* s = self;
  struct statvfs disk = {0};
  fstatvfs(s->dir_fd, &disk);
  Lock(s);
  chr_log_stats stats = s->stats;
  stats.groups = s->group_count;
  for (size_t i = 0; i < kMaxLanes; ++i) stats.inflight_bytes += s->lanes[i].bytes;
  for (size_t i = 0; i < s->group_count; ++i) stats.bytes_used += s->groups[i]->completed.bytes;
  Unlock(s);
  stats.bytes_free = (uint64_t)disk.f_bavail * disk.f_frsize;
  CopyOut(out, &stats, sizeof(stats));
  return CHR_OK;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void Destroy(void* self) {
  store* s = self;
  for (size_t i = 0; i < s->group_count; ++i) FreeGroup(s->groups[i]);
  free(s->groups);
  free(s->j.scratch);
  if (s->journal_file != NULL) ReleaseFile(s->journal_file);
  if (s->dir_fd >= 0) close(s->dir_fd);
  pthread_cond_destroy(&s->quiet);
  pthread_cond_destroy(&s->work);
  pthread_mutex_destroy(&s->mutex);
  pthread_mutex_destroy(&s->poisoning);
  free(s);
}

static chr_status Create(const chr_host* host, const char* iface_id, void** self, chr_error* err) {
  if (strcmp(iface_id, CHR_LOG_STORE_1) != 0) return Fail(err, CHR_E_UNSUPPORTED, "this is a " CHR_LOG_STORE_1);
  store* s = calloc(1, sizeof(*s));
  if (s == NULL) return Fail(err, CHR_E_NO_MEMORY, "out of memory");
  s->host = host;
  s->dir_fd = -1;
  s->queue_end = &s->queue;
  pthread_mutex_init(&s->mutex, NULL);
  pthread_mutex_init(&s->poisoning, NULL);
  pthread_cond_init(&s->work, NULL);
  pthread_cond_init(&s->quiet, NULL);
  s->task = host->get_service(host, CHR_HOST_TASK_1);
  s->log = host->get_service(host, CHR_HOST_LOG_1);
  const chr_host_config* config = host->get_service(host, CHR_HOST_CONFIG_1);
  int64_t inflight = 0;
  int64_t compact = 0;
  if (s->task == NULL || s->log == NULL || config == NULL ||
      config->get_int(host, "max_inflight_bytes", &inflight) != CHR_OK ||
      config->get_int(host, "compact_bytes", &compact) != CHR_OK) {
    Destroy(s);
    return Fail(err, CHR_E_UNSUPPORTED, "the host lacks a service, or keeps an option back");
  }
  s->max_inflight_bytes = (uint64_t)inflight;
  s->compact_bytes = (uint64_t)compact;
  const chr_str dir = config->data_dir(host);
  snprintf(s->dir, sizeof(s->dir), "%.*s", (int)dir.size, dir.data);
  *self = s;
  return CHR_OK;
}

static chr_status Replayed(void* ctx, const frame* f) {
  store* s = ctx;
  if (f->opcode == FRAME_MARK) return CHR_OK;
  group* g = FindGroup(s, f->group);
  if (f->opcode == FRAME_DESTROY) {
    if (g != NULL) RemoveGroup(s, g);
    return CHR_OK;
  }
  if (g == NULL) g = AddGroup(s, f->group);
  if (g == NULL || !LogReserve(&g->completed, f->slot_count)) return CHR_E_NO_MEMORY;
  return ApplyToGroup(g, f);
}

/* Opens the journal and brings back what it says. */
static chr_status Recover(store* s, chr_error* err) {
  s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (s->dir_fd < 0) return Fail(err, CHR_E_IO, "the data directory cannot be opened");
  if (flock(s->dir_fd, LOCK_EX | LOCK_NB) != 0) return Fail(err, CHR_E_BUSY, "another process uses this directory");
  unlinkat(s->dir_fd, "journal.new", 0); /* a compaction that did not come to its end */
  s->j.fd = openat(s->dir_fd, "journal", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  s->journal_file = calloc(1, sizeof(*s->journal_file));
  if (s->j.fd < 0 || s->journal_file == NULL) return Fail(err, CHR_E_IO, "the journal cannot be opened");
  *s->journal_file = (file){s->j.fd, 1};
  uint64_t at = 0;
  const chr_status status = JournalReplay(&s->j, Replayed, s, &at);
  if (status < 0) {
    char text[160];
    snprintf(text, sizeof(text), "the journal is damaged or unreadable at byte %llu; restore it, or remove the replica",
             (unsigned long long)at);
    return Fail(err, status, text);
  }
  /* What was read may never have been synced, if the process was killed; the host relies on it from now on. */
  if (JournalSync(&s->j) != 0 || !SyncDirectory(s)) return Fail(err, CHR_E_IO, "the journal cannot be synced");
  return CHR_OK;
}

static chr_status Start(void* self, const void* sink, chr_done done, chr_error* err) {
  store* s = self;
  (void)done;
  const chr_log_sink* theirs = sink;
  memcpy(&s->sink, theirs, theirs->struct_size < sizeof(s->sink) ? theirs->struct_size : sizeof(s->sink));
  const chr_status status = Recover(s, err);
  if (status < 0) return status;
  if (pthread_create(&s->committer, NULL, Committer, s) != 0) return Fail(err, CHR_E_NO_MEMORY, "no thread");
  s->running = true;
  return CHR_OK;
}

static chr_status Stop(void* self, uint64_t timeout_ns, chr_done done) {
  store* s = self;
  (void)done;
  if (!s->running) return CHR_OK;
  const uint64_t now = s->task->mono_ns(s->host);
  Lock(s);
  s->stopping = true;
  s->stop_deadline_ns = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
  pthread_cond_signal(&s->work);
  Unlock(s);
  pthread_join(s->committer, NULL);
  s->running = false;
  Lock(s);
  while (s->reads > 0) pthread_cond_wait(&s->quiet, &s->mutex);
  Unlock(s);
  return CHR_OK;
}

/* --- the descriptor ------------------------------------------------------------------------------------------------
 */

static const chr_option kOptions[] = {
    {"max_inflight_bytes", "bytes", "8MiB", "4KiB..1GiB",
     "Per lane: how much may wait to be written before submit answers CHR_E_BUSY.", 0},
    {"compact_bytes", "bytes", "64MiB", "64KiB..1024GiB",
     "The journal is rewritten after it has grown by this much, if less than half of it is alive. Appends wait then.",
     0},
};

static const chr_log_store kTable = {.struct_size = sizeof(chr_log_store),
                                     .caps = Caps,
                                     .list_groups = ListGroups,
                                     .open_group = OpenGroup,
                                     .close_group = CloseGroup,
                                     .destroy_group = DestroyGroup,
                                     .submit = Submit,
                                     .bounds = Bounds,
                                     .terms = Terms,
                                     .read = Read,
                                     .checkpoint = Checkpoint,
                                     .stats = Stats};
static const chr_iface kInterfaces[] = {{CHR_LOG_STORE_1, &kTable}};
static const chr_plugin kPlugin = {.struct_size = sizeof(chr_plugin),
                                   .abi_epoch = CHR_ABI_EPOCH,
                                   .id = "chronik.example.store_c",
                                   .version = "1.0.0",
                                   .vendor = "chronik",
                                   .license = "Apache-2.0",
                                   .url = "",
                                   .built_with = "C11, " __VERSION__,
                                   .options = kOptions,
                                   .option_count = sizeof(kOptions) / sizeof(kOptions[0]),
                                   .iface_count = 1,
                                   .ifaces = kInterfaces,
                                   .create = Create,
                                   .start = Start,
                                   .stop = Stop,
                                   .destroy = Destroy};

const chr_plugin* chronik_plugin_main_v1(void) { return &kPlugin; }
