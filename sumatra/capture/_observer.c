/* The observer of sumatra.capture.notify as a helper in C: quicker, and otherwise the same as watcher.py and looks.py.
 *
 * It is optional: where it isn't built, Python does the same.  Both are held to test/contracts/test_observers.py.
 * The numbers of system calls come from syscalls.py.  The process that watches is forked here and never runs Python.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000 /* one build serves this Python and all later ones */
#endif
#define _GNU_SOURCE
#include <Python.h>

#include "_looks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Grows with each change of what notify.py may expect of this file. */
#define REVISION 2

/* What the headers of older systems don't have: the same numbers on every machine that we know. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define SET_FILTER 1
#define GET_SIZES 3
#define NEW_LISTENER (1u << 3)
#define WAIT_KILLABLE (1u << 5)
#define RECEIVE 0xC0502100u
#define SEND 0xC0182101u
#define SET_FLAGS 0x40082104u
#define SYNCHRONOUS 1ul
#define GO_ON 1

#define PATIENCE 3 /* seconds that one call may take before the second one steps in */
#define ROUND 1000 /* calls between two looks whether anybody still wants to know */

#define WORKERS 2 /* threads that answer where processes call side by side */
#define WINDOW 64 /* calls after which it is decided whether they do */
#define SIDE_BY_SIDE 4 /* so many more, on average of late, come back after calls of others than come for the first time */
#define RECENT 8

/* --- the process that watches */

/* What both that watch can see: what each thread is answering, and a number that changes with each call. */
static volatile struct shared {
    struct notification called[1 + WORKERS];
    uint32_t beat;
} *shared;

enum ending { RUN_HAS_ENDED, OTHER_HAS_ENDED };

static int listening = -1; /* where calls come from */
static pthread_mutex_t looking = PTHREAD_MUTEX_INITIALIZER; /* held by the thread that looks: one at a time */
static int count = ROUND - 1, is_wanted = 1; /* that is asked at the first call, and then at each round's end */
static int workers; /* threads that answer */
static int is_here = -1; /* whether they are told to wake on the same processor; -1 if that isn't known */

static void answer(uint64_t id)
{
    struct answer going_on = {id, 0, 0, GO_ON};
    (void)!ioctl(listening, SEND, &going_on);
}

static void clear_shared(int place)
{
    shared->called[place].id = 0;
    memset((void *)&shared->called[place], 0, sizeof shared->called[place]); /* or the kernel wouldn't take it */
}

/* Tell whether the calls of late came from processes that run side by side, and not from one after the other.
 *
 * A shell that starts one program after another comes back after each of them, too, but each of these is a new one.
 */
static int are_side_by_side(uint32_t thread)
{
    static uint32_t recent[RECENT], last;
    static int calls, returns, place, of_late;
    if (thread != last) {
        int which = 0;
        while (which < RECENT && recent[which] != thread)
            which++;
        returns += which < RECENT ? 1 : -1;
        recent[place++ % RECENT] = last = thread;
    }
    if (++calls == WINDOW) {
        of_late = of_late - of_late / 4 + (returns > 0 ? returns : 0); /* four times the average */
        calls = returns = 0;
    }
    return of_late >= 4 * SIDE_BY_SIDE;
}

/* Wake whom a call or an answer waits for on the same processor, or on any.
 *
 * While only one process runs at a time, its processor is free as soon as it waits for us, and waking another one costs
 * more than all that we do.  Processes that run side by side would queue up for one processor.  Since Linux 6.6.
 */
static void wake_here(int here)
{
    if (here != is_here)
        (void)!ioctl(listening, SET_FLAGS, here ? SYNCHRONOUS : 0);
    is_here = here;
}

static void *work(void *place);

/* Start the threads that answer from now on: to begin with, they would cost more than a short program does. */
static void start_workers(void)
{
    pthread_t thread;
    while (workers < WORKERS && !pthread_create(&thread, NULL, work, (void *)(intptr_t)(1 + workers)))
        workers++;
}

