{#- dbt before 1.10 hands over `arguments:` as one argument instead of unpacking it. -#}
{% test relationships(model, column_name, to=none, field=none, arguments=none) %}
{{ adapter.dispatch('test_relationships', 'dbt')(
    model, column_name, to or arguments['to'], field or arguments['field']
) }}
{% endtest %}
