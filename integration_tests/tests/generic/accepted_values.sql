{#- dbt before 1.10 hands over `arguments:` as one argument instead of unpacking it. -#}
{% test accepted_values(model, column_name, values=none, arguments=none) %}
{{ adapter.dispatch('test_accepted_values', 'dbt')(model, column_name, values or arguments['values']) }}
{% endtest %}
