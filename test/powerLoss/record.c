/*
 * Loaded into a process by LD_PRELOAD, this writes down every call by which it changes files below RECORD_ROOT, in the order in which
 * the calls took effect, to one log, RECORD_LOG. A lock around "do it, write it down" makes that order the true one.
 *
 * An entry is: kind u32 | file u32 (its inode) | offset u64 | length u32 | length of the name u32 | bytes | name
 *
 * A write through O_DSYNC is two entries, the write and then the sync of its range: a crash may fall in between.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE, SYNC, SYNC_RANGE, CREATE, RENAME, UNLINK, MKDIR };
enum { MAX_FD = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char root[PATH_MAX];
static size_t root_length;
/* The inode of each file that is watched, by its number here; 0 for the others. */
static uint32_t watched[MAX_FD];
static int dsync[MAX_FD];

static void *next(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) abort();
  return found;
}

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("RECORD_ROOT"), *log = getenv("RECORD_LOG");
  if (!path || !log) return;
  root_length = strlen(path);
  memcpy(root, path, root_length + 1);
  log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) abort();
}

static int below(const char *path) {
  return log_fd >= 0 && path && !strncmp(path, root, root_length) && (path[root_length] == '/' || path[root_length] == 0);
}

static void put(const void *bytes, size_t length) {
  const char *from = bytes;
  while (length > 0) {
    ssize_t done = syscall(SYS_write, log_fd, from, length);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) abort();
    from += done;
    length -= done;
  }
}

static void note(uint32_t kind, uint32_t file, uint64_t offset, uint32_t length, const void *bytes, const char *name) {
  int before = errno;
  struct { uint32_t kind, file; uint64_t offset; uint32_t length, name; } head = { kind, file, offset, length, name ? strlen(name) : 0 };
  put(&head, sizeof head);
  if (bytes) put(bytes, length);
  if (name) put(name, head.name);
  errno = before;
}

/* 0 for what is no file: a socket, a pipe. */
static uint32_t inode(int fd) {
  struct stat found;
  return fstat(fd, &found) || !(S_ISREG(found.st_mode) || S_ISDIR(found.st_mode)) ? 0 : (uint32_t)found.st_ino;
}

/* Not every close is seen (libuv calls the kernel for it), so a number may belong to another file by now. */
static int is_watched(int fd) { return fd >= 0 && fd < MAX_FD && watched[fd] && watched[fd] == inode(fd); }

static void wrote(int fd, off_t at, const struct iovec *parts, int count, ssize_t done) {
  off_t start = at;
  for (int i = 0; i < count && done > 0; i++) {
    size_t length = parts[i].iov_len < (size_t)done ? parts[i].iov_len : (size_t)done;
    if (length) note(WRITE, watched[fd], at, length, parts[i].iov_base, NULL);
    at += length;
    done -= length;
  }
  if (dsync[fd]) note(SYNC_RANGE, watched[fd], start, at - start, NULL, NULL);
}

/* `at` below 0: where the file stands, which for O_APPEND is its end. */
static ssize_t do_write(int fd, const struct iovec *parts, int count, off_t at) {
  pthread_mutex_lock(&lock);
  off_t start = at;
  if (at < 0) start = lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
  ssize_t done = at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0);
  int failure = errno;
  wrote(fd, start, parts, count, done);
  pthread_mutex_unlock(&lock);
  errno = failure;
  return done;
}

#define WRITER(name, parameters, arguments, parts, count, at)        \
  ssize_t name parameters {                                          \
    if (is_watched(fd)) return do_write(fd, parts, count, at);       \
    static ssize_t(*original) parameters;                            \
    if (!original) original = next(#name);                           \
    return original arguments;                                       \
  }
#define ONE (&(struct iovec){ (void *)bytes, length })

WRITER(write, (int fd, const void *bytes, size_t length), (fd, bytes, length), ONE, 1, -1)
WRITER(pwrite, (int fd, const void *bytes, size_t length, off_t at), (fd, bytes, length, at), ONE, 1, at)
WRITER(pwrite64, (int fd, const void *bytes, size_t length, off_t at), (fd, bytes, length, at), ONE, 1, at)
WRITER(writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), parts, count, -1)
WRITER(pwritev, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at), parts, count, at)
WRITER(pwritev64, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at), parts, count, at)