/* Receive a call and answer it. */
static void serve_call(int place)
{
    clear_shared(place);
    if (ioctl(listening, RECEIVE, (void *)&shared->called[place])) /* it doesn't wait any more */
        return;
    struct notification called = *(volatile struct notification *)&shared->called[place];
    pthread_mutex_lock(&looking);
    if (is_wanted)
        looks_look(listening, &called);
    if (++count == ROUND) {
        count = 0;
        is_wanted = is_wanted && looks_wanted();
    }
    int side_by_side = are_side_by_side(called.pid);
    wake_here(!side_by_side);
    if (side_by_side && !workers)
        start_workers();
    shared->beat++;
    pthread_mutex_unlock(&looking);
    answer(called.id);
    clear_shared(place);
}

static void *work(void *place)
{
    for (;;)
        serve_call((int)(intptr_t)place);
    return NULL;
}

/* Do the work until the run or the one that stands by has ended. */
static enum ending observe(int other)
{
    struct pollfd ready[] = {{listening, POLLIN, 0}, {other, POLLIN, 0}};
    for (;;) {
        ready[0].events = workers ? 0 : POLLIN;
        if (poll(ready, 2, -1) < 0) /* a negative `other` is passed over */
            continue;
        if (ready[1].revents)
            return OTHER_HAS_ENDED;
        if (ready[0].revents & POLLIN) {
            serve_call(0);
        } else if (ready[0].revents) {
            pthread_mutex_lock(&looking); /* what is being written down is written down */
            return RUN_HAS_ENDED;
        }
    }
}

/* Wait until the process *first* has ended, killing it when one look takes too long. */
static enum ending stand_by(int first, int listener)
{
    struct pollfd end = {first, POLLIN, 0}, calls = {listener, POLLIN, 0};
    int idle = 0;
    uint64_t before[1 + WORKERS] = {0};
    uint32_t beat_before = 0;
    for (;;) {
        int ended = poll(&end, 1, 1000);
        calls.revents = 0;
        (void)!poll(&calls, 1, 0);
        if (ended > 0)
            return calls.revents & POLLHUP ? RUN_HAS_ENDED : OTHER_HAS_ENDED;
        int waits = calls.revents & POLLIN, is_stuck = 0;
        for (int place = 0; place < 1 + WORKERS; place++) {
            uint64_t id = shared->called[place].id;
            is_stuck |= id && id == before[place]; /* each call has a number of its own */
            before[place] = id;
        }
        uint32_t beat = shared->beat;
        idle = is_stuck || (waits && beat == beat_before) ? idle + 1 : 0;
        beat_before = beat;
        if (idle >= PATIENCE) {
            syscall(SYS_pidfd_send_signal, first, SIGKILL, NULL, 0);
            looks_beware();
        }
    }
}

/* Wait for the listener; -1 if there will be none. */
static int hear(int control, int *privileged)
{
    char said = 0;
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } attached;
    struct iovec piece = {&said, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &attached, .msg_controllen = sizeof attached};
    ssize_t got;
    int listener = -1;
    do
        got = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    struct cmsghdr *head = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS && head->cmsg_len >= CMSG_LEN(sizeof(int)))
        memcpy(&listener, CMSG_DATA(head), sizeof listener);
    close(control);
    *privileged = said == '1';
    return listener;
}

/* Answer what the kernel asks until nothing can come any more.
 *
 * There are two that hold the listener: one that watches, and one that waits for the first one's end.
 */
static void watch(int control)
{
    int listener = -1, privileged = 1, told = 0;
    for (;;) {
        int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
        pthread_mutex_lock(&looking);
        pid_t standby = own < 0 ? -1 : fork();
        pthread_mutex_unlock(&looking);
        if (standby < 0 && listener < 0)
            return;
        if (listener < 0) {
            listener = hear(control, &privileged);
            if (listener < 0)
                return;
        }
        if (standby) {
            if (own >= 0)
                close(own);
            if (!told) {
                listening = listener;
                wake_here(1);
                looks_tell_observer(getpid(), privileged);
                told = 1;
            }
            int other = standby < 0 ? -1 : (int)syscall(SYS_pidfd_open, standby, 0);
            if (standby > 0 && other < 0)
                continue; /* it has ended already */
            enum ending ending = observe(other);
            if (other >= 0)
                close(other);
            if (ending == RUN_HAS_ENDED)
                return;
        } else {
            if (stand_by(own, listener) == RUN_HAS_ENDED)
                return;
            close(own);
            looks_forget();
            listening = listener;
            told = workers = 0;
            is_here = -1;
            for (int place = 0; place < 1 + WORKERS; place++) {
                answer(shared->called[place].id);
                clear_shared(place);
            }
        }
    }
}

