#define _GNU_SOURCE
#include "_looks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define MOST_CALLS 256
#define MOST_NUMBERS 512
#define MOST_MACHINES 2
#define MOST_PROCESSES 512
#define MOST_PARENTS 256
#define MOST_THREADS 4096
#define THREAD_SLOTS (4 * MOST_THREADS)
#define MOST_SEEN (1 << 15)
#define SEEN_SLOTS (2 * MOST_SEEN)
#define SEEN_TEXT (4 << 20)
#define MOST_SHUNNED 256
#define LONGEST_NAME 4096 /* with the NUL; the kernel knows no longer ones */
#define LONGEST_ARGUMENTS (1 << 16)
#define MOST_ARGUMENTS 4096
#define SHORT_NAME 256
#define LONGEST_PATH (2 * LONGEST_NAME + 128)
#define FRESH 1000000000 /* ns after which a process is looked at anew */

#define RESOLVE_IN_ROOT 0x10 /* as <linux/openat2.h>, which is younger than some C libraries */
#define TO_CHANGE (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
#define TELLING (O_ACCMODE | O_CREAT | O_TRUNC | O_EXCL | O_NOFOLLOW)
#define ONCE UINT32_MAX /* no flags of opening */

/* What becomes of a look; HIDDEN if the process doesn't let others look at it, KEPT_OUT if that may be so. */
enum { NOTHING = 0, FOUND = 1, LEFT_OUT = -1, KEPT_OUT = -2, HIDDEN = -3 };

const char *const looks_kinds[KINDS] = {
    "open", "open2", "mknod", "rename", "link", "symlink", "unlink", "mkdir", "execute", "chdir", "view", "handle",
    "uring",
};

/* --- what is known */

struct facts {
    int parent, is_leader;
    unsigned long long start;
    unsigned long long image[8]; /* where its program lies in memory, which is by chance */
};

struct process {
    unsigned index;
    int pid;
    int memory; /* a file, where that is the only way to read it; else -1 */
    unsigned long long start, image[8];
    int64_t checked;    /* 0 if it has to be looked at anew */
    uint64_t owner;     /* of names in `seen`: nothing new in them */
    uint64_t epoch;     /* of these names */
    uint32_t round;     /* of threads that are changing the current folder; grows when it becomes another program */
    int movers;         /* how many these are */
    int elsewhere;      /* its root isn't ours */
    int hidden;         /* its memory can't be read */
    int told_hidden;    /* that has been written down */
    char exe[SHORT_NAME]; /* empty if longer */
};

struct thread {
    int number;     /* 0 if there is none */
    uint32_t moves; /* the round of its process in which it changes the current folder */
    struct process *process;
};

struct name {
    uint64_t owner; /* 0 if there is none */
    uint32_t flags, hash, place, length;
};

/* A name by which we ourselves reach a file: a folder that the kernel knows, and a name in it. */
struct place {
    char prefix[64];
    char name[LONGEST_NAME + 64];
};

struct found {
    struct stat status;
    char name[LONGEST_NAME];
};

static struct {
    int machines;
    struct {
        uint32_t audit;
        int width; /* bytes of an address */
        uint8_t by_number[MOST_NUMBERS]; /* one more than the place in calls */
    } machine[MOST_MACHINES];
    int calls;
    struct call call[MOST_CALLS];
} known;

static struct process processes[MOST_PROCESSES + MOST_PARENTS + 1];
static int process_count;
static struct thread threads[THREAD_SLOTS];
static int thread_count;
static struct name seen[SEEN_SLOTS];
static char seen_text[SEEN_TEXT];
static size_t seen_used;
static int seen_count;

static unsigned next_index;
static uint64_t last_owner;      /* each set of names has a number of its own, which never comes again */
static uint64_t epoch;           /* grows with each change of which names there are */
static uint64_t installed;       /* the owner of names of the system and of packages */
static int64_t installed_since;
static int views_differ;         /* not all processes see the same files under the same names */
static struct view {
    int known;
    dev_t device;
    ino_t inode;
    char mounts[64];
} our_view;

static char shunned[MOST_SHUNNED][LONGEST_NAME]; /* folders that can't be looked into without being stuck */
static int shunned_count;

static int own_files = -1; /* the folder /proc/self/fd, which is another for each process */
static int log_file = -1;
static int log_lost;
static int listener;
static uint64_t current; /* the call that waits */
static int caller;       /* the thread that makes it */

/* --- the log */

#define LARGEST_RECORD (LONGEST_ARGUMENTS + MOST_ARGUMENTS + 4 * LONGEST_NAME)

static char records[2 * LARGEST_RECORD]; /* of one call, which go to the file before it is let go on */
static size_t complete;                  /* bytes of these; more are of one that was begun */
static size_t used;
static int overfull;

static void put_bytes(const char *bytes, size_t length)
{
    if (length > sizeof records - used) {
        overfull = 1;
        return;
    }
    memcpy(records + used, bytes, length);
    used += length;
}

static void put(const char *text) { put_bytes(text, strlen(text)); }

static void put_name(const char *text) { put_bytes(text, strlen(text) + 1); }

static void put_end(void) { put_bytes("", 1); }

static void put_number(uint64_t number, unsigned base, int digits)
{
    char text[24];
    size_t place = sizeof text;
    do {
        text[--place] = (char)('0' + number % base);
        number /= base;
    } while (number || (int)(sizeof text - place) < digits);
    put_bytes(text + place, sizeof text - place);
}

static void put_word(uint64_t number)
{
    put(" ");
    put_number(number, 10, 1);
}

