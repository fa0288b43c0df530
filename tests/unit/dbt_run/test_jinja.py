from __future__ import annotations

import tracemalloc
from datetime import date, datetime, timezone
from typing import Any

import pytest

from dbt_anymetrics.dbt_run.jinja import MAX_TEMPLATE, render
from dbt_anymetrics.errors import UsageError

VARS: dict[str, Any] = {
    "ds": "2024-07-17",
    "days": ["2024-07-16", "2024-07-17"],
    "range": {"from": "2024-07-01"},
    "nothing": None,
    "long": "x" * 200,
    "huge": "x" * 60_000,
}
RUN = {"run_started_at": datetime(2024, 7, 18, 6, tzinfo=timezone.utc), "invocation_id": "11111111-1111"}


def rendered(source: str) -> object:
    return render(source, VARS, {"DS": "2024-07-15", "ANYMETRICS_AUTH_VALUE": "s3cret"}, RUN)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ var('ds') }}", "2024-07-17"),
        ("{{ var('other', '2024-01-01') }}", "2024-01-01"),
        ("{{ var('other', default='2024-01-01') }}", "2024-01-01"),
        ("{{ var('days') }}", ["2024-07-16", "2024-07-17"]),
        ("{{ ['run_date-1', 'run_date'] }}", ["run_date-1", "run_date"]),
        ("{{ var('days')[0] }}", "2024-07-16"),
        ("{{ var('range')['from'] }}..{{ var('ds') }}", "2024-07-01..2024-07-17"),
        ("{{ env_var('DS') }}", "2024-07-15"),
        ("{{ env_var('OTHER', 'run_date-1') }}", "run_date-1"),
        ("{{ run_started_at.strftime('%Y-%m-%d') }}", "2024-07-18"),
        ("{{ run_started_at.date() }}", date(2024, 7, 18)),
        ("{{ (run_started_at - modules.datetime.timedelta(days=2)).date().isoformat() }}", "2024-07-16"),
        (
            "{{ (modules.datetime.datetime.strptime(var('ds'), '%Y-%m-%d') - modules.datetime.timedelta(2)).date() }}",
            date(2024, 7, 15),
        ),
        ("{{ run_started_at.date() - modules.datetime.timedelta(1) * 2 }}", date(2024, 7, 16)),
        ("{{ modules.datetime.date.fromisoformat(var('ds')).replace(day=1) }}", date(2024, 7, 1)),
        ("{{ run_started_at.astimezone(modules.datetime.timezone.utc).hour }}", 6),
        ("{{ invocation_id }}", "11111111-1111"),
        ("{% if var('ds') == '2024-07-17' %}run_date{% else %}run_date-1{% endif %}", "run_date"),
        ("{{ 'run_date-' ~ (2 * 3 + 1) }}", "run_date-7"),
        ("{{ ['run_date', 'run_date-1'] | join(',') }}", "run_date,run_date-1"),
        ("{{ ' RUN_DATE ' | trim | lower }}", "run_date"),
        ("{{ var('days') | last | string | replace('07-', '08-') }}", "2024-08-17"),
        ("{{ '2024-07-17T01:02:03'.split('T')[0] }}", "2024-07-17"),
        ("2024-{{ '07' }}-01", "2024-07-01"),
    ],
)
def test_a_template_means_this(source: str, expected: object) -> None:
    assert rendered(source) == expected


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ var('other') }}", "the var 'other' is not set"),
        ("{{ var('nothing') }}", "the var 'nothing' is not set"),
        ("{{ env_var('OTHER') }}", "OTHER is not set"),
        ("{{ ds }}", "'ds' is undefined"),
        ("{{ ds }} and", "'ds' is undefined"),
        ("{{ var('range')['to'] }}", "no attribute 'to'"),
        ("{{ var( }}", "TemplateSyntaxError"),
        ("{{ var('ds') | nosuch }}", "nosuch"),
        ("{{ var('ds') - 1 }}", "TypeError"),
        ("{{ modules.pytz }}", "pytz"),
        ("{{ modules.datetime.date(2024, 13, 1) }}", "ValueError"),
    ],
)
def test_a_template_that_fails_says_why(source: str, said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        rendered(source)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    "name",
    ["ANYMETRICS_AUTH_VALUE", "DBT_ENV_SECRET_ANYMETRICS_AUTH_VALUE", "DBT_ENV_SECRET_X", "DBT_ENGINE_ENV_SECRET_X"],
)
def test_a_template_reads_no_secret(name: str) -> None:
    with pytest.raises(UsageError, match="is a secret") as refusal:
        render(f"{{{{ env_var('{name}', 'default') }}}}", {}, {name: "s3cret"})
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ var.__globals__ }}",
        "{{ var.__globals__['datetime'].sys }}",
        "{{ env_var.__closure__ }}",
        "{{ modules.datetime.datetime.__subclasses__() }}",
        "{{ modules.__dict__ }}",
        "{{ modules.datetime.datetime.now.__self__ }}",
        "{{ '{0.__class__}'.format(var) }}",
        "{{ 'x'.encode() }}",
        "{{ 'x'.join(['a']) }}",
        "{{ var('range').items() }}",
        "{{ var('days').append('x') }}",
        "{{ '' | attr('__class__') }}",
        "{{ var('days') | map('upper') | list }}",
        "{{ self._TemplateReference__context }}",
        "{{ range(10) }}",
        "{{ lipsum() }}",
        "{{ cycler('a') }}",
        "{{ dict(a=1) }}",
        "{{ namespace() }}",
        "{% for x in [1] %}{{ x }}{% endfor %}",
        "{% set x = 1 %}{{ x }}",
        "{% macro m() %}{% endmacro %}{{ m() }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{{ 2 ** 100000000 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ var('huge') }}",
        "{{ var('huge') ~ '' }}",
        "{{ var('long').replace('x', 'y' ~ var('long')) }}",
        "{{ var('days') | join(var('long')) }}",
        "{{ var('days') | join(d=var('long')) }}",
        "{{ 'x' | replace('x', var('long')) }}",
        "{{ " + "(" * 900 + "1" + ")" * 900 + " }}",
        "{{ " + "-" * 1900 + "1 }}",
        "x" * (MAX_TEMPLATE + 1),
    ],
)
def test_a_template_may_do_no_more_than_a_date_needs(source: str) -> None:
    with pytest.raises(UsageError):
        rendered(source)


