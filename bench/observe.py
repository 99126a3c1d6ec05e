"""Run a program observed, silently, and print how many seconds that took longer than nothing: observe.py METHOD WORDS…

The clock starts where smt has loaded what it needs anyway, and ends with the program.  ``none`` is to compare with, and
so is ``answers``: an observer that answers the kernel and looks at nothing, as ours does when nobody wants to know.
"""

import os
import sys
import tempfile
import time

from sumatra.capture import observation

method, *words = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    nowhere = os.open(os.devnull, os.O_RDWR)
    began = time.perf_counter()
    log = os.path.join(folder, "log")
    observer = observation.begin(log, "notify/helper" if method == "answers" else method)
    if method == "answers":
        os.unlink(log)
    pid = observer.spawn(words[0], words, os.environ, {0: nowhere, 1: nowhere}, ())
    _, status = os.waitpid(pid, 0)
    took = time.perf_counter() - began
    if method == "answers":
        observer.close()
        method = "notify"
    else:
        observer.finish()
print(took)
sys.exit(os.waitstatus_to_exitcode(status) != 0 or observer.method != method.partition("/")[0])
