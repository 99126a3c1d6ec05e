"""The smallest set, and mixtures of two contents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumatra.causes.factors import Content, Factor, factors_between, hunks_of
from sumatra.causes.mixing import mix
from sumatra.causes.smallest import expected_trials, smallest
from sumatra.facts import replace
from sumatra.files import ContentStore
from sumatra.parameters import from_bytes
from sumatra.records import Parameters, Record, Repository


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1))))
def test_all_that_is_needed_is_found_and_nothing_else(case):
    number, needed = case
    asked = []

    def test(chosen):
        assert chosen not in asked, "the same is asked twice"
        asked.append(chosen)
        return needed <= chosen

    assert smallest(range(number), test) == needed


@given(st.integers(1, 60), st.data())
def test_one_cause_is_found_in_few_trials(number, data):
    cause = data.draw(st.integers(0, number - 1))
    asked = []
    found = smallest(range(number), lambda chosen: bool(asked.append(chosen)) or cause in chosen)
    assert found == {cause}
    assert len(asked) <= 2 * expected_trials(number)


@given(st.sets(st.integers(0, 11), min_size=1, max_size=4), st.sets(st.integers(0, 11), max_size=3))
def test_what_is_found_is_enough_and_none_of_it_can_be_left_out_even_if_some_trials_fail(needed, fragile):
    def test(chosen):
        return needed <= chosen and not (fragile & chosen and len(chosen) < 6)

    if not test(frozenset(range(12))):
        return
    found = smallest(range(12), test)
    assert test(found)
    assert all(not test(found - {each}) for each in found)


LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n"]), max_size=12).map(b"".join)


def file(name, one, other):
    contents = tuple(Content("x", "100644", lambda content=content: content) for content in (one, other))
    return Factor("code", name, "1", "2", None, contents, name)


@given(one=LINES, other=LINES, data=st.data())
def test_parts_of_a_file_put_together_are_the_whole(one, other, data, tmp_path_factory):
    objects = ContentStore(str(tmp_path_factory.getbasetemp() / "objects"))
    factor = file("a.py", one, other)
    parts = hunks_of(factor)
    record = Record(
        label="a", timestamp=None, command=("x",), working_directory="/nowhere",
        repository=Repository(type="git", url="", root="/nowhere"),
    )

    def mixed(chosen):
        (change,) = mix(record, replace(record, label="b"), [factor], chosen, objects).record.changes
        return objects.get(change.digest)

    assert mixed([]) == one
    assert mixed([factor]) == other
    if parts:
        assert mixed(parts) == other
        some = data.draw(st.sets(st.sampled_from(parts), min_size=1))
        rest = [part for part in parts if part not in some]
        if rest:
            assert (mixed(list(some)) == one) == (mixed(rest) == other)


@pytest.mark.parametrize(("suffix", "one", "other"), [
    (".json", '{"a": 1, "b": {"c": 2, "gone": 3}}\n', '{"a": 5, "b": {"c": 4}, "new": [1, 2]}\n'),
    (".yaml", "a: 1\nb:\n  c: 2\n", "a: 5\nb:\n  c: 4\nnew: x\n"),
    (".toml", "a = 1\n[b]\nc = 2\n", "a = 5\n[b]\nc = 4\nnew = 2.5\n"),
    (".param", "a = 1\nc = 2\n", "a = 5\nc = 4\n"),
])
def test_values_are_swapped_one_by_one_and_all_together_are_the_second_file(suffix, one, other, tmp_path):
    path = str(tmp_path / f"p{suffix}")
    records = [
        Record(
            label=label, timestamp=None, command=("x", f"p{suffix}"), working_directory=str(tmp_path),
            repository=Repository(type="git", url="", root=str(tmp_path)),
            parameters=Parameters(content=text, path=path),
        )
        for label, text in (("one", one), ("other", other))
    ]
    factors = factors_between(*records, lambda record: {}, lambda *_: b"").factors
    assert len(factors) > 1
    objects = ContentStore(str(tmp_path / "objects"))

    def mixed(chosen):
        (change,) = mix(*records, factors, chosen, objects).record.changes
        return from_bytes(objects.get(change.digest), path).flat()

    values = [from_bytes(text.encode(), path).flat() for text in (one, other)]
    assert [mixed([]), mixed(factors)] == values
    for factor in factors:
        found = mixed([factor])
        others = {name: value for name, value in found.items() if name != factor.name}
        assert others == {name: value for name, value in values[0].items() if name != factor.name}
        assert found.get(factor.name) == values[1].get(factor.name)
