#!/bin/sh
# What shells do all day: redirections, pipes, here documents, subshells, folders, renames, links, deletions.
set -e
cat < first > copied
sort second | uniq >> appended
tr a b <<EOF > converted
abc
EOF
( cd inner && cat ../third > fourth )
mkdir -p made/deep
echo temporary > made/file.tmp
mv made/file.tmp made/file
mv made final
echo scratch > scratch && rm scratch
ln -s first pointer
ln -sf second pointer
cp -p first kept
echo more >> changed
: > emptied
rm removed
cat pointer > through
printf '%s' "$(cat final/file)" > last