static void put_nanoseconds(struct timespec time)
{
    int64_t number = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
    put(number < 0 ? ":-" : ":");
    put_number(number < 0 ? -(uint64_t)number : (uint64_t)number, 10, 1);
}

static void put_state(const struct stat *status)
{
    put(" ");
    put_number(status->st_dev, 10, 1);
    put(":");
    put_number(status->st_ino, 10, 1);
    put(":");
    put_number(status->st_mode, 8, 1);
    put(":");
    put_number(status->st_nlink, 10, 1);
    put(":");
    put_number((uint64_t)status->st_size, 10, 1);
    put_nanoseconds(status->st_mtim);
    put_nanoseconds(status->st_ctim);
}

static void put_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    put_word((uint64_t)now.tv_sec);
    put(".");
    put_number((uint64_t)now.tv_nsec / 1000000, 10, 3);
}

/* Write all records, or none of them if there is no room; what was lost is said as soon as there is. */
static void flush(void)
{
    static const char lost[] = "! 0 log-lost\0"; /* and the NUL that ends it */
    struct iovec pieces[] = {{(void *)(uintptr_t)lost, sizeof lost}, {records, complete}};
    int first = log_lost ? 0 : 1;
    size_t length = complete + (log_lost ? sizeof lost : 0);
    ssize_t written;
    struct stat status;
    if (!complete)
        return;
    complete = used = 0;
    do
        written = writev(log_file, pieces + first, 2 - first);
    while (written < 0 && errno == EINTR);
    log_lost = written != (ssize_t)length;
    if (written > 0 && log_lost && !fstat(log_file, &status) && status.st_size >= written)
        (void)!ftruncate(log_file, status.st_size - written);
}

/* Begin a record; one that was begun and not kept is dropped. */
static void head(const char *kind)
{
    used = complete;
    overfull = 0;
    if (sizeof records - used < LARGEST_RECORD)
        flush();
    put(kind);
}

static void head_of(const char *kind, const struct process *process)
{
    head(kind);
    put_word(process->index);
}

static void keep_record(void)
{
    if (overfull)
        log_lost = 1;
    else
        complete = used;
}

/* Tell whether the one who called still waits, so that its number is its own. */
static int confirm(void) { return ioctl(listener, IS_VALID, &current) ? LEFT_OUT : FOUND; }

static int keep_confirmed(void)
{
    if (confirm() != FOUND)
        return LEFT_OUT;
    keep_record();
    return FOUND;
}

static void tell(const struct process *process, const char *code, const char *detail)
{
    head_of("!", process);
    put(" ");
    put_name(code);
    put_name(detail);
    keep_record();
}

int looks_wanted(void)
{
    struct stat status;
    return !fstat(log_file, &status) && status.st_nlink > 0;
}

void looks_tell_observer(int pid, int privileged)
{
    if (own_files >= 0)
        close(own_files);
    own_files = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    head("o");
    put_word((uint64_t)pid);
    put_word((uint64_t)privileged);
    put_end();
    keep_record();
    flush();
}

/* --- names that have been seen */

static uint32_t hash_of(uint64_t owner, uint32_t flags, const char *name, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u ^ (owner * 0x9e3779b97f4a7c15u) ^ flags;
    for (size_t place = 0; place < length; place++)
        hash = (hash ^ (unsigned char)name[place]) * 0x100000001b3u;
    return (uint32_t)(hash ^ hash >> 32);
}

/* Return where the name is or would be. */
static struct name *seen_slot(uint64_t owner, uint32_t flags, const char *name, size_t length, uint32_t hash)
{
    uint32_t place = hash % SEEN_SLOTS;
    for (;; place = (place + 1) % SEEN_SLOTS) {
        struct name *slot = &seen[place];
        if (!slot->owner || (slot->owner == owner && slot->flags == flags && slot->hash == hash
                             && slot->length == length && !memcmp(seen_text + slot->place, name, length)))
            return slot;
    }
}

static int is_seen(uint64_t owner, uint32_t flags, const char *name, size_t length)
{
    return seen_slot(owner, flags, name, length, hash_of(owner, flags, name, length))->owner != 0;
}

static void forget_names(void)
{
    memset(seen, 0, sizeof seen);
    seen_used = 0;
    seen_count = 0;
}

static void see_no_more_of(uint64_t owner, uint32_t flags, const char *name, size_t length)
{
    uint32_t hash = hash_of(owner, flags, name, length);
    if (seen_count >= MOST_SEEN || length > SEEN_TEXT - seen_used)
        forget_names();
    struct name *slot = seen_slot(owner, flags, name, length, hash);
    if (slot->owner)
        return;
    memcpy(seen_text + seen_used, name, length);
    *slot = (struct name){owner, flags, hash, (uint32_t)seen_used, (uint32_t)length};
    seen_used += length;
    seen_count++;
}

/* --- what the kernel tells of a process */

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec + 1;
}

/* Read the beginning of a file at one go (the kernel makes these files up as they are read) and end it with a NUL. */
static int beginning_of(const char *path, char *to, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return LEFT_OUT;
    ssize_t got = read(file, to, size - 1);
    close(file);
    if (got < 0)
        return LEFT_OUT;
    to[got] = 0;
    return FOUND;
}

