/* What lies in a folder and what lstat says of each, all at once and while other threads go on.
 *
 * It is optional: where it isn't built, _folder.py does the same in Python.  Both are held to test/unit/test_folder.py.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000 /* one build serves this Python and all later ones */
#endif
#define _GNU_SOURCE
#include <Python.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Grows with each change of what _folder.py may expect of this file. */
#define REVISION 1

struct entry {
    size_t name; /* where it begins in the names */
    size_t length;
    struct stat facts;
};

struct found {
    struct entry *entries;
    size_t count, room;
    char *names;
    size_t used, space;
};

/* Return *old*, or a larger piece of memory in its place, with room for *needed* more; NULL if there is none. */
static void *with_room(void *old, size_t used, size_t needed, size_t *room, size_t size)
{
    size_t wanted = *room;
    while (wanted < used + needed)
        wanted = wanted ? 2 * wanted : 4096 / size + needed;
    void *more = wanted > *room ? realloc(old, wanted * size) : old;
    if (more)
        *room = wanted;
    return more;
}

static int add(struct found *found, int folder, const char *name)
{
    size_t length = strlen(name);
    struct entry *entries = with_room(found->entries, found->count, 1, &found->room, sizeof *entries);
    if (!entries)
        return ENOMEM;
    found->entries = entries;
    char *names = with_room(found->names, found->used, length, &found->space, 1);
    if (!names)
        return ENOMEM;
    found->names = names;
    struct entry *entry = &entries[found->count];
    if (fstatat(folder, name, &entry->facts, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : errno; /* it has just been removed */
    memcpy(names + found->used, name, length);
    entry->name = found->used;
    entry->length = length;
    found->used += length;
    found->count++;
    return 0;
}

/* Look into *folder*; return an error number, or 0. */
static int look_into(int folder, struct found *found)
{
    int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* closedir closes it */
    DIR *listing = own < 0 ? NULL : fdopendir(own);
    if (!listing) {
        int error = errno;
        if (own >= 0)
            close(own);
        return error;
    }
    int error = 0;
    while (!error) {
        errno = 0;
        struct dirent *item = readdir(listing);
        if (!item) {
            error = errno;
            break;
        }
        if (strcmp(item->d_name, ".") && strcmp(item->d_name, ".."))
            error = add(found, folder, item->d_name);
    }
    closedir(listing);
    return error;
}

static long long nanoseconds(struct timespec time) { return time.tv_sec * 1000000000LL + time.tv_nsec; }

static PyObject *list_of(const struct found *found, int as_bytes)
{
    PyObject *list = PyList_New((Py_ssize_t)found->count);
    for (size_t place = 0; list && place < found->count; place++) {
        const struct entry *entry = &found->entries[place];
        const struct stat *facts = &entry->facts;
        const char *text = found->names + entry->name;
        Py_ssize_t length = (Py_ssize_t)entry->length;
        PyObject *name = as_bytes ? PyBytes_FromStringAndSize(text, length)
                                  : PyUnicode_DecodeFSDefaultAndSize(text, length);
        PyObject *item = name ? Py_BuildValue(
            "(NIKKKLL)", name, (unsigned)facts->st_mode, (unsigned long long)facts->st_size,
            (unsigned long long)facts->st_dev, (unsigned long long)facts->st_ino, nanoseconds(facts->st_mtim),
            nanoseconds(facts->st_ctim)) : NULL;
        if (!item || PyList_SetItem(list, (Py_ssize_t)place, item)) {
            Py_DECREF(list);
            list = NULL;
        }
    }
    return list;
}

PyDoc_STRVAR(entries_doc,
"entries(folder, as_bytes)\n--\n\n"
"Return name, mode, size, device, number, and times of change of all that lies in the open *folder*.");

static PyObject *entries(PyObject *module, PyObject *args)
{
    int folder, as_bytes, error;
    struct found found = {0};
    PyObject *list = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "ip", &folder, &as_bytes))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    error = look_into(folder, &found);
    Py_END_ALLOW_THREADS
    if (error) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
    } else {
        list = list_of(&found, as_bytes);
    }
    free(found.entries);
    free(found.names);
    return list;
}

static PyMethodDef methods[] = {
    {"entries", entries, METH_VARARGS, entries_doc},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module) { return PyModule_AddIntConstant(module, "REVISION", REVISION); }

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "sumatra.versioncontrol._entries", .m_doc = "What lies in a folder.",
    .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__entries(void) { return PyModuleDef_Init(&definition); }
