/* What the observer does at each call: who calls, which file is meant, and what is there just before.
 *
 * The same as looks.py, which says more; both are held to test/contracts/test_observers.py.  All memory is set aside
 * at the start and never grows.  Nothing here is Python.
 */
#ifndef SUMATRA_LOOKS_H
#define SUMATRA_LOOKS_H

#include <stdint.h>

/* The kinds of calls in syscalls.py, in the order of looks_kinds. */
enum kind {
    OPEN, OPEN2, MKNOD, RENAME, LINK, SYMLINK, UNLINK, MKDIR, EXECUTE, CHDIR, VIEW, HANDLE, URING, KINDS
};
extern const char *const looks_kinds[KINDS];

/* One call of one kind of machine, and which of its arguments say what; -1 where it has no such argument. */
struct call {
    enum kind kind;
    int folder, name, flags, other_folder, other_name;
    uint32_t always;
};

/* What the kernel hands over and gets back: its struct seccomp_notif and struct seccomp_notif_resp. */
struct notification {
    uint64_t id;
    uint32_t pid, flags;
    int32_t number;
    uint32_t audit;
    uint64_t address;
    uint64_t arguments[6];
};
struct answer {
    uint64_t id;
    int64_t value;
    int32_t error;
    uint32_t flags;
};
_Static_assert(sizeof(struct notification) == 80 && sizeof(struct answer) == 24, "as the kernel has them");

#define IS_VALID 0x40082102 /* SECCOMP_IOCTL_NOTIF_ID_VALID */

/* Learn of a call; -1 if there is no room for it.  Before that, forget those of an earlier time. */
void looks_unlearn(void);
int looks_learn(uint32_t audit, int width, int number, const struct call *call);

/* Begin: records go to the file *log*. */
void looks_begin(int log);

/* Write down what the call says; *listener* is asked whether the caller still waits. */
void looks_look(int listener, const struct notification *called);

/* Be the one that observes from now on, and write that down. */
void looks_tell_observer(int pid, int privileged);

/* Know nothing of any process. */
void looks_forget(void);

/* Don't look into what programs serve (FUSE) any more: one of them may be waiting for us. */
void looks_beware(void);

/* Whether anybody can still find the log. */
int looks_wanted(void);

#endif