@pytest.mark.parametrize("source", ["{{ 'x' * 3 }}", "{{ 3 * 'x' }}", "{{ var('days') * 3 }}"])
def test_only_numbers_are_multiplied(source: str) -> None:
    with pytest.raises(UsageError, match="only numbers can be multiplied"):
        rendered(source)


NESTED: dict[str, Any] = {
    "deep": {"a": [{"b": ["x" * 1000] * 100}]},
    "wide": ["x" * 40_000] * 2,
    "many": [["x"] * 300] * 300,
    "huge number": [10**19],
}

CYCLE: list[object] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize("value", [*NESTED.values(), CYCLE], ids=[*NESTED, "a cycle"])
@pytest.mark.parametrize("source", ["{{ var('v') }}", "{{ var('v') | string }}", "{{ [var('v')] | join(',') }}"])
def test_a_value_within_values_counts(value: object, source: str) -> None:
    with pytest.raises(UsageError, match=r"more than 50,000|too large"):
        render(source, {"v": value}, {})


STEPS = [
    "{{ (var('half') ~ var('half')) ~ var('half') }}",
    "{{ var('half') + var('half') + var('half') }}",
    "{{ [var('half'), var('half'), var('half')] }}",
    "{{ {'a': var('half'), 'b': var('half'), 'c': var('half')}['a'] }}",
    "{{ (var('half') | list) + (var('half') | list) }}",
    "{{ 999999999999 * 999999999999 }}",
    "{{ ('9' * 1) | int * 10 }}",
    "{{ var('half') | replace('x', 'yyyyyyyyyy') }}",
    "{{ run_started_at.strftime('%c' * 30) }}",
]


@pytest.mark.parametrize("source", STEPS)
def test_no_step_makes_a_large_value(source: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(UsageError):
            render(source, {"half": "x" * 20_000}, {}, RUN)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


ENVIRONMENT = {"TOKEN": "top-private-value"}


@pytest.mark.parametrize(
    "source",
    [
        "{{ modules.datetime.datetime.strptime(env_var('TOKEN'), '%Y') }}",
        "{{ env_var('TOKEN') - 1 }}",
        "{{ {}[env_var('TOKEN')] }}",
        "{{ var(env_var('TOKEN') ~ 'x') }}",
        "{{ modules.datetime.date.fromisoformat(env_var('TOKEN')) }}",
        "{{ var(env_var('TOKEN')[4:]) }}",
        "{{ env_var(env_var('TOKEN') | upper) }}",
        "{{ {'a': 1}[env_var('TOKEN')[2:]] }}",
        "{{ env_var('TOKEN') | nosuch }}",
    ],
)
def test_a_value_of_the_environment_is_in_no_message(source: str) -> None:
    with pytest.raises(UsageError) as refusal:
        render(source, {}, ENVIRONMENT)
    assert "private" not in str(refusal.value).lower()


def test_many_steps_over_large_values_are_too_much() -> None:
    with pytest.raises(UsageError, match="more work than a date needs"):
        render("{{ var('b') " + "| list " * 100 + "| first }}", {"b": list(range(24_000))}, {})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ nosuch | default('run_date') }}", "run_date"),
        ("{{ var('range')['to'] | d('2024-08-01') }}", "2024-08-01"),
        ("{{ '' | default('run_date', true) }}", "run_date"),
        ("{% if nosuch is defined %}a{% elif var('ds') is string %}run_date{% endif %}", "run_date"),
        ("{{ 'run_date' if 3 > 2 >= 2 and not 1 in [2] else 'x' }}", "run_date"),
        ("{{ var('range').from }}", "2024-07-01"),
        ("{{ var('ds')[:7] ~ '-01' }}", "2024-07-01"),
        ("{{ 'run_date-' ~ -(-7) }}", "run_date-7"),
        ("{{ run_started_at.replace(day=1).date() }}", date(2024, 7, 1)),
        ("{{ '07' | int + 1 }}", 8),
        ("{{ var('days') | first }}", "2024-07-16"),
        ("", ""),
        ("{% if false %}x{% endif %}", ""),
    ],
)
def test_a_template_means_what_it_means_in_jinja(source: str, expected: object) -> None:
    assert rendered(source) == expected


def test_a_failure_does_not_repeat_a_long_template_whole() -> None:
    with pytest.raises(UsageError) as refusal:
        rendered("{{ nosuch }}" + "x" * 1500)
    assert len(str(refusal.value)) < 300


def test_a_template_without_a_run_knows_no_run() -> None:
    with pytest.raises(UsageError, match="run_started_at"):
        render("{{ run_started_at }}", {}, {})
