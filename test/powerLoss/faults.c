/*
 * Loaded into a process by LD_PRELOAD, this lets calls on files below FAULT_ROOT fail as a bad disk would. What fails, the file FAULT_PLAN
 * says, which is read at every call: lines of `call errno times` or `call sleep milliseconds`. `times` of -1 means always. Calls are:
 * sync (fsync, fdatasync), write (all that write pages), meta (writes through O_DSYNC), file (those of the program itself, by write(2)).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char last_plan[256];
static int done[8];

static int is_ours(int fd) {
  const char *root = getenv("FAULT_ROOT");
  char link[64], path[PATH_MAX];
  if (!root || fd < 3) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return !strncmp(path, root, strlen(root));
}

/* The error that this call is to end with; 0 for none. */
static int fault(const char *call) {
  const char *plan_path = getenv("FAULT_PLAN");
  char plan[256] = "";
  int plan_fd = plan_path ? syscall(SYS_openat, AT_FDCWD, plan_path, O_RDONLY | O_CLOEXEC) : -1;
  if (plan_fd < 0) return 0;
  ssize_t length = syscall(SYS_read, plan_fd, plan, sizeof plan - 1);
  syscall(SYS_close, plan_fd);
  plan[length < 0 ? 0 : length] = 0;
  int result = 0;
  pthread_mutex_lock(&lock);
  if (strcmp(plan, last_plan)) {
    strcpy(last_plan, plan);
    memset(done, 0, sizeof done);
  }
  char *rest = plan, *line;
  for (int i = 0; i < 8 && (line = strtok_r(rest, "\n", &rest)); i++) {
    char name[32], what[32];
    int number;
    if (sscanf(line, "%31s %31s %d", name, what, &number) != 3 || strcmp(name, call)) continue;
    if (!strcmp(what, "sleep")) {
      pthread_mutex_unlock(&lock);
      usleep(number * 1000);
      return 0;
    }
    if (number >= 0 && done[i] >= number) continue;
    done[i]++;
    result = atoi(what);
  }
  pthread_mutex_unlock(&lock);
  return result;
}

static int fails(int fd, const char *call) {
  int before = errno;
  int error = is_ours(fd) ? fault(call) : 0;
  errno = error ? error : before;
  return error;
}

static const char *page_call(int fd) { return fcntl(fd, F_GETFL) & O_DSYNC ? "meta" : "write"; }

#define FAULTY(type, name, parameters, arguments, call)           \
  type name parameters {                                          \
    static type(*original) parameters;                            \
    if (!original) original = dlsym(RTLD_NEXT, #name);            \
    return fails(fd, call) ? -1 : original arguments;             \
  }

FAULTY(int, fsync, (int fd), (fd), "sync")
FAULTY(int, fdatasync, (int fd), (fd), "sync")
FAULTY(ssize_t, pwrite, (int fd, const void *bytes, size_t length, off_t at), (fd, bytes, length, at), page_call(fd))
FAULTY(ssize_t, pwrite64, (int fd, const void *bytes, size_t length, off_t at), (fd, bytes, length, at), page_call(fd))
FAULTY(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), page_call(fd))
FAULTY(ssize_t, write, (int fd, const void *bytes, size_t length), (fd, bytes, length), "file")
