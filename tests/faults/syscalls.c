/* Counts what a process changes on disk below one folder, and at the n-th change kills the process or refuses it.
 *
 * Preloaded by forkserver.py, which calls faults_arm() before each fork. What counts: write, pwrite, writev, pwritev,
 * sendfile, copy_file_range, rename, link, symlink, unlink, mkdir, ftruncate, fsync, fdatasync, open with O_CREAT.
 * Not seen: changes through a memory map (SQLite's -shm, which is not durable anyway) and system calls without libc; an
 * import and a run under strace made none of these below the home, nor any through io_uring.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum act { COUNT, KILL_BEFORE, KILL_AFTER, NO_SPACE, IO_ERROR };

/* Shared with the fork server, which reads it after the process is gone. */
struct control {
    long calls, at;
    int act, fired;
    char under[PATH_MAX], except[PATH_MAX], what[32], path[PATH_MAX];
};
static struct control *control;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

struct control *faults_arm(const char *under, const char *except, long at, int act) {
    struct control *made =
        mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) abort();
    snprintf(made->under, PATH_MAX, "%s", under);
    snprintf(made->except, PATH_MAX, "%s", except);
    made->at = at;
    made->act = act;
    return control = made;
}
void faults_disarm(void) { control = NULL; }
long faults_calls(struct control *of) { return of->calls; }
int faults_fired(struct control *of) { return of->fired; }
const char *faults_what(struct control *of) { return of->what; }
const char *faults_path(struct control *of) { return of->path; }

