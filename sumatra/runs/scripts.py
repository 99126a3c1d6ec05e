"""Records of scripts that keep their own book, instead of being started by ``smt run``."""

import os
import sys
from datetime import datetime

import sumatra
from sumatra import capture
from sumatra.records import Choice, DataKey, Executable, Finding, Parameters, Record, new_id
from sumatra.runs import code
from sumatra.runs.workshop import Workshop
from sumatra.settings import parse_size

__all__ = ["begin"]


def begin(
    workshop: Workshop, *, label: str, now: datetime, parameters: Parameters, main_file: str | None,
    script_arguments: str = "", reason: str = "", input_data: tuple[DataKey, ...] = (),
) -> Record:
    """Return a record of this very process: its code, its Python, its machine, *now*.

    Raises `UncommittedChanges` where the project's policy is to refuse them.
    """
    chosen = workshop.settings
    found = code.look(
        os.path.dirname(os.path.abspath(main_file)) if main_file else os.getcwd(),
        policy=chosen.on_changed, store=workshop.objects, main_file=main_file,
        limits=code.Limits(parse_size(chosen.largest_untracked), parse_size(chosen.largest_untracked_total)),
        passed_over=workshop.not_code, project=workshop.root,
    )
    version = ".".join(map(str, sys.version_info[:3]))
    words, _ = capture.mask_words([sys.executable, *sys.argv], workshop.key)
    finding = Finding("by-script", "the script kept this record by itself; what it printed and read wasn't observed")
    return Record(
        label=label, timestamp=now, id=new_id(), project=chosen.name, reason=reason,
        command=tuple(words), executable=Executable(sys.executable, "Python", version),
        main_file=main_file or (sys.argv[0] or None), script_arguments=script_arguments,
        working_directory=os.getcwd(), repository=found.repository, version=found.version,
        diff=capture.mask(found.diff, workshop.key)[0], changes=found.changes,
        code_folder=found.folder, on_changed=chosen.on_changed,
        parameters=parameters, launch_mode=Choice("serial"), datastore=workshop.data.choice,
        input_datastore=workshop.inputs.choice, input_data=input_data, platforms=(capture.platform(),),
        environment=capture.environment(os.environ, workshop.key), user=found.user or capture.user(os.environ),
        parent=os.environ.get("SMT_LABEL"), receipt=(*found.findings, *code.reach(found), finding),
        tools={"sumatra": sumatra.__version__, "python": version},
    )
