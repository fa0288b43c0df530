{#-
    For on-run-end: asks the Python package dbt-anymetrics, if it is in dbt's environment, to refresh AnyMetrics once
    dbt has written run_results.json. What the arguments mean is in _macros.yml. Renders to nothing, and raises
    only where nothing can be sent and on_error='fail' asks for it.

    Nothing here goes through adapter.dispatch, which would look in the user's own project first.
-#}
{% macro refresh(run_date=none, partition=none, models=none, enabled=true, on_error='warn', wait=false, when='now') -%}
    {%- if not execute -%}
    {%- elif enabled | string | lower in ['false', 'no', 'off', '0', 'none', ''] -%}
        {%- do log('[anymetrics] nothing is refreshed: enabled is ' ~ (enabled | string), info=true) -%}
    {%- elif env_var('DBT_ANYMETRICS_PLUGIN', '') -%}
        {#- The listener in Python reads this line, which only dbt's log file shows: dbt_anymetrics/integrations/dbt_plugin.py knows its form. -#}
        {%- set request = anymetrics._request(run_date, partition, models, on_error, wait, when) -%}
        {%- do log('[anymetrics] refresh after this run: ' ~ request, info=false) -%}
    {%- elif env_var('DBT_ANYMETRICS_AROUND', '') -%}
        {%- do log("[anymetrics] 'dbt-anymetrics dbt' refreshes after this run, by its own options", info=true) -%}
    {%- elif anymetrics._builds_nothing() -%}
        {%- set typed = {'freshness': 'source freshness', 'generate': 'docs generate'}.get(flags.WHICH, flags.WHICH) -%}
        {%- do log("[anymetrics] nothing to refresh: 'dbt " ~ typed ~ "' builds nothing", info=true) -%}
    {%- else -%}
        {%- set nothing = 'nothing was noted for later' if when == 'later' else 'nothing was sent to AnyMetrics' -%}
        {%- set text = '[anymetrics] ' ~ nothing ~ ': ' ~ anymetrics._why_not()
            ~ ". Run 'dbt-anymetrics refresh' after dbt, or 'dbt-anymetrics dbt build' in its place" -%}
        {%- if on_error == 'fail' -%}
            {%- do exceptions.raise_compiler_error(text) -%}
        {%- endif -%}
        {%- do anymetrics._say_in_any_case(text) -%}
    {%- endif -%}
{%- endmacro %}

{#- Text only, because tojson raises for a date, which is what an unquoted date in --vars is. -#}
{% macro _request(run_date, partition, models, on_error, wait, when) -%}
    {%- set request = {'on_error': on_error | string, 'invocation_id': invocation_id | string} -%}
    {%- if when != 'now' -%}
        {%- do request.update({'when': when | string}) -%}
    {%- endif -%}
    {%- if run_date is not none -%}
        {%- do request.update({'run_date': run_date | string}) -%}
    {%- endif -%}
    {%- if partition is not none -%}
        {%- do request.update({'partition': anymetrics._texts(partition)}) -%}
    {%- endif -%}
    {%- if models is not none -%}
        {%- do request.update({'models': anymetrics._texts(models)}) -%}
    {%- endif -%}
    {%- if wait | string | lower not in ['false', 'no', 'off', '0', 'none', ''] -%}
        {%- do request.update({'wait': true}) -%}
    {%- endif -%}
    {{- return(tojson(request)) -}}
{%- endmacro %}

{% macro _texts(value) -%}
    {%- set texts = [] -%}
    {%- for each in ([value] if value is string or value is not sequence else value) -%}
        {%- do texts.append(each | string) -%}
    {%- endfor -%}
    {{- return(texts) -}}
{%- endmacro %}

{#- Where dbt does not say which command it runs, it may have built something. -#}
{% macro _builds_nothing() -%}
    {{- return(flags.WHICH | default('build', true) | string | lower
        not in ['run', 'build', 'seed', 'snapshot', 'retry']) -}}
{%- endmacro %}

{#- --quiet hides what is logged, but not what is printed. --log-level warn hides both, and no macro can see it. -#}
{% macro _say_in_any_case(text) -%}
    {%- if flags.QUIET -%}
        {%- do print(text) -%}
    {%- else -%}
        {%- do log(text, info=true) -%}
    {%- endif -%}
{%- endmacro %}

{% macro _why_not() -%}
    {%- if dbt_version.startswith('1.') -%}
        {{- return('the Python package dbt-anymetrics is not in the environment of dbt') -}}
    {%- else -%}
        {{- return('dbt ' ~ dbt_version ~ ' runs no Python') -}}
    {%- endif -%}
{%- endmacro %}
