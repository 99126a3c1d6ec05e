"""Why did one run come out otherwise than another?  Found by running it again with one of the differences at a time.

`factors` tells what differs and can be swapped, `mixing` makes a run that has some of it from one and the rest from the
other, `trials` runs that apart from the user's files, `results` judges what came out, `smallest` chooses what to try
next, and `searching` puts them together.
"""
