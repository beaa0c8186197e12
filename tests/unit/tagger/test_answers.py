"""Answers of large models, good and bad, as choices."""

import pytest

from tagger.suggest.answers import parse

GOOD = (
    '{"tags": [{"tag": "rice", "sure": "high", "because": "paddy"}, {"tag": "water", "sure": "low", "because": ""}], '
    '"new_tag": null}'
)


def names(text: str) -> list[str] | None:
    answer = parse(text)
    return None if answer is None else [choice.name for choice in answer.choices]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD, ["rice", "water"]),
        (f"<think>Is it {{wheat}}? No.</think>\n{GOOD}", ["rice", "water"]),
        ("<think>rice, wheat... I never stop thinking", None),
        (f"Sure! Here you go:\n```json\n{GOOD}\n```\nHope that helps.", ["rice", "water"]),
        ('{"tags": ["rice", "water",]}', ["rice", "water"]),
        ("{'tags': ['rice', 'water']}", ["rice", "water"]),
        ('{"tags": [{"tag": "rice", "sure": "hi', ["rice"]),
        ('["rice", "water"]', ["rice", "water"]),
        ('{"tags": "rice"}', ["rice"]),
        ('{"tags": []}', []),
        ("Tags: rice, water", ["rice", "water"]),
        ("Tags:\n- rice\n- water (because it is flooded)\n", ["rice", "water"]),
        ("1. **rice** - the crop\n2. `water`\n", ["rice", "water"]),
        ("标签:水稻、灌溉", ["水稻", "灌溉"]),
        ("none", []),
        ("", None),
        ("   \n", None),
        ("I am sorry, but as a language model I am not able to read that file for you today.", None),
    ],
)
def test_what_survives(text: str, expected: list[str] | None) -> None:
    assert names(text) == expected


def test_how_sure_it_is() -> None:
    answer = parse('{"tags": [{"tag": "a1", "confidence": 0.4}, {"tag": "b1", "confidence": 90}], "new_tag": "c1"}')
    assert answer is not None
    assert [(choice.name, choice.confidence, choice.new) for choice in answer.choices] == [
        ("a1", 0.4, False),
        ("b1", 0.9, False),
        ("c1", 0.78, True),
    ]


def test_deep_nesting_is_survived() -> None:
    assert parse("[" * 100_000) is None