static void close_between(unsigned low, unsigned high)
{
    if (low <= high && syscall(SYS_close_range, low, high, 0)) {
        long most = sysconf(_SC_OPEN_MAX);
        for (unsigned file = low; file <= high && (long)file < most; file++)
            close((int)file);
    }
}

/* Be the process that watches: keep nothing of what smt had open. */
static void serve(int control, int log)
{
    sigset_t every;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct rlimit files;
    setsid();
    sigfillset(&every);
    sigprocmask(SIG_BLOCK, &every, NULL);
    sigaction(SIGCHLD, &ignore, NULL);
    prctl(PR_SET_NAME, "smt-observer", 0, 0, 0);
    control = fcntl(control, F_DUPFD_CLOEXEC, 3);
    log = fcntl(log, F_DUPFD_CLOEXEC, 3);
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (control < 0 || log < 0 || nowhere < 0)
        return;
    for (int stream = 0; stream < 3; stream++)
        dup2(nowhere, stream);
    unsigned low = (unsigned)(control < log ? control : log), high = (unsigned)(control < log ? log : control);
    close_between(3, low - 1);
    close_between(low + 1, high - 1);
    close_between(high + 1, ~0u);
    if (chdir("/"))
        return;
    if (!getrlimit(RLIMIT_NOFILE, &files)) { /* one is open for each process of the run */
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    looks_begin(log);
    watch(control);
}

/* --- the program */

/* All that the program needs, and what becomes of it; it is made before the fork and read after it. */
struct plan {
    int control;
    long seccomp;
    struct {
        unsigned short length;
        const void *steps;
    } filter;
    const char *path;
    char **words, **script, **environment;
    int is_script; /* if the kernel doesn't know it */
    Py_ssize_t streams;
    int (*stream)[2];
    sigset_t mask, ignored;
    char stage;
    int error;
};

/* Set the filter up for this process; return the listener. */
static int set_filter(struct plan *plan, char *privileged)
{
    unsigned flags = NEW_LISTENER | WAIT_KILLABLE;
    *privileged = '1';
    for (;;) {
        int listener = (int)syscall(plan->seccomp, SET_FILTER, flags, &plan->filter);
        if (listener >= 0)
            return listener;
        if (errno == EACCES && *privileged == '1') { /* only those who can't gain privileges may filter themselves */
            if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
                return -1;
            *privileged = '0';
        } else if (errno == EINVAL && flags & WAIT_KILLABLE) { /* known since Linux 5.19 */
            flags = NEW_LISTENER;
        } else {
            return -1;
        }
    }
}

static int hand_over(int control, int listener, char privileged)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } attached;
    struct iovec piece = {&privileged, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &attached, .msg_controllen = sizeof attached};
    memset(&attached, 0, sizeof attached);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &listener, sizeof listener);
    return sendmsg(control, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* Turn this new process into the program, or note why not.  It shares our memory, and we wait (vfork). */
static int become(struct plan *plan)
{
    int highest = 2, control = plan->control;
    char privileged;
    plan->stage = 'f';
    for (Py_ssize_t place = 0; place < plan->streams; place++)
        if (plan->stream[place][0] > highest)
            highest = plan->stream[place][0];
    if (control <= highest && (control = fcntl(control, F_DUPFD_CLOEXEC, highest + 1)) < 0)
        return -1;
    for (Py_ssize_t place = 0; place < plan->streams; place++) {
        int its = plan->stream[place][0], ours = plan->stream[place][1];
        if (its == ours ? fcntl(its, F_SETFD, 0) : dup2(ours, its) < 0)
            return -1;
    }
    for (int number = 1; number < NSIG; number++) {
        struct sigaction now, otherwise = {.sa_handler = SIG_DFL};
        if (!sigaction(number, NULL, &now)
            && ((now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN) || sigismember(&plan->ignored, number) == 1))
            sigaction(number, &otherwise, NULL);
    }
    int listener = set_filter(plan, &privileged);
    if (listener < 0)
        return -1;
    for (int each = 0; each < 2; each++) /* for the one that watches, and the one that stands by */
        if (hand_over(control, listener, privileged))
            return -1;
    close(listener);
    plan->stage = 's';
    sigprocmask(SIG_SETMASK, &plan->mask, NULL);
    execve(plan->path, plan->words, plan->environment);
    if (errno == ENOEXEC && plan->is_script)
        execve(plan->script[0], plan->script, plan->environment);
    return -1;
}

static pid_t __attribute__((noinline)) start_program(struct plan *plan)
{
    pid_t pid = vfork();
    if (!pid) {
        become(plan);
        plan->error = errno;
        _exit(127);
    }
    if (pid < 0) {
        plan->stage = 'f';
        plan->error = errno;
    }
    return pid;
}

/* --- what Python sees */

/* Return the texts of a list of bytes, with a NULL at the end; NULL with an exception set if they aren't texts. */
static char **texts_of(PyObject *list)
{
    Py_ssize_t count = PyList_Size(list);
    char **texts = count < 0 ? NULL : PyMem_Calloc((size_t)count + 1, sizeof *texts);
    if (count >= 0 && !texts)
        PyErr_NoMemory();
    for (Py_ssize_t place = 0; texts && place < count; place++)
        if (PyBytes_AsStringAndSize(PyList_GetItem(list, place), &texts[place], NULL)) { /* a NUL inside is an error */
            PyMem_Free(texts);
            texts = NULL;
        }
    return texts;
}

static int signals_of(PyObject *list, sigset_t *set)
{
    sigemptyset(set);
    Py_ssize_t count = PyList_Size(list);
    for (Py_ssize_t place = 0; place < count; place++) {
        long number = PyLong_AsLong(PyList_GetItem(list, place));
        if (number == -1 && PyErr_Occurred())
            return -1;
        if (sigaddset(set, (int)number)) {
            PyErr_SetString(PyExc_ValueError, "there is no such signal");
            return -1;
        }
    }
    return count < 0 ? -1 : 0;
}

static int streams_of(PyObject *list, struct plan *plan)
{
    plan->streams = PyList_Size(list);
    plan->stream = plan->streams < 0 ? NULL : PyMem_Calloc((size_t)plan->streams + 1, sizeof *plan->stream);
    if (!plan->stream) {
        if (plan->streams >= 0)
            PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t place = 0; place < plan->streams; place++)
        if (!PyArg_ParseTuple(PyList_GetItem(list, place), "ii", &plan->stream[place][0], &plan->stream[place][1]))
            return -1;
    return 0;
}

PyDoc_STRVAR(spawn_doc,
"spawn(control, seccomp, filter, path, words, script, environment, descriptors, mask, defaults)\n--\n\n"
"Start the program at *path* under the filter and hand the listener over at *control*.\n\n"
"Returns its pid, where it failed (b'f': filtering, b's': starting) and the error number; 0 if all is well.\n"
"*script* is what to run if it is neither a binary nor has a first line; empty if nothing.");

static PyObject *observer_spawn(PyObject *module, PyObject *args)
{
    struct plan plan = {0};
    const char *filter;
    Py_ssize_t length;
    PyObject *path, *words, *script, *environment, *descriptors, *mask, *defaults, *result = NULL;
    char *path_text;
    (void)module;
    if (!PyArg_ParseTuple(args, "ily#SOOOOOO", &plan.control, &plan.seccomp, &filter, &length, &path, &words, &script,
                          &environment, &descriptors, &mask, &defaults))
        return NULL;
    plan.filter.length = (unsigned short)(length / 8);
    plan.filter.steps = filter;
    if (PyBytes_AsStringAndSize(path, &path_text, NULL) || signals_of(mask, &plan.mask)
        || signals_of(defaults, &plan.ignored))
        return NULL;
    plan.path = path_text;
    plan.words = texts_of(words);
    plan.script = plan.words ? texts_of(script) : NULL;
    plan.environment = plan.script ? texts_of(environment) : NULL;
    if (plan.environment && !streams_of(descriptors, &plan)) {
        sigset_t every, before;
        pid_t pid;
        plan.is_script = plan.script[0] != NULL;
        sigfillset(&every);
        pthread_sigmask(SIG_SETMASK, &every, &before);
        Py_BEGIN_ALLOW_THREADS
        pid = start_program(&plan);
        Py_END_ALLOW_THREADS
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        result = Py_BuildValue("(iy#i)", (int)pid, &plan.stage, (Py_ssize_t)1, plan.error);
    }
    PyMem_Free(plan.words);
    PyMem_Free(plan.script);
    PyMem_Free(plan.environment);
    PyMem_Free(plan.stream);
    return result;
}

/* Learn what the calls are; -1 with an exception set if they can't be understood. */
static int learn(PyObject *calls)
{
    Py_ssize_t count = PyList_Size(calls);
    looks_unlearn();
    for (Py_ssize_t place = 0; place < count; place++) {
        struct call call;
        const char *kind;
        unsigned long audit, always;
        int width, number, found = 0;
        if (!PyArg_ParseTuple(PyList_GetItem(calls, place), "kiisiiiiik", &audit, &width, &number, &kind, &call.folder,
                              &call.name, &call.flags, &call.other_folder, &call.other_name, &always))
            return -1;
        while (found < KINDS && strcmp(kind, looks_kinds[found]))
            found++;
        call.kind = (enum kind)found;
        call.always = (uint32_t)always;
        int highest = 0;
        const int places[] = {call.folder, call.name, call.flags, call.other_folder, call.other_name};
        for (size_t which = 0; which < sizeof places / sizeof *places; which++)
            highest = places[which] > highest ? places[which] : highest;
        if (found == KINDS || highest > 5 || looks_learn((uint32_t)audit, width, number, &call)) {
            PyErr_Format(PyExc_ValueError, "there is no way to look at calls of the kind %s", kind);
            return -1;
        }
    }
    return count < 0 ? -1 : 0;
}

PyDoc_STRVAR(start_doc,
"start(log, calls)\n--\n\n"
"Start the process that watches, which writes to the file *log*; return a socket (its number) to it, and its pid.\n\n"
"Each of *calls* is the machine, the width of its addresses, the number of the call, and the fields of a `Call`.");

static PyObject *observer_start(PyObject *module, PyObject *args)
{
    PyObject *calls;
    int log, ends[2];
    (void)module;
    if (!PyArg_ParseTuple(args, "iO", &log, &calls) || learn(calls))
        return NULL;
    void *page = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return PyErr_SetFromErrno(PyExc_OSError);
    shared = page;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        PyErr_SetFromErrno(PyExc_OSError);
        munmap(page, sizeof *shared);
        return NULL;
    }
    pid_t pid = fork();
    if (!pid) {
        close(ends[0]);
        serve(ends[1], log);
        _exit(0);
    }
    int error = errno;
    munmap(page, sizeof *shared);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue("(ii)", ends[0], (int)pid);
}

PyDoc_STRVAR(sizes_doc,
"sizes(seccomp)\n--\n\n"
"Return what the kernel says about the sizes of its structures; nothing if it has no such thing.");

static PyObject *observer_sizes(PyObject *module, PyObject *args)
{
    long number;
    unsigned short sizes[3] = {0};
    (void)module;
    if (!PyArg_ParseTuple(args, "l", &number))
        return NULL;
    int is_there = syscall(number, GET_SIZES, 0, sizes) == 0;
    return Py_BuildValue("y#", (const char *)sizes, (Py_ssize_t)(is_there ? sizeof sizes : 0));
}

static PyMethodDef methods[] = {
    {"sizes", observer_sizes, METH_VARARGS, sizes_doc},
    {"spawn", observer_spawn, METH_VARARGS, spawn_doc},
    {"start", observer_start, METH_VARARGS, start_doc},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module) { return PyModule_AddIntConstant(module, "REVISION", REVISION); }

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "sumatra.capture._observer",
    .m_doc = "The observer of sumatra.capture.notify, in C.", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__observer(void) { return PyModuleDef_Init(&definition); }
