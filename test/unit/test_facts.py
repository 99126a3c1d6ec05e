"""Facts behave as frozen data classes."""

import copy
import pickle

import pytest

from sumatra.facts import as_dict, fact, field, fields, replace


@fact
class Point:
    x: int
    y: int = 2
    names: list[str] = field(default_factory=list)


@fact(kw_only=True)
class Named:
    at: Point
    name: str = field(default="?", metadata={"summary": "what it is called"})

    def __str__(self) -> str:
        return self.name


def test_fields_are_taken_by_place_and_by_name_with_their_defaults():
    assert (Point(1).x, Point(1).y, Point(1, names=["a"]).names) == (1, 2, ["a"])
    assert Point(1).names is not Point(1).names
    assert str(Named(at=Point(1))) == "?"
    assert [entry.name for entry in fields(Named)] == ["at", "name"]
    assert fields(Named)[1].metadata["summary"] == "what it is called"


@pytest.mark.parametrize("make", [
    lambda: Point(), lambda: Point(1, 2, [], 4), lambda: Point(1, x=2), lambda: Point(1, z=3), lambda: Named(Point(1)),
    lambda: Named(name="x"), lambda: replace(Point(1), z=3),
])
def test_what_does_not_fit_the_fields_is_refused(make):
    with pytest.raises(TypeError):
        make()


def test_facts_cannot_be_changed():
    point = Point(1)
    with pytest.raises(AttributeError, match="can't be changed"):
        point.x = 3
    with pytest.raises(AttributeError, match="can't be changed"):
        del point.x
    assert point.x == 1


def test_facts_are_equal_by_their_fields_and_can_be_replaced_copied_and_told():
    assert Point(1, 5) == Point(x=1, y=5)
    assert Point(1) != Point(2)
    assert Point(1) != (1, 2, [])
    changed = replace(Point(1), y=7)
    assert changed == Point(1, 7)
    assert copy.deepcopy(changed) == pickle.loads(pickle.dumps(changed)) == changed  # noqa: S301  our own
    assert repr(Point(1)) == "Point(x=1, y=2, names=[])"
    assert as_dict(Named(at=Point(1))) == {"at": {"x": 1, "y": 2, "names": []}, "name": "?"}
    assert hash(Named(at=Point(1, 2, ()))) == hash(Named(at=Point(1, 2, ())))