static int facts_of(int pid, struct facts *facts)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (beginning_of(path, text, sizeof text) != FOUND)
        return LEFT_OUT;
    char *place = strrchr(text, ')');
    if (!place)
        return LEFT_OUT;
    int image = 0;
    memset(facts, 0, sizeof *facts);
    /* The second field, the name, has just ended; numbers as in proc(5). */
    char *rest, *field = strtok_r(place + 1, " \n", &rest);
    int number = 3;
    for (; field; field = strtok_r(NULL, " \n", &rest), number++) {
        if (number == 4)
            facts->parent = atoi(field);
        else if (number == 38)
            facts->is_leader = strcmp(field, "-1") != 0;
        else if (number == 22)
            facts->start = strtoull(field, NULL, 10);
        else if (number == 26 || number == 28 || (number >= 45 && number <= 50))
            facts->image[image++] = strtoull(field, NULL, 10);
    }
    return number > 50 ? FOUND : LEFT_OUT;
}

/* Return the process that *thread* belongs to. */
static int group_of(int thread)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/status", thread);
    if (beginning_of(path, text, sizeof text) != FOUND)
        return LEFT_OUT;
    char *place = strstr(text, "\nTgid:");
    int group = place ? atoi(place + 6) : 0;
    return group > 0 ? group : LEFT_OUT;
}

/* Return the length of what the symbolic link at *path* points to, which is ended by a NUL; 0 if it can't be read. */
static size_t link_of(const char *path, char *to, size_t size)
{
    ssize_t length = readlink(path, to, size - 1);
    if (length < 0)
        length = 0;
    to[length] = 0;
    return (size_t)length;
}

static void exe_of(int pid, char *to, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    link_of(path, to, size);
}

static void view_of(int pid, struct view *view)
{
    char path[64];
    struct stat root;
    memset(view, 0, sizeof *view);
    snprintf(path, sizeof path, "/proc/%d/root", pid);
    if (stat(path, &root))
        return;
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
    if (!link_of(path, view->mounts, sizeof view->mounts))
        return;
    view->known = 1;
    view->device = root.st_dev;
    view->inode = root.st_ino;
}

static int is_our_view(const struct view *view)
{
    return view->known == our_view.known && view->device == our_view.device && view->inode == our_view.inode
           && !strcmp(view->mounts, our_view.mounts);
}

/* --- who calls */

static struct thread *thread_slot(int number)
{
    uint32_t place = (uint32_t)number * 2654435761u % THREAD_SLOTS;
    while (threads[place].number && threads[place].number != number)
        place = (place + 1) % THREAD_SLOTS;
    return &threads[place];
}

static struct process *process_of(int pid)
{
    for (int place = process_count; place-- > 0;)
        if (processes[place].pid == pid)
            return &processes[place];
    return NULL;
}

static void close_memory(struct process *process)
{
    if (process->memory >= 0)
        close(process->memory);
    process->memory = -1;
}

void looks_forget(void)
{
    for (int place = 0; place < process_count; place++)
        close_memory(&processes[place]);
    process_count = 0;
    memset(threads, 0, sizeof threads);
    thread_count = 0;
    forget_names();
}

static void remember_exe(struct process *process, const char *exe)
{
    size_t length = strlen(exe);
    *process->exe = 0;
    if (length < sizeof process->exe)
        memcpy(process->exe, exe, length + 1);
}

/* Write a process down; *process* is the one that had its number before, or NULL. */
static struct process *write_down(struct process *process, int pid, const struct facts *facts)
{
    char exe[LONGEST_NAME];
    const struct process *parent = process_of(facts->parent);
    if (process) {
        close_memory(process);
        process->pid = 0; /* its threads may still point to it */
    }
    process = &processes[process_count++]; /* there is room: `meet` and `meet_parents` see to it */
    *process = (struct process){
        .index = next_index++, .pid = pid, .memory = -1, .start = facts->start, .owner = ++last_owner, .epoch = epoch,
        .round = 1,
    };
    memcpy(process->image, facts->image, sizeof process->image);
    if (parent && *parent->exe && !memcmp(parent->image, facts->image, sizeof facts->image))
        memcpy(exe, parent->exe, sizeof parent->exe); /* it is a copy */
    else
        exe_of(pid, exe, sizeof exe);
    remember_exe(process, exe);
    head_of("p", process);
    put_word((uint64_t)pid);
    put_word((uint64_t)facts->parent);
    put_word(facts->start);
    put_time();
    put_end();
    put_name(exe);
    keep_record();
    return process;
}

/* Write down the processes between the next one that is known and this one: they made no call that we see. */
static void meet_parents(int pid)
{
    static struct {
        int pid;
        struct facts facts;
    } chain[MOST_PARENTS];
    int length = 0;
    while (pid > 1 && !process_of(pid)) {
        if (length == MOST_PARENTS || facts_of(pid, &chain[length].facts) != FOUND)
            return;
        chain[length].pid = pid;
        pid = chain[length++].facts.parent;
    }
    if (process_of(pid))
        while (length-- > 0)
            write_down(NULL, chain[length].pid, &chain[length].facts);
}

/* Return the process that *thread* belongs to, written down if it is a new one or has become another program. */
static struct process *identify(int thread)
{
    struct facts facts;
    int pid = thread;
    if (facts_of(thread, &facts) != FOUND)
        return NULL;
    if (!facts.is_leader) {
        pid = group_of(thread);
        if (pid < 0 || facts_of(pid, &facts) != FOUND)
            return NULL;
    }
    struct process *process = process_of(pid);
    if (!process || process->start != facts.start) {
        meet_parents(facts.parent);
        return write_down(process, pid, &facts);
    }
    if (memcmp(process->image, facts.image, sizeof facts.image)) {
        char exe[LONGEST_NAME];
        memcpy(process->image, facts.image, sizeof facts.image);
        exe_of(pid, exe, sizeof exe);
        remember_exe(process, exe);
        process->told_hidden = 0;
        head_of("y", process);
        put_time();
        put_end();
        put_name(exe);
        keep_record();
    }
    return process;
}