static int below(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static void named(int fd, char *path) {
    char link[48];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
}

static void absolute(int folder, const char *name, char *path) {
    char start[PATH_MAX] = "";
    if (name[0] != '/') {
        if (folder != AT_FDCWD) named(folder, start);
        else if (!getcwd(start, sizeof start)) start[0] = 0;
    }
    snprintf(path, PATH_MAX, "%s%s%s", start, start[0] ? "/" : "", name);
}

static void die(void) { syscall(SYS_kill, getpid(), SIGKILL); }

/* 0: go on. KILL_AFTER: do it (a write by half), then die(). -1: errno is set, refuse. */
static int met(const char *what, const char *path, int needs_space) {
    struct control *now = control;
    if (!now || !below(path, now->under) || below(path, now->except)) return 0;
    long call = __atomic_add_fetch(&now->calls, 1, __ATOMIC_SEQ_CST);
    /* a full disk stays full; everything else happens once */
    if (!now->at || (now->act == NO_SPACE ? call < now->at || !needs_space : call != now->at)) return 0;
    if (now->act == COUNT) return 0;
    if (!__atomic_exchange_n(&now->fired, 1, __ATOMIC_SEQ_CST)) {
        snprintf(now->what, sizeof now->what, "%s", what);
        snprintf(now->path, PATH_MAX, "%s", path);
    }
    if (now->act == KILL_BEFORE) die();
    if (now->act == KILL_AFTER) return KILL_AFTER;
    errno = now->act == NO_SPACE ? ENOSPC : EIO;
    return -1;
}

static int met_fd(const char *what, int fd, int needs_space) {
    if (!control) return 0;
    char path[PATH_MAX];
    int kept = errno;
    named(fd, path);
    errno = kept;
    return met(what, path, needs_space);
}

static int met_at(const char *what, int folder, const char *name, int needs_space) {
    if (!control) return 0;
    char path[PATH_MAX];
    int kept = errno;
    absolute(folder, name, path);
    errno = kept;
    return met(what, path, needs_space);
}

#define HALF(size, call_half) \
    do { if ((size) > 1) (void)!(call_half); die(); } while (0)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    int met_ = met_fd("write", fd, 1);
    if (met_ < 0) return -1;
    if (met_) HALF(size, real(fd, data, size / 2));
    return real(fd, data, size);
}
#define PWRITE(name, offset_t) \
    ssize_t name(int fd, const void *data, size_t size, offset_t offset) { \
        REAL(name); \
        int met_ = met_fd(#name, fd, 1); \
        if (met_ < 0) return -1; \
        if (met_) HALF(size, real(fd, data, size / 2, offset)); \
        return real(fd, data, size, offset); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    int met_ = met_fd("writev", fd, 1);
    if (met_ < 0) return -1;
    if (met_) HALF(parts[0].iov_len, write(fd, parts[0].iov_base, parts[0].iov_len / 2));
    return real(fd, parts, count);
}
#define PWRITEV(name, offset_t) \
    ssize_t name(int fd, const struct iovec *parts, int count, offset_t offset) { \
        REAL(name); \
        int met_ = met_fd(#name, fd, 1); \
        if (met_ < 0) return -1; \
        if (met_) HALF(parts[0].iov_len, pwrite64(fd, parts[0].iov_base, parts[0].iov_len / 2, offset)); \
        return real(fd, parts, count, offset); \
    }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)
#define SENDFILE(name, offset_t) \
    ssize_t name(int to, int from, offset_t *offset, size_t size) { \
        REAL(name); \
        int met_ = met_fd(#name, to, 1); \
        if (met_ < 0) return -1; \
        if (met_) HALF(size, real(to, from, offset, size > 8192 ? 4096 : size / 2)); \
        return real(to, from, offset, size); \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)
ssize_t copy_file_range(int from, off64_t *in, int to, off64_t *out, size_t size, unsigned flags) {
    REAL(copy_file_range);
    int met_ = met_fd("copy_file_range", to, 1);
    if (met_ < 0) return -1;
    if (met_) HALF(size, real(from, in, to, out, size > 8192 ? 4096 : size / 2, flags));
    return real(from, in, to, out, size, flags);
}

/* Calls that happen whole or not at all. */
#define WHOLE(name, parameters, arguments, decision) \
    int name parameters { \
        REAL(name); \
        int met_ = decision; \
        if (met_ < 0) return -1; \
        int done = real arguments; \
        if (met_) die(); \
        return done; \
    }
WHOLE(fsync, (int fd), (fd), met_fd("fsync", fd, 1))
WHOLE(fdatasync, (int fd), (fd), met_fd("fdatasync", fd, 1))
WHOLE(ftruncate, (int fd, off_t size), (fd, size), met_fd("ftruncate", fd, size > 0))
WHOLE(ftruncate64, (int fd, off64_t size), (fd, size), met_fd("ftruncate", fd, size > 0))
WHOLE(rename, (const char *from, const char *to), (from, to), met_at("rename", AT_FDCWD, to, 1))
WHOLE(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), met_at("renameat", b, to, 1))
WHOLE(renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags),
      met_at("renameat2", b, to, 1))
WHOLE(link, (const char *from, const char *to), (from, to), met_at("link", AT_FDCWD, to, 1))
WHOLE(linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags),
      met_at("linkat", b, to, 1))
WHOLE(symlink, (const char *from, const char *to), (from, to), met_at("symlink", AT_FDCWD, to, 1))
WHOLE(unlink, (const char *path), (path), met_at("unlink", AT_FDCWD, path, 0))
WHOLE(unlinkat, (int folder, const char *path, int flags), (folder, path, flags), met_at("unlinkat", folder, path, 0))
WHOLE(mkdir, (const char *path, mode_t mode), (path, mode), met_at("mkdir", AT_FDCWD, path, 1))
WHOLE(mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode), met_at("mkdirat", folder, path, 1))

static mode_t mode_of(int flags, va_list more) { return flags & O_CREAT ? va_arg(more, mode_t) : 0; }

#define OPEN(name, parameters, arguments, folder) \
    int name parameters { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = mode_of(flags, more); \
        va_end(more); \
        int met_ = flags & O_CREAT ? met_at("open", folder, path, 1) : 0; \
        if (met_ < 0) return -1; \
        int fd = real arguments; \
        if (met_) die(); \
        return fd; \
    }
OPEN(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), folder)
OPEN(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), folder)
