/* Copies the file "in" to "out" in the way that its argument names, or does something else that is hard to see.
   cc -O1 -pthread -o ways ways.c (and -static) */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAKE (O_WRONLY | O_CREAT | O_TRUNC)

static void must(int good, const char *what) {
    if (!good) {
        perror(what);
        exit(3);
    }
}

static void pour(int from, int to) {
    char block[4096];
    ssize_t count;
    must(from >= 0 && to >= 0, "open");
    while ((count = read(from, block, sizeof block)) > 0)
        must(write(to, block, count) == count, "write");
    close(from);
    close(to);
}

static void copy(const char *from, const char *to) { pour(open(from, O_RDONLY), open(to, MAKE, 0644)); }

static void *in_thread(void *nothing) {
    copy("in", "out");
    return nothing;
}

static void *in_folder_of_its_own(void *nothing) {
    must(!unshare(CLONE_FS), "unshare");
    must(!chdir("sub"), "chdir");
    copy("../in", "../out");
    return nothing;
}

static void run_thread(void *(*what)(void *)) {
    pthread_t thread;
    must(!pthread_create(&thread, NULL, what, NULL), "pthread_create");
    must(!pthread_join(thread, NULL), "pthread_join");
}

static void by_stdio(void) {
    FILE *from = fopen("in", "r"), *to = fopen("out", "w");
    int letter;
    while ((letter = getc(from)) != EOF)
        putc(letter, to);
    fclose(from);
    fclose(to);
}

static void by_cp(int keep_environment) {
    char *nothing[] = {NULL};
    pid_t child = vfork();
    if (!child) {
        if (keep_environment)
            execl("/bin/cp", "cp", "in", "out", (char *)NULL);
        else
            execle("/bin/cp", "cp", "in", "out", (char *)NULL, nothing);
        _exit(1);
    }
    wait(NULL);
}

static void by_memory(void) {
    struct stat about;
    int from = open("in", O_RDONLY), to = open("out", O_RDWR | O_CREAT | O_TRUNC, 0644);
    must(!fstat(from, &about) && !ftruncate(to, about.st_size), "ftruncate");
    char *source = mmap(NULL, about.st_size, PROT_READ, MAP_PRIVATE, from, 0);
    char *target = mmap(NULL, about.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
    close(from);
    close(to);
    memcpy(target, source, about.st_size);
}

static void by_openat2(void) {
    struct open_how from = {.flags = O_RDONLY}, to = {.flags = O_WRONLY | O_CREAT, .mode = 0644};
    pour(syscall(SYS_openat2, AT_FDCWD, "in", &from, sizeof from),
         syscall(SYS_openat2, AT_FDCWD, "out", &to, sizeof to));
}

static void by_openat2_in_root(void) {
    int here = open(".", O_RDONLY | O_DIRECTORY);
    struct open_how from = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
    struct open_how to = {.flags = O_WRONLY | O_CREAT, .mode = 0644, .resolve = RESOLVE_IN_ROOT};
    pour(syscall(SYS_openat2, here, "/in", &from, sizeof from), syscall(SYS_openat2, here, "/out", &to, sizeof to));
}

static void by_folder(void) {
    int here = open(".", O_RDONLY | O_DIRECTORY);
    must(!chdir("/"), "chdir");
    pour(openat(here, "in", O_RDONLY), openat(here, "out", MAKE, 0644));
}

static void by_nameless_file(void) {
    char link[64];
    int to = open(".", O_TMPFILE | O_RDWR, 0644), from = open("in", O_RDONLY), again;
    must(to >= 0, "O_TMPFILE");
    again = dup(to);
    pour(from, to);
    snprintf(link, sizeof link, "/proc/self/fd/%d", again);
    must(!linkat(AT_FDCWD, link, AT_FDCWD, "out", AT_SYMLINK_FOLLOW), "linkat");
}

static void by_open_file(void) {
    char name[64];
    int from = open("in", O_PATH), to = open("out", MAKE, 0644), again;
    snprintf(name, sizeof name, "/proc/self/fd/%d", from);
    again = open(name, O_RDONLY);
    pour(again, to);
}

static void by_handle(void) {
    struct {
        struct file_handle handle;
        char more[128];
    } of = {.handle.handle_bytes = 128};
    int mount, here = open(".", O_RDONLY | O_DIRECTORY);
    must(!name_to_handle_at(AT_FDCWD, "in", &of.handle, &mount, 0), "name_to_handle_at");
    pour(open_by_handle_at(here, &of.handle, O_RDONLY), open("out", MAKE, 0644));
}

static int ring_open(const char *name, int flags, int mode) {
    struct io_uring_params about = {0};
    int ring = syscall(SYS_io_uring_setup, 2, &about);
    must(ring >= 0, "io_uring_setup");
    size_t size = about.sq_off.array + about.sq_entries * sizeof(unsigned);
    size_t more = about.cq_off.cqes + about.cq_entries * sizeof(struct io_uring_cqe);
    char *asked = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    char *done = mmap(NULL, more, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *entry = mmap(NULL, about.sq_entries * sizeof *entry, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
                                      IORING_OFF_SQES);
    *entry = (struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (unsigned long)name,
                                   .open_flags = flags, .len = mode};
    *(unsigned *)(asked + about.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(asked + about.sq_off.tail), 1, __ATOMIC_RELEASE);
    must(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) >= 0, "io_uring_enter");
    int file = ((struct io_uring_cqe *)(done + about.cq_off.cqes))->res;
    close(ring);
    return file;
}

#ifdef __x86_64__
static long old_call(long number, const char *name, long flags, long mode) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(name), "c"(flags), "d"(mode) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

static void by_old_calls(void) {
    char *names = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    strcpy(names, "in");
    strcpy(names + 16, "out");
    long from = old_call(5, names, O_RDONLY, 0);
    if (from == -ENOSYS)
        exit(77); /* this kernel has no calls of that kind */
    pour(from, old_call(5, names + 16, MAKE, 0644));
}
#else
static void by_old_calls(void) { exit(77); }
#endif

static void ignore(int number) { (void)number; }

static void under_alarms(void) {
    struct itimerval often = {{0, 300}, {0, 300}};
    struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 500; i++) {
        int from = open("in", O_RDONLY);
        must(from >= 0, "open");
        close(from);
    }
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    copy("in", "out");
}

