"""The data dictionary: the page in the docs is what the description of the views says now."""

import re
from pathlib import Path

import pytest

from pipelines.contracts.views import RELATIONS, VIEWS
from pipelines.reporting.dictionary import page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "dictionary.md"
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page(), re.MULTILINE | re.DOTALL))


def test_the_committed_page_is_the_generated_one():
    assert PAGE.read_text() == page(), "run `make dictionary`"


@pytest.mark.parametrize("name", VIEWS)
def test_each_view_has_a_section_with_its_columns_in_order_and_what_their_nulls_mean(name):
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", SECTIONS[name], re.MULTILINE)
    assert [(column, null != "") for column, null in rows] == [
        (column.name, column.nullable) for column in VIEWS[name].columns
    ]


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: f"{relation.view} to {relation.of}")
def test_each_relation_is_a_line_of_the_diagram(relation):
    [diagram] = re.findall(r"```mermaid\n(.*?)```", page(), re.DOTALL)
    columns = ", ".join(relation.columns)
    stroke = "--" if relation.is_lasting else r"\.\."
    assert re.search(rf'^    {relation.of} \|[|o]{stroke}o[|{{] {relation.view} : "{columns}"$', diagram, re.MULTILINE)