/* Look at this process no more, until it becomes another program: it keeps others out. */
static void hide(struct process *process)
{
    char path[64], exe[LONGEST_NAME];
    if (!process->told_hidden) {
        exe_of(process->pid, exe, sizeof exe);
        if (!*exe) {
            snprintf(path, sizeof path, "/proc/%d/comm", process->pid);
            if (beginning_of(path, exe, 65) != FOUND)
                *exe = 0;
            exe[strcspn(exe, "\n")] = 0;
        }
        tell(process, "hidden", exe);
    }
    process->hidden = process->told_hidden = 1;
}

static struct process *meet(int number)
{
    char exe[LONGEST_NAME];
    if (process_count >= MOST_PROCESSES || thread_count >= MOST_THREADS)
        looks_forget();
    struct process *process = identify(number);
    if (!process)
        return NULL;
    struct thread *thread = thread_slot(number);
    if (!thread->number)
        thread_count++;
    if (!thread->number || thread->process != process)
        *thread = (struct thread){number, 0, process};
    process->checked = now();
    if (process->checked - installed_since > FRESH) {
        installed = ++last_owner;
        installed_since = process->checked;
    }
    process->owner = ++last_owner;
    close_memory(process);
    if (views_differ) {
        struct view view;
        view_of(process->pid, &view);
        int elsewhere = !is_our_view(&view);
        if (elsewhere && !process->elsewhere) {
            exe_of(process->pid, exe, sizeof exe);
            tell(process, "other-root", exe);
        }
        process->elsewhere = elsewhere;
    }
    process->hidden = 0;
    if (confirm() == FOUND)
        return process;
    process->checked = 0;
    return NULL;
}

/* --- which file is meant */

/* Read memory of the caller; return how much could be read, or HIDDEN, or LEFT_OUT. */
static ssize_t read_memory(struct process *process, uint64_t address, void *to, size_t size)
{
    if (process->memory < 0) {
        struct iovec ours = {to, size}, its = {(void *)(uintptr_t)address, size};
        ssize_t got = process_vm_readv(caller, &ours, 1, &its, 1, 0);
        if (got >= 0 || (errno != EPERM && errno != ENOSYS))
            return got > 0 ? got : LEFT_OUT;
        char path[64]; /* some containers forbid that call, but not this file */
        snprintf(path, sizeof path, "/proc/%d/mem", caller);
        process->memory = open(path, O_RDONLY | O_CLOEXEC);
        if (process->memory < 0)
            return errno == EACCES || errno == EPERM ? HIDDEN : LEFT_OUT;
    }
    ssize_t got = pread(process->memory, to, size, (off_t)address);
    return got > 0 ? got : LEFT_OUT;
}

/* Read a name into *to*, which has room for LONGEST_NAME; return its length. */
static int text_at(struct process *process, uint64_t address, char *to)
{
    size_t length = 0;
    while (length < LONGEST_NAME) {
        size_t piece = length ? 1024 : 256;
        if (piece > LONGEST_NAME - length)
            piece = LONGEST_NAME - length;
        ssize_t got = read_memory(process, address + length, to + length, piece);
        if (got < 0)
            return (int)got;
        char *end = memchr(to + length, 0, (size_t)got);
        if (end)
            return (int)(end - to);
        length += (size_t)got;
    }
    return LEFT_OUT;
}

static int begins_with(const char *text, const char *beginning)
{
    return !strncmp(text, beginning, strlen(beginning));
}

/* Copy *name*; one that means something else to each process becomes what it means to *thread*. */
static void own_name(const struct process *process, int thread, const char *name, char *to, size_t size)
{
    static const struct {
        const char *shared, *own;
    } names[] = {
        {"/proc/self", "/proc/%d"}, {"/proc/thread-self", "/proc/%d/task/%d"}, {"/dev/fd", "/proc/%d/fd"},
        {"/dev/stdin", "/proc/%d/fd/0"}, {"/dev/stdout", "/proc/%d/fd/1"}, {"/dev/stderr", "/proc/%d/fd/2"},
    };
    for (size_t place = 0; place < sizeof names / sizeof *names; place++) {
        const char *rest = name + strlen(names[place].shared);
        if (!begins_with(name, names[place].shared) || (*rest && *rest != '/'))
            continue;
        char own[64];
        snprintf(own, sizeof own, names[place].own, process->pid, thread);
        snprintf(to, size, "%s%s", own, rest);
        return;
    }
    snprintf(to, size, "%s", name);
}

/* Tell by which name we ourselves reach what *name* means to *thread*. */
static void place_of(const struct process *process, int thread, int folder, const char *name, struct place *place)
{
    *place->prefix = 0;
    if (*name == '/') {
        own_name(process, thread, name, place->name, sizeof place->name);
        if (process->elsewhere)
            snprintf(place->prefix, sizeof place->prefix, "/proc/%d/root", process->pid);
        return;
    }
    if (folder == AT_FDCWD)
        snprintf(place->prefix, sizeof place->prefix, "/proc/%d/cwd", thread);
    else
        snprintf(place->prefix, sizeof place->prefix, "/proc/%d/fd/%d", thread, folder);
    snprintf(place->name, sizeof place->name, "%s", name);
}

/* Write the place as one name. */
static void join(const struct place *place, char *to)
{
    size_t prefix = strlen(place->prefix);
    int between = prefix && *place->name && *place->name != '/';
    snprintf(to, LONGEST_PATH, "%s%s%s", place->prefix, between ? "/" : "", place->name);
}