static void daemonize(void) {
    if (!fork()) {
        setsid();
        if (!fork()) {
            usleep(200000);
            copy("in", "out");
        }
        _exit(0);
    }
    wait(NULL);
}

static void by_raw_calls(void) {
    pour(syscall(SYS_openat, AT_FDCWD, "in", O_RDONLY), syscall(SYS_openat, AT_FDCWD, "out", MAKE, 0644));
}

int main(int count, char **words) {
    const char *way = count > 1 ? words[1] : "";
#define WAY(name) else if (!strcmp(way, name))
    if (!strcmp(way, "plain")) copy("in", "out");
    WAY("stdio") by_stdio();
    WAY("thread") run_thread(in_thread);
    WAY("thread-folder") run_thread(in_folder_of_its_own);
    WAY("fork") { if (!fork()) { copy("in", "out"); _exit(0); } wait(NULL); }
    WAY("vfork-exec") by_cp(1);
    WAY("no-environment") by_cp(0);
    WAY("daemon") daemonize();
    WAY("memory") by_memory();
    WAY("rename") { copy("in", "out.tmp"); must(!rename("out.tmp", "out"), "rename"); }
    WAY("hard-link") must(!link("in", "out"), "link");
    WAY("raw") by_raw_calls();
    WAY("openat2") by_openat2();
    WAY("openat2-in-root") by_openat2_in_root();
    WAY("folder") by_folder();
    WAY("nameless") by_nameless_file();
    WAY("open-file") by_open_file();
    WAY("copy-range") { int from = open("in", O_RDONLY), to = open("out", MAKE, 0644);
        must(copy_file_range(from, NULL, to, NULL, 1 << 20, 0) >= 0, "copy_file_range"); }
    WAY("read-write") pour(open("in", O_RDONLY), open("out", O_RDWR | O_CREAT, 0644));
    WAY("truncate") { copy("in", "out"); must(!truncate("out", 1), "truncate"); }
    WAY("old-calls") by_old_calls();
    WAY("alarms") under_alarms();
    WAY("handle") by_handle();
    WAY("ring") pour(ring_open("in", O_RDONLY, 0), ring_open("out", MAKE, 0644));
    WAY("hidden") { prctl(PR_SET_DUMPABLE, 0); copy("in", "out"); }
    else return 2;
    return 0;
}