static int do_sync(int fd, int (*original)(int)) {
  if (!is_watched(fd)) return original(fd);
  pthread_mutex_lock(&lock);
  int result = original(fd);
  if (!result) note(SYNC, watched[fd], 0, 0, NULL, NULL);
  pthread_mutex_unlock(&lock);
  return result;
}
int fsync(int fd) { return do_sync(fd, next("fsync")); }
int fdatasync(int fd) { return do_sync(fd, next("fdatasync")); }

static int do_truncate(int fd, off_t length) {
  if (!is_watched(fd)) return syscall(SYS_ftruncate, fd, length);
  pthread_mutex_lock(&lock);
  int result = syscall(SYS_ftruncate, fd, length);
  if (!result) note(TRUNCATE, watched[fd], length, 0, NULL, NULL);
  pthread_mutex_unlock(&lock);
  return result;
}
int ftruncate(int fd, off_t length) { return do_truncate(fd, length); }
int ftruncate64(int fd, off_t length) { return do_truncate(fd, length); }

static int do_open(int at, const char *path, int flags, mode_t mode) {
  if (!below(path)) return syscall(SYS_openat, at, path, flags, mode);
  pthread_mutex_lock(&lock);
  int is_new = (flags & O_CREAT) && syscall(SYS_access, path, F_OK);
  int fd = syscall(SYS_openat, at, path, flags, mode);
  if (fd >= MAX_FD) abort();
  if (fd >= 0) {
    watched[fd] = inode(fd);
    dsync[fd] = (flags & (O_DSYNC | O_SYNC)) != 0;
    if (is_new) note(CREATE, watched[fd], 0, 0, NULL, path);
    else if (flags & O_TRUNC) note(TRUNCATE, watched[fd], 0, 0, NULL, NULL);
    /* A directory is made known by its name when it is opened: how else would one know which it is when it is synced? */
    struct stat found;
    if (!fstat(fd, &found) && S_ISDIR(found.st_mode)) note(MKDIR, watched[fd], 1, 0, NULL, path);
  }
  pthread_mutex_unlock(&lock);
  return fd;
}

#define OPENER(name, head, at)                                    \
  int name(head const char *path, int flags, ...) {               \
    va_list rest;                                                 \
    va_start(rest, flags);                                        \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                 \
    return do_open(at, path, flags, mode);                        \
  }
#define DIRECTORY int directory,
OPENER(open, , AT_FDCWD)
OPENER(open64, , AT_FDCWD)
OPENER(openat, DIRECTORY, directory)
OPENER(openat64, DIRECTORY, directory)

int close(int fd) {
  pthread_mutex_lock(&lock);
  if (fd >= 0 && fd < MAX_FD) watched[fd] = dsync[fd] = 0;
  int result = syscall(SYS_close, fd);
  pthread_mutex_unlock(&lock);
  return result;
}

int rename(const char *from, const char *to) {
  pthread_mutex_lock(&lock);
  int result = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
  if (!result && below(to)) {
    char names[2 * PATH_MAX];
    snprintf(names, sizeof names, "%s\n%s", from, to);
    note(RENAME, 0, 0, 0, NULL, names);
  }
  pthread_mutex_unlock(&lock);
  return result;
}

int unlink(const char *path) {
  pthread_mutex_lock(&lock);
  int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (!result && below(path)) note(UNLINK, 0, 0, 0, NULL, path);
  pthread_mutex_unlock(&lock);
  return result;
}

int mkdir(const char *path, mode_t mode) {
  pthread_mutex_lock(&lock);
  int result = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
  if (!result && below(path)) note(MKDIR, 0, 0, 0, NULL, path);
  pthread_mutex_unlock(&lock);
  return result;
}
