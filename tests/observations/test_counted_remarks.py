"""Remarks on the parts of a catalogue become those on the whole."""

from xdgmm.observations.counted_remarks import CountedRemarks


def joined(*parts):
    found = CountedRemarks()
    for remarks in parts:
        found.add(remarks)
    return found.joined()


def test_counts_add_and_other_remarks_are_said_once():
    first = ("errors of v taken from e_v", "3 of 100 values of v missing", "2 rows without any value left out")
    second = ("errors of v taken from e_v", "4 of 50 values of v missing", "5 rows without any value left out")
    assert joined(first, second) == (
        "errors of v taken from e_v",
        "7 of 150 values of v missing",
        "7 rows without any value left out",
    )


def test_one_row_and_several_rows_are_rows():
    one, several = ("1 row without any value left out",), ("3 rows without any value left out",)
    assert joined(one, several, one) == ("5 rows without any value left out",)
    assert joined((), one) == one


def test_what_is_counted_is_left_out_where_some_parts_have_none():
    assert joined((), ("3 of 100 values of v missing",)) == ("3 values of v missing",)


def test_one_part_keeps_its_remarks():
    remarks = ("correlations taken from rho (3 of 6 pairs; the others uncorrelated)", "in all, 1 row without any value")
    assert joined(remarks) == remarks