/* Open the place without reading what is there; names that are too long with our prefix are told from its folder. */
static int reach(const struct place *place, int flags)
{
    char path[LONGEST_PATH];
    join(place, path);
    if (strlen(path) < LONGEST_NAME || !*place->prefix)
        return open(path, flags);
    int folder = open(place->prefix, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return folder;
    int file = openat(folder, place->name + strspn(place->name, "/"), flags);
    int error = errno;
    close(folder);
    errno = error;
    return file;
}

/* Take "//", "/." and "/.." out of *path*, in place. */
static void normalize(char *path)
{
    char *to = path;
    for (const char *from = path; *from;) {
        from += strspn(from, "/");
        size_t length = strcspn(from, "/");
        if (length == 2 && from[0] == '.' && from[1] == '.') {
            while (to > path && *--to != '/') {
            }
        } else if (length && !(length == 1 && *from == '.')) {
            *to++ = '/';
            memmove(to, from, length);
            to += length;
        }
        from += length;
    }
    if (to == path)
        *to++ = '/';
    *to = 0;
}

/* Tell, without touching it, whether *place* is in a folder to be shunned; symbolic links may deceive us. */
static int is_shunned(const struct place *place)
{
    char path[LONGEST_PATH], whole[LONGEST_PATH], start[64];
    int end = 0, fixed = 0;
    join(place, path);
    /* What the kernel shows of a process: its current folder, root, or an open file. */
    if (sscanf(path, "/proc/%*d/cwd%n", &end) == 0 && end)
        fixed = end;
    end = 0;
    if (!fixed && sscanf(path, "/proc/%*d/root%n", &end) == 0 && end)
        fixed = end;
    end = 0;
    if (!fixed && sscanf(path, "/proc/%*d/fd/%*d%n", &end) == 0 && end)
        fixed = end;
    if (fixed && (size_t)fixed < sizeof start && (!path[fixed] || path[fixed] == '/')) {
        char target[LONGEST_NAME];
        memcpy(start, path, (size_t)fixed);
        start[fixed] = 0;
        if (!link_of(start, target, sizeof target) || *target != '/')
            return 0;
        snprintf(whole, sizeof whole, "%s%s", target, path + fixed);
    } else {
        snprintf(whole, sizeof whole, "%s", path);
    }
    normalize(whole);
    for (int number = 0; number < shunned_count; number++) {
        size_t length = strlen(shunned[number]);
        if (!strncmp(whole, shunned[number], length) && (!whole[length] || whole[length] == '/' || length == 1))
            return 1;
    }
    return 0;
}

/* Find the true name and the state of what is at *place*. */
static int see(const struct place *place, int follow, struct found *found)
{
    char number[16];
    if (shunned_count && is_shunned(place))
        return LEFT_OUT;
    int file = reach(place, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    if (file < 0) {
        int is_refused = errno == EACCES || errno == EPERM;
        return is_refused && begins_with(*place->prefix ? place->prefix : place->name, "/proc/") ? KEPT_OUT : NOTHING;
    }
    snprintf(number, sizeof number, "%d", file);
    ssize_t length = readlinkat(own_files, number, found->name, sizeof found->name - 1);
    int result = length > 0 && !fstat(file, &found->status) ? FOUND : LEFT_OUT;
    found->name[length > 0 ? length : 0] = 0;
    close(file);
    return result;
}

static int is_file(const struct found *found) { return S_ISREG(found->status.st_mode); }

static void without_slashes_at_end(char *name, size_t shortest)
{
    size_t length = strlen(name);
    while (length > shortest && name[length - 1] == '/')
        name[--length] = 0;
}

/* Find the true name of what *place*, where there is nothing, will be; its folder has to be there. */
static int see_folder(const struct place *place, struct found *found)
{
    struct place folder = *place;
    char last[sizeof folder.name];
    without_slashes_at_end(folder.name, 0);
    char *slash = strrchr(folder.name, '/');
    char *start = slash ? slash + 1 : folder.name;
    memcpy(last, start, strlen(start) + 1);
    *start = 0;
    if (!*folder.name)
        memcpy(folder.name, "/", 2); /* of the prefix */
    if (!*last || !strcmp(last, ".") || !strcmp(last, ".."))
        return NOTHING;
    int result = see(&folder, 1, found);
    if (result != FOUND)
        return result;
    without_slashes_at_end(found->name, 0);
    size_t length = strlen(found->name), added = strlen(last);
    if (length + added + 2 > sizeof found->name)
        return LEFT_OUT;
    found->name[length] = '/';
    memcpy(found->name + length + 1, last, added + 1);
    return FOUND;
}

/* Find the true name that what isn't there yet at *place* will have; symbolic links to nothing are followed. */
static int to_be(const struct process *process, const struct place *given, struct found *found)
{
    struct place place = *given;
    for (int links = 0; links < 40; links++) {
        char target[LONGEST_NAME];
        struct place here = place;
        ssize_t length = -1;
        if (shunned_count && is_shunned(&place))
            return LEFT_OUT;
        without_slashes_at_end(here.name, 0);
        int file = reach(&here, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (file >= 0) {
            length = readlinkat(file, "", target, sizeof target - 1);
            close(file);
        }
        if (length <= 0)
            return see_folder(&place, found);
        target[length] = 0;
        if (*target == '/') {
            place_of(process, process->pid, AT_FDCWD, target, &place);
            continue;
        }
        char *slash = strrchr(here.name, '/');
        size_t kept = slash ? (size_t)(slash + 1 - here.name) : 0;
        if (kept + (size_t)length >= LONGEST_NAME)
            return LEFT_OUT;
        memcpy(place.name, here.name, kept);
        memcpy(place.name + kept, target, (size_t)length + 1);
    }
    return LEFT_OUT;
}

/* Find the true name of *place*, and whether something is there: FOUND with `found->status.st_nlink` 0 if not. */
static int name_and_state(const struct place *given, struct found *found, int *is_there)
{
    struct place place = *given;
    without_slashes_at_end(place.name, *place.prefix ? 0 : 1);
    int result = see(&place, 0, found);
    *is_there = result == FOUND;
    return result == NOTHING ? see_folder(&place, found) : result;
}

/* --- the calls */

/* What is being looked at. */
struct look {
    struct process *process;
    int thread;
    struct thread *slot;
    const struct call *call;
    const uint64_t *arguments;
    int width;
};

static int folder_argument(const struct look *look, int number)
{
    return number >= 0 ? (int)(uint32_t)look->arguments[number] : AT_FDCWD;
}

static uint64_t flags_argument(const struct look *look)
{
    return look->call->flags >= 0 ? look->arguments[look->call->flags] : 0;
}

static int place_argument(const struct look *look, int second, struct place *place)
{
    char name[LONGEST_NAME];
    int folder = second ? look->call->other_folder : look->call->folder;
    int argument = second ? look->call->other_name : look->call->name;
    int length = text_at(look->process, look->arguments[argument], name);
    if (length < 0)
        return length;
    place_of(look->process, look->thread, folder_argument(look, folder), name, place);
    return FOUND;
}

/* Write down that the file at *place* is opened; FOUND if the same would say nothing new. */
static int opened(const struct process *process, const struct place *place, uint32_t flags)
{
    static struct found found;
    int exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    int result = see(place, !(flags & O_NOFOLLOW || exclusive), &found);
    if (result == NOTHING) {
        if (!(flags & O_CREAT))
            return NOTHING;
        result = to_be(process, place, &found);
        if (result != FOUND)
            return result;
        head_of("w", process);
        put_word(flags);
        put(" -");
    } else if (result != FOUND) {
        return result;
    } else if (!is_file(&found) || !found.status.st_nlink || (flags & TO_CHANGE && exclusive)) {
        return FOUND;
    } else {
        head_of(flags & TO_CHANGE ? "w" : "r", process);
        if (flags & TO_CHANGE)
            put_word(flags);
        put_state(&found.status);
    }
    put_end();
    put_name(found.name);
    return keep_confirmed();
}

static int is_of_system(const char *name)
{
    static const char *const folders[] = {"/usr/", "/lib/", "/lib64/", "/etc/", "/bin/", "/sbin/"};
    for (size_t place = 0; place < sizeof folders / sizeof *folders; place++)
        if (begins_with(name, folders[place]))
            return 1;
    return *name == '/' && strstr(name, "-packages/");
}

static int look_open(const struct look *look)
{
    struct process *process = look->process;
    char name[LONGEST_NAME];
    struct place place;
    uint32_t flags = ((uint32_t)flags_argument(look) | look->call->always) & TELLING;
    int folder = folder_argument(look, look->call->folder);
    int length = text_at(process, look->arguments[look->call->name], name);
    if (length < 0)
        return length;
    if (is_seen(process->owner, flags, name, (size_t)length)
        || (!process->elsewhere && is_seen(installed, flags, name, (size_t)length)))
        return FOUND;
    if (!(flags & TO_CHANGE) && !process->elsewhere && is_of_system(name))
        see_no_more_of(installed, flags, name, (size_t)length);
    place_of(process, look->thread, folder, name, &place);
    int result = opened(process, &place, flags);
    if (result == FOUND && (*name == '/' || (folder == AT_FDCWD && !process->movers)))
        see_no_more_of(process->owner, flags, name, (size_t)length);
    return result;
}

static int look_open2(const struct look *look)
{
    char name[LONGEST_NAME];
    struct place place;
    uint64_t how[3];
    int length = text_at(look->process, look->arguments[look->call->name], name);
    if (length < 0)
        return length;
    if (read_memory(look->process, look->arguments[look->call->flags], how, sizeof how) != sizeof how)
        return LEFT_OUT;
    if (how[0] & (O_PATH | O_DIRECTORY))
        return NOTHING;
    const char *start = name;
    if (how[2] & RESOLVE_IN_ROOT && *name == '/') {
        start += strspn(name, "/");
        if (!*start)
            start = ".";
    }
    place_of(look->process, look->thread, folder_argument(look, look->call->folder), start, &place);
    return opened(look->process, &place, (uint32_t)how[0] & TELLING);
}

static int look_mknod(const struct look *look)
{
    struct place place;
    unsigned type = (unsigned)flags_argument(look) & S_IFMT;
    if (type && type != S_IFREG)
        return NOTHING;
    int result = place_argument(look, 0, &place);
    return result == FOUND ? opened(look->process, &place, O_WRONLY | O_CREAT | O_EXCL) : result;
}

/* Find what both names of the call are; FOUND if there is a first one and a place for the second one. */
static int two_names(const struct look *look, int follow, struct found *source, struct found *target, int *is_there)
{
    struct place place;
    int result = place_argument(look, 0, &place);
    if (result != FOUND)
        return result;
    result = see(&place, follow, source);
    if (result != FOUND)
        return result;
    result = place_argument(look, 1, &place);
    return result == FOUND ? name_and_state(&place, target, is_there) : result;
}

static struct found one, other; /* large, so not on the stack */

static int look_rename(const struct look *look)
{
    int is_there;
    int result = two_names(look, 0, &one, &other, &is_there);
    if (result != FOUND)
        return result;
    head_of("m", look->process);
    put_word(flags_argument(look) & 7);
    put_state(&one.status);
    if (is_there)
        put_state(&other.status);
    else
        put(" -");
    put_end();
    put_name(one.name);
    put_name(other.name);
    epoch++;
    return keep_confirmed();
}

static int look_link(const struct look *look)
{
    int is_there, follow = (flags_argument(look) & (AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) != 0;
    int result = two_names(look, follow, &one, &other, &is_there);
    if (result != FOUND || is_there)
        return result;
    head_of("l", look->process);
    put_state(&one.status);
    put(" -");
    put_end();
    put_name(one.status.st_nlink ? one.name : "");
    put_name(other.name);
    epoch++;
    return keep_confirmed();
}

static int look_symlink(const struct look *look)
{
    struct place place;
    char target[LONGEST_NAME];
    int is_there;
    int result = place_argument(look, 0, &place);
    if (result == FOUND)
        result = name_and_state(&place, &one, &is_there);
    if (result != FOUND || is_there)
        return result;
    if (text_at(look->process, look->arguments[look->call->other_name], target) < 0)
        return LEFT_OUT;
    head_of("s", look->process);
    put(" -");
    put_end();
    put_name(one.name);
    put_name(target);
    epoch++;
    return keep_confirmed();
}

static int look_unlink(const struct look *look)
{
    struct place place;
    if (flags_argument(look) & AT_REMOVEDIR)
        return NOTHING;
    int result = place_argument(look, 0, &place);
    if (result == FOUND)
        result = see(&place, 0, &one);
    if (result != FOUND || S_ISDIR(one.status.st_mode))
        return result;
    head_of("u", look->process);
    put_state(&one.status);
    put_end();
    put_name(one.name);
    epoch++;
    return keep_confirmed();
}

static int look_mkdir(const struct look *look)
{
    struct place place;
    int is_there;
    int result = place_argument(look, 0, &place);
    if (result == FOUND)
        result = name_and_state(&place, &one, &is_there);
    if (result != FOUND || is_there)
        return result;
    head_of("k", look->process);
    put_end();
    put_name(one.name);
    return keep_confirmed();
}

/* The arguments of a program, one after the other, each ended by a NUL. */
static char words[LONGEST_ARGUMENTS + MOST_ARGUMENTS];

/* Read the arguments into `words`: as many as there is room for, and none if any can't be read. */
static int read_words(const struct look *look, uint64_t address, size_t *size)
{
    size_t width = (size_t)look->width, length = 0; /* without the NULs */
    int count = 0;
    *size = 0;
    while (address && count < MOST_ARGUMENTS && length < LONGEST_ARGUMENTS) {
        unsigned char pointers[32 * 8];
        ssize_t got = read_memory(look->process, address, pointers, 32 * width);
        if (got < 0)
            return 0;
        size_t whole = (size_t)got / width;
        if (!whole)
            break;
        for (size_t place = 0; place < whole && count < MOST_ARGUMENTS && length < LONGEST_ARGUMENTS; place++) {
            uint32_t narrow;
            uint64_t pointer;
            if (width == sizeof narrow) {
                memcpy(&narrow, pointers + place * width, sizeof narrow);
                pointer = narrow;
            } else {
                memcpy(&pointer, pointers + place * width, sizeof pointer);
            }
            if (!pointer)
                return count;
            for (size_t piece = 256; length < LONGEST_ARGUMENTS; piece = 4096) {
                if (piece > LONGEST_ARGUMENTS - length)
                    piece = LONGEST_ARGUMENTS - length;
                got = read_memory(look->process, pointer, words + *size, piece);
                if (got < 0)
                    return 0;
                char *end = memchr(words + *size, 0, (size_t)got);
                size_t added = end ? (size_t)(end - (words + *size)) : (size_t)got;
                *size += added;
                length += added;
                pointer += added;
                if (end)
                    break;
            }
            words[(*size)++] = 0;
            count++;
        }
        address += whole * width;
    }
    return count;
}

static int look_execute(const struct look *look)
{
    struct process *process = look->process;
    struct place place;
    char path[LONGEST_PATH];
    size_t size = 0;
    int result = place_argument(look, 0, &place);
    if (result == FOUND)
        result = see(&place, !(flags_argument(look) & AT_SYMLINK_NOFOLLOW), &one);
    if (result != FOUND || !is_file(&one) || !(one.status.st_mode & 0111))
        return result;
    process->checked = 0; /* its memory will be another */
    process->movers = 0;
    process->round++;
    int count = read_words(look, look->arguments[look->call->other_name], &size);
    head_of("x", process);
    put_time();
    put_word((uint64_t)count);
    put_state(&one.status);
    put_end();
    put_name(one.name);
    if (count)
        put_bytes(words, size);
    if (keep_confirmed() != FOUND)
        return LEFT_OUT;
    join(&place, path);
    if (getxattr(path, "security.capability", NULL, 0) > 0)
        tell(process, "has-capabilities", one.name);
    return FOUND;
}

static int look_chdir(const struct look *look)
{
    look->process->owner = ++last_owner;
    if (look->slot->moves != look->process->round) {
        look->slot->moves = look->process->round;
        look->process->movers++;
    }
    return FOUND;
}

static int look_view(const struct look *look)
{
    views_differ = 1;
    look->process->checked = 0;
    return FOUND;
}

static int once(const struct look *look, const char *code)
{
    char exe[LONGEST_NAME];
    if (!is_seen(look->process->owner, ONCE, code, strlen(code))) {
        see_no_more_of(look->process->owner, ONCE, code, strlen(code));
        exe_of(look->process->pid, exe, sizeof exe);
        tell(look->process, code, exe);
    }
    return FOUND;
}

static int look_handle(const struct look *look) { return once(look, "opened-by-handle"); }

static int look_uring(const struct look *look) { return once(look, "io-uring"); }

static int (*const actions[KINDS])(const struct look *) = {
    [OPEN] = look_open, [OPEN2] = look_open2, [MKNOD] = look_mknod, [RENAME] = look_rename, [LINK] = look_link,
    [SYMLINK] = look_symlink, [UNLINK] = look_unlink, [MKDIR] = look_mkdir, [EXECUTE] = look_execute,
    [CHDIR] = look_chdir, [VIEW] = look_view, [HANDLE] = look_handle, [URING] = look_uring,
};

static void look_at(int from, const struct notification *called)
{
    struct look look = {.thread = (int)called->pid, .arguments = called->arguments};
    for (int place = 0; place < known.machines; place++)
        if (known.machine[place].audit == called->audit && called->number >= 0 && called->number < MOST_NUMBERS
            && known.machine[place].by_number[called->number]) {
            look.call = &known.call[known.machine[place].by_number[called->number] - 1];
            look.width = known.machine[place].width;
        }
    if (!look.call || look.thread <= 0)
        return;
    listener = from;
    current = called->id;
    caller = look.thread;
    look.slot = thread_slot(look.thread);
    struct process *process = look.slot->number ? look.slot->process : NULL;
    if (!process || !process->checked || now() - process->checked > FRESH)
        process = meet(look.thread);
    if (!process)
        return;
    look.process = process;
    look.slot = thread_slot(look.thread);
    if (process->hidden) {
        if (look.call->kind == EXECUTE)
            process->checked = 0;
        return;
    }
    if (process->epoch != epoch) {
        process->owner = ++last_owner;
        process->epoch = epoch;
    }
    if (process->movers && look.slot->moves == process->round) {
        look.slot->moves = 0;
        process->movers--;
        process->owner = ++last_owner;
    }
    int result = actions[look.call->kind](&look);
    if (result == KEPT_OUT) {
        char path[64], ignored[8];
        snprintf(path, sizeof path, "/proc/%d/cwd", look.thread);
        result = link_of(path, ignored, sizeof ignored) ? LEFT_OUT : HIDDEN;
    }
    if (result == HIDDEN) {
        hide(process);
        if (look.call->kind == EXECUTE)
            process->checked = 0;
    }
}

void looks_look(int from, const struct notification *called)
{
    look_at(from, called);
    flush();
}

/* --- beginning */

void looks_unlearn(void) { memset(&known, 0, sizeof known); }

int looks_learn(uint32_t audit, int width, int number, const struct call *call)
{
    int place = 0;
    while (place < known.machines && known.machine[place].audit != audit)
        place++;
    if (place == MOST_MACHINES || known.calls == MOST_CALLS - 1 || number < 0 || number >= MOST_NUMBERS
        || (width != 4 && width != 8))
        return -1;
    if (place == known.machines) {
        known.machine[known.machines++].audit = audit;
        known.machine[place].width = width;
    }
    known.call[known.calls++] = *call;
    known.machine[place].by_number[number] = (uint8_t)known.calls;
    return 0;
}

void looks_begin(int log)
{
    log_file = log;
    installed = ++last_owner;
    view_of(getpid(), &our_view);
}

/* Write the folder that a line of "mountinfo" tells of, which has spaces and the like as "\040", to *to*. */
static void unescape(const char *from, size_t length, char *to)
{
    size_t used_up = 0;
    for (size_t place = 0; place < length && used_up < LONGEST_NAME - 1;) {
        if (from[place] == '\\' && length - place >= 4) {
            char digits[4] = {from[place + 1], from[place + 2], from[place + 3], 0};
            to[used_up++] = (char)strtol(digits, NULL, 8);
            place += 4;
        } else {
            to[used_up++] = from[place++];
        }
    }
    to[used_up] = 0;
}

static void beware_of(char *line)
{
    char *kind = strstr(line, " - ");
    if (!kind || !begins_with(kind + 3, "fuse") || begins_with(kind + 3, "fusectl"))
        return;
    *kind = 0;
    for (int field = 0; field < 4; field++) {
        line = strchr(line, ' ');
        if (!line)
            return;
        line++;
    }
    if (shunned_count == MOST_SHUNNED)
        return;
    char *folder = shunned[shunned_count++];
    unescape(line, strcspn(line, " "), folder);
    head("! 0 served");
    put_end();
    put_name(folder);
    keep_record();
}

void looks_beware(void)
{
    static char text[4 * LONGEST_NAME];
    size_t length = 0;
    ssize_t got;
    int file = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    shunned_count = 0;
    while ((got = read(file, text + length, sizeof text - 1 - length)) > 0) {
        length += (size_t)got;
        text[length] = 0;
        char *line = text, *end;
        while ((end = strchr(line, '\n'))) {
            *end = 0;
            beware_of(line);
            line = end + 1;
        }
        length -= (size_t)(line - text);
        memmove(text, line, length);
        if (length == sizeof text - 1)
            length = 0; /* a line that can't be one */
    }
    close(file);
    flush();
}
