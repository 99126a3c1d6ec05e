/* Makes calls with names and arguments that are no names and arguments, from addresses that are none; then copies the
   file "in" to "out" by names that are as long as can be.
   cc -O1 -pthread -o hostile hostile.c (and -static) */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LENGTH (1 << 20)

static void must(int good, const char *what) {
    if (!good) {
        perror(what);
        exit(3);
    }
}

/* Make every call that takes a name with this one, in each place where one is taken. */
static void call_with(const void *name) {
    const char *plain = "nothing";
    char *const none[] = {NULL};
    long folders[] = {AT_FDCWD, -1, 1000000, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        long folder = folders[i];
        struct {
            uint64_t flags, mode, resolve;
        } how = {0, 0, 0};
        syscall(SYS_openat, folder, name, O_RDONLY, 0);
        syscall(SYS_openat, folder, name, O_WRONLY | O_CREAT | O_EXCL, 0);
        syscall(SYS_openat, folder, name, -1, -1);
        syscall(437 /* openat2 */, folder, name, &how, sizeof how);
        syscall(437, folder, name, name, sizeof how);
        syscall(437, folder, plain, name, SIZE_MAX);
        syscall(SYS_mknodat, folder, name, S_IFREG | 0600, 0);
        syscall(SYS_renameat2, folder, name, folder, plain, -1);
        syscall(SYS_renameat2, folder, plain, folder, name, 0);
        syscall(SYS_linkat, folder, name, folder, plain, -1);
        syscall(SYS_linkat, folder, "in", folder, name, 0);
        syscall(SYS_symlinkat, name, folder, name);
        syscall(SYS_unlinkat, folder, name, 0);
        syscall(SYS_unlinkat, folder, name, -1);
        syscall(SYS_mkdirat, folder, name, 0);
        syscall(SYS_execveat, folder, name, none, none, 0);
        syscall(SYS_execveat, folder, name, name, name, -1);
    }
    syscall(SYS_truncate, name, -1);
    syscall(SYS_execve, name, name, name);
    if (name)
        syscall(SYS_execve, "/bin/true", name, name);
    syscall(SYS_chdir, name);
}

/* Try to become a program with these arguments, in a process of its own. */
static void execute_with(void *words) {
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (!pid) {
        char *const none[] = {NULL};
        execve("/bin/true", words, none);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void call_with_all_sorts(void) {
    long page = sysconf(_SC_PAGESIZE);
    /* Bytes without an end, and the same up to where nothing is any more. */
    char *endless = mmap(NULL, LENGTH + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(endless != MAP_FAILED, "mmap");
    memset(endless, 'x', LENGTH);
    must(!munmap(endless + LENGTH, page), "munmap");
    call_with(endless);
    call_with(endless + LENGTH - 1);
    call_with(endless + LENGTH - 300);
    call_with(endless + LENGTH - PATH_MAX);
    call_with(endless + LENGTH);
    endless[PATH_MAX - 1] = endless[PATH_MAX] = 0;
    call_with(endless);
    call_with(endless + 1);
    endless[PATH_MAX - 1] = 'x';
    call_with(endless);
    for (int i = 0; i < PATH_MAX - 1; i++)
        endless[i] = "./"[i % 2];
    endless[PATH_MAX - 1] = 0;
    call_with(endless);
    memset(endless, '/', PATH_MAX - 1);
    call_with(endless);

    /* What isn't there, isn't ours, or may not be read. */
    uintptr_t addresses[] = {0, 1, 4095, UINTPTR_MAX, UINTPTR_MAX - 4096, (uintptr_t)1 << 63, (uintptr_t)1 << 47,
                             ((uintptr_t)1 << 47) - 1};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        call_with((void *)addresses[i]);
    must(!mprotect(endless, page, PROT_NONE), "mprotect");
    call_with(endless);
    must(!mprotect(endless, page, PROT_READ | PROT_WRITE), "mprotect");
    /* No name of something that root could remove: each of them is unlinked, too (not "/dev/fd", a link). */
    const char *odd[] = {"", ".", "..", "/", "//", "/..", "./", "../..", "/proc/self", "/proc/self/", "/proc/selfish",
                         "/proc/thread-self/fd/1000000", "/dev/fd/", "/dev/fd/x", "/dev/stdin/x", "\n", "\xff",
                         "/proc/0/cwd/x", "/proc/-1/cwd", "/proc/99999999999999999999/fd/1/x", "/proc/1/fd/%n%s", "%s%n"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        call_with(odd[i]);
    munmap(endless, LENGTH);
}

static void execute_with_all_sorts(void) {
    /* More arguments than the kernel takes, without an end; all the same, all empty, all longer than they may be. */
    char **many = mmap(NULL, LENGTH * sizeof *many, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *large = malloc(2 * LENGTH);
    must(many != MAP_FAILED && large, "memory");
    memset(large, 'y', 2 * LENGTH);
    large[2 * LENGTH - 1] = 0;
    char *words[] = {large, large + 2 * LENGTH - (1 << 16), large + 2 * LENGTH - 100000, large + 2 * LENGTH - 10,
                     large + 2 * LENGTH - 1, (char *)1, (char *)UINTPTR_MAX};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        for (int j = 0; j < LENGTH; j++)
            many[j] = words[i];
        execute_with(many);
        execute_with(many + LENGTH - 1);
        execute_with(many + LENGTH - 40);
        int counts[] = {1, 31, 32, 33, 4095, 4096, 4097, 70000};
        for (size_t j = 0; j < sizeof counts / sizeof *counts; j++) {
            many[counts[j]] = NULL;
            execute_with(many);
            many[counts[j]] = words[i];
        }
    }
    munmap(many, LENGTH * sizeof *many);
    free(large);
}

/* Open "in" or "out" by a name of this many bytes. */
static int open_long(const char *name, int length, int flags, int folder) {
    char path[PATH_MAX + 1];
    int place = 0, rest = length - (int)strlen(name);
    for (; place + 2 <= rest; place += 2)
        memcpy(path + place, "./", 2);
    if (place < rest)
        path[place++] = '/';
    strcpy(path + place, name);
    return openat(folder, path, flags, 0644);
}

int main(void) {
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    char here[PATH_MAX], block[64];
    must(getcwd(here, sizeof here) != NULL, "getcwd");
    call_with_all_sorts();
    must(!chdir(here), "chdir");
    execute_with_all_sorts();
    int folder = open(".", O_RDONLY | O_DIRECTORY);
    int from = open_long("in", PATH_MAX - 1, O_RDONLY, AT_FDCWD);
    int to = open_long("out", PATH_MAX - 1, O_WRONLY | O_CREAT, folder);
    must(from >= 0 && to >= 0, "open");
    must(open_long("in", PATH_MAX, O_RDONLY, AT_FDCWD) < 0 && errno == ENAMETOOLONG, "too long");
    ssize_t got = read(from, block, sizeof block);
    must(got > 0 && write(to, block, got) == got, "copy");
    return 0;
}
